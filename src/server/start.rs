//! Starting the server: limits, data, cores; and waiting for its end.

use super::core::{Core, Everyone};
use super::engine::Engine;
use super::outside::mailbox;
use crate::config::{Config, Settings};
use crate::keyspace::{Keyspace, SlabError, SlabOptions};
use crate::net::{ListenError, Listener};
use crate::observe::{Ticks, unix_ms};
use crate::ring::{Ring, RingError};
use crate::shard::Shard;
use crate::shard::mesh::Mesh;
use crate::shard::message::Envelope;
use glommio::{LocalExecutorBuilder, Placement};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use thiserror::Error;

/// Why the server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A core has no ring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No address space for keys.
    #[error(transparent)]
    Slab(#[from] SlabError),
    /// glommio could not start an executor.
    #[error("a core's executor could not start: {0}")]
    Executor(String),
    /// Anything else from the system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// CPUs that this process may use.
fn cpus() -> Vec<usize> {
    // SAFETY: the set is plain memory that the call fills.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is valid and its size is passed along.
    let ok = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } == 0;
    // SAFETY: indices below the set's size.
    let cpus: Vec<usize> =
        (0..libc::CPU_SETSIZE as usize).filter(|&cpu| ok && unsafe { libc::CPU_ISSET(cpu, &set) }).collect();
    if cpus.is_empty() { vec![0] } else { cpus }
}

/// Rings are charged to the locked-memory limit: takes all of it that is allowed.
fn raise_memory_lock() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place to read from and write to.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit);
        }
    }
}

/// Room for every client's descriptor: raises the limit as far as allowed. Returns how many clients fit.
fn raise_open_files(maxclients: u32) -> u64 {
    /// Descriptors that are not clients': segments, rings, listeners.
    const RESERVED: u64 = 256;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place to read from and write to.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < maxclients as u64 + RESERVED {
            limit.rlim_cur = limit.rlim_max.min(maxclients as u64 + RESERVED).max(limit.rlim_cur);
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
    limit.rlim_cur.saturating_sub(RESERVED)
}

/// Runs a server with this configuration until it is told to end.
pub fn serve(config: Config) -> Result<(), StartError> {
    Ticks::calibrate();
    raise_memory_lock();
    // Tells a missing io_uring from other troubles before any core starts.
    drop(Ring::new()?);
    let settings = Settings::from(&config);
    let fit = raise_open_files(settings.maxclients);
    if fit < settings.maxclients as u64 {
        tracing::warn!(
            "the limit on open files leaves room for {fit} clients, not {} (maxclients)",
            settings.maxclients
        );
    }
    let cpus = cpus();
    let cores = if settings.cores == 0 { cpus.len() } else { settings.cores };
    let listeners = Listener::bind_all(&settings, settings.port)?;
    let (outsides, mailboxes): (Vec<_>, Vec<_>) =
        (0..cores).map(|_| mailbox()).collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
    let everyone = Arc::new(Everyone::new(outsides, config));
    let crowded = cores > cpus.len();
    let mut threads = Vec::new();
    let mut listeners = Some(listeners);
    let settings = everyone.settings();
    for (index, (mesh, mailbox)) in Mesh::build(cores).into_iter().zip(mailboxes).enumerate() {
        let cpu = cpus[index % cpus.len()];
        let listeners = listeners.take().unwrap_or_default();
        let (everyone, settings) = (everyone.clone(), settings.clone());
        let thread =
            std::thread::Builder::new().name(format!("core-{index}")).spawn(move || -> Result<(), StartError> {
                let executor = LocalExecutorBuilder::new(Placement::Fixed(cpu))
                    .name(&format!("core-{index}"))
                    .io_memory(64 << 10)
                    .ring_depth(16)
                    .make()
                    .map_err(|error| StartError::Executor(error.to_string()))?;
                executor.run(async move {
                    let now_ms = unix_ms();
                    let keyspace = Keyspace::new(settings.databases as usize, now_ms, SlabOptions::default())?;
                    let shard = Shard::new(index, cores, keyspace, settings, now_ms);
                    let core = Core::new(everyone, shard, mesh, None);
                    Ok(Engine::new(core, listeners, mailbox, crowded)?.run().await?)
                })
            })?;
        threads.push(thread);
    }
    wait_for_signal(&everyone);
    for thread in threads {
        match thread.join() {
            Ok(result) => result?,
            Err(_) => return Err(StartError::Executor("a core panicked".into())),
        }
    }
    Ok(())
}

/// Sleeps until SIGTERM or SIGINT, then tells core 0 to end the server.
fn wait_for_signal(everyone: &Everyone) {
    // SAFETY: the set is plain memory that the calls fill.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::sigaddset(&mut set, libc::SIGINT);
        let mut signal = 0;
        libc::sigwait(&set, &mut signal);
    }
    everyone.ending.store(true, Ordering::Release);
    everyone.outsides[0].post(Envelope::Look);
}

/// Blocks the signals that [`serve`] waits for; call it before any thread is started.
pub fn block_signals() {
    // SAFETY: the set is plain memory that the calls fill.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::sigaddset(&mut set, libc::SIGINT);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}
