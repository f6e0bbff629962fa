//! Leaving the terminal (`daemonize`), and telling a service manager where the server stands (`supervised`).

use crate::config::{Settings, Supervised};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Whether a service manager started this process and is to be told of it.
fn is_supervised(settings: &Settings) -> bool {
    let systemd = std::env::var_os("NOTIFY_SOCKET").is_some();
    let upstart = std::env::var_os("UPSTART_JOB").is_some();
    match settings.supervised {
        Supervised::No => false,
        Supervised::Systemd => systemd,
        Supervised::Upstart => upstart,
        Supervised::Auto => systemd || upstart,
    }
}

/// Goes on in the background, in a session of its own, if the settings ask for it and no service manager watches this
/// process. Must be called before any thread is started.
///
/// # Errors
/// No process can be made, or /dev/null cannot be opened.
pub fn detach(settings: &Settings) -> io::Result<()> {
    if !settings.daemonize || is_supervised(settings) {
        return Ok(());
    }
    // SAFETY: there is one thread, so the child has all of this process; the parent ends at once.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {}
        _ => std::process::exit(0),
    }
    // SAFETY: plain system calls on this process and its standard descriptors.
    unsafe {
        libc::setsid();
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        if null < 0 {
            return Err(io::Error::last_os_error());
        }
        for standard in 0..=2 {
            libc::dup2(null, standard);
        }
        if null > 2 {
            libc::close(null);
        }
    }
    Ok(())
}

/// Says that the server serves. systemd is told whenever it asks to be (the protocol of `sd_notify`); upstart takes a
/// stopped process for a ready one, and lets it go on.
pub fn ready(settings: &Settings) {
    notify("READY=1\nSTATUS=Ready to accept connections");
    let asked = matches!(settings.supervised, Supervised::Upstart | Supervised::Auto);
    if asked && std::env::var_os("UPSTART_JOB").is_some() {
        // SAFETY: a plain system call.
        unsafe { libc::raise(libc::SIGSTOP) };
    }
}

/// Says that the server ends.
pub fn stopping() {
    notify("STOPPING=1");
}

fn notify(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = UnixDatagram::unbound().and_then(|from| match socket.to_str().and_then(|name| name.strip_prefix('@')) {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            from.send_to_addr(state.as_bytes(), &address)
        }
        None => from.send_to(state.as_bytes(), Path::new(&socket)),
    });
    if let Err(error) = sent {
        tracing::warn!("systemd cannot be told: {error}");
    }
}
