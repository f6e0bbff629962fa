//! CONFIG GET, SET, REWRITE and RESETSTAT.

use crate::command::answer::{answer, error, help, result};
use crate::command::spec::LookupError;
use crate::command::{Exec, Flow};
use crate::config::{SetContext, SetError, Settings};
use crate::net::Conn;
use crate::observe::server_log;
use crate::resp::Args;
use crate::server::{Core, Outcome, Query};

/// Settings that are only read at the start so far, with what it takes to change them.
const READ_AT_START: [&str; 4] = ["appendonly", "aof-segment-size", "bind", "port"];

pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("config|get", Exec::Conn(get)),
        ("config|set", Exec::Conn(set)),
        ("config|rewrite", Exec::Conn(rewrite)),
        ("config|resetstat", Exec::Conn(reset_stat)),
        ("config|help", Exec::Conn(help)),
    ]
}

/// CONFIG GET parameter [parameter ...]
fn get(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let found = {
        let config = core.everyone.config.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        config.get(args.tail(2).iter())
    };
    answer(core, conn, |reply| {
        reply.map(found.len());
        for (name, value) in &found {
            reply.bulk(name.as_bytes());
            reply.bulk(value);
        }
    })
}

/// CONFIG SET parameter value [parameter value ...]
fn set(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if !args.len().is_multiple_of(2) {
        return error(core, conn, LookupError::Arity("config|set").text(args));
    }
    if conn.outbox.has_pending() {
        return Flow::Retry;
    }
    if let Err(refusal) = change(core, conn, args) {
        return result(core, conn, Err(refusal.to_string()));
    }
    core.look();
    // Whoever turns the password off need not give it any more, and is not in the table at this moment.
    if core.settings.requirepass.is_none() {
        conn.special.set(crate::net::Special::UNAUTHENTICATED, false);
    }
    let changes_sync = (2..args.len()).step_by(2).any(|at| args.is(at, "appendfsync"));
    core.in_task(conn, move |handle| async move {
        // From the reply on every core goes by the new settings: a command that follows may run on any of them.
        handle.ask_all(|| Query::Look).await;
        // And the log keeps what they promise.
        let changed = if changes_sync { crate::server::change_fsync(&handle).await } else { Ok(()) };
        match changed {
            Ok(()) => Outcome::write(Default::default(), |reply| reply.ok()),
            Err(text) => Outcome::error(
                format!("ERR CONFIG SET failed (possibly related to argument 'appendfsync') - {text}").as_bytes(),
            ),
        }
    })
}

/// Puts new values in force, all of them or none.
fn change(core: &Core, conn: &Conn, args: Args) -> Result<(), SetError> {
    let pairs: Vec<(&[u8], &[u8])> = (2..args.len()).step_by(2).map(|at| (args.at(at), args.at(at + 1))).collect();
    let mut config = core.everyone.config.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let context = SetContext { local: conn.peer.is_local(), loading: core.is_loading() };
    let change = config.prepare(&pairs, context)?;
    if let Some(name) = change.names().iter().find(|name| READ_AT_START.contains(name)) {
        return Err(SetError::failed(name, "it can only be set at the start, in the configuration file"));
    }
    let names = config.commit(change);
    let settings = Settings::from(&*config);
    server_log::set_level(settings.loglevel);
    core.everyone.set_settings(settings);
    drop(config);
    if !names.is_empty() {
        tracing::info!("settings changed: {}", names.join(", "));
    }
    Ok(())
}

/// CONFIG REWRITE. Syncs a file, so it runs on a thread of its own.
fn rewrite(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let everyone = core.everyone.clone();
    core.in_task(conn, move |handle| async move {
        let written = handle
            .on_thread("config-rewrite", move || {
                // A copy, so that nobody waits for the disk behind the lock.
                let config = everyone.config.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
                config.rewrite().map_err(|error| error.to_string())
            })
            .await;
        match written {
            Ok(()) => Outcome::write(Default::default(), |reply| reply.ok()),
            Err(text) => {
                tracing::warn!("CONFIG REWRITE failed: {text}");
                Outcome::error(text.as_bytes())
            }
        }
    })
}

/// CONFIG RESETSTAT
fn reset_stat(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    core.in_task(conn, |handle| async move {
        handle.ask_all(|| Query::ResetStats).await;
        Outcome::write(Default::default(), |reply| reply.ok())
    })
}
