//! CONFIG GET, SET, REWRITE and RESETSTAT.

use crate::command::answer::{answer, error, help, result};
use crate::command::spec::LookupError;
use crate::command::{Exec, Flow};
use crate::config::{Change, Config, SetContext, SetError, Settings};
use crate::net::Conn;
use crate::observe::server_log;
use crate::resp::Args;
use crate::server::{Core, Outcome, Query, change_fsync, switch_log};

/// Settings that are only read at the start so far, with what it takes to change them.
const READ_AT_START: [&str; 3] = ["aof-segment-size", "bind", "port"];

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
    let context = SetContext { local: conn.peer.is_local(), loading: core.is_loading() };
    let sets = |name: &str| (2..args.len()).step_by(2).find(|&at| args.is(at, name));
    let (log, changes_sync) = (sets("appendonly"), sets("appendfsync").is_some());
    let words: Vec<&[u8]> = args.tail(2).iter().collect();
    if log.is_some() || changes_sync {
        let names = match prepare(core, &words, context) {
            Ok(change) => change.names().to_vec(),
            Err(refusal) => return error(core, conn, refusal.to_string()),
        };
        let switched = names.iter().find(|name| ["appendonly", "appendfsync"].contains(name));
        if let (Some(name), true) = (switched, conn.outbox.is_captured()) {
            // Both take an instant of all cores at which no transaction is under way.
            let why = "the log cannot be changed inside a transaction";
            return error(core, conn, SetError::failed(name, why).to_string());
        }
        if let Some(at) = log.filter(|_| names.contains(&"appendonly")) {
            return switch(core, conn, args, args.is(at + 1, "yes"), context);
        }
    }
    if let Err(refusal) = change(core, &words, context) {
        return result(core, conn, Err(refusal.to_string()));
    }
    core.look();
    // Whoever turns the password off need not give it any more, and is not in the table at this moment.
    if core.settings.requirepass.is_none() {
        conn.special.set(crate::net::Special::UNAUTHENTICATED, false);
    }
    core.in_task(conn, move |handle| async move {
        // From the reply on every core goes by the new settings: a command that follows may run on any of them.
        handle.ask_all(|| Query::Look).await;
        // And the log keeps what they promise.
        let changed = if changes_sync { change_fsync(&handle).await } else { Ok(()) };
        outcome("appendfsync", changed)
    })
}

fn outcome(name: &str, result: Result<(), String>) -> Outcome {
    match result {
        Ok(()) => Outcome::write(Default::default(), |reply| reply.ok()),
        Err(text) => Outcome::error(SetError::failed(name, text).to_string().as_bytes()),
    }
}

/// Turns the log on or off; only when that is done the values are put in force, with all others of the same command.
fn switch(core: &mut Core, conn: &mut Conn, args: Args, on: bool, context: SetContext) -> Flow {
    let words: Vec<Vec<u8>> = args.tail(2).iter().map(<[u8]>::to_vec).collect();
    core.in_task(conn, move |handle| async move {
        let put_in_force = |core: &mut Core| {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let changed = change(core, &words, context).or_else(|refusal| {
                // What was right before is not any more. The setting must say what is true of the log.
                let value: &[u8] = if on { b"yes" } else { b"no" };
                change(core, &[b"appendonly", value], context)?;
                Err(refusal)
            });
            core.look();
            Ok(changed)
        };
        let switched = switch_log(&handle, on, put_in_force).await;
        handle.ask_all(|| Query::Look).await;
        match switched {
            Ok(Ok(())) => outcome("appendfsync", change_fsync(&handle).await),
            Ok(Err(refusal)) => Outcome::error(refusal.to_string().as_bytes()),
            Err(text) => outcome("appendonly", Err(text)),
        }
    })
}

/// Checks names and values, in turn, and gives the change to make.
fn prepare(core: &Core, words: &[&[u8]], context: SetContext) -> Result<Change, SetError> {
    let pairs: Vec<(&[u8], &[u8])> = words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let config = core.everyone.config.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    prepare_in(&config, &pairs, context)
}

fn prepare_in(config: &Config, pairs: &[(&[u8], &[u8])], context: SetContext) -> Result<Change, SetError> {
    let change = config.prepare(pairs, context)?;
    match change.names().iter().find(|name| READ_AT_START.contains(name)) {
        Some(name) => Err(SetError::failed(name, "it can only be set at the start, in the configuration file")),
        None => Ok(change),
    }
}

/// Puts new values in force, all of them or none.
fn change(core: &Core, words: &[&[u8]], context: SetContext) -> Result<(), SetError> {
    let pairs: Vec<(&[u8], &[u8])> = words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let mut config = core.everyone.config.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let change = prepare_in(&config, &pairs, context)?;
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
