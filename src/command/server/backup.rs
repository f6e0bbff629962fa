//! BACKUP START, SEAL, STATUS, LIST, ABORT and CLEANUP, as Redis 8.10 has them.

use crate::command::answer::{answer, error, help, ok};
use crate::command::{Exec, Flow};
use crate::net::Conn;
use crate::observe::{Backup, BackupState, unix_ms};
use crate::resp::Args;
use crate::server::{Core, Outcome, clean_up, seal};

pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("backup|start", Exec::Conn(start)),
        ("backup|seal", Exec::Conn(seal_now)),
        ("backup|status", Exec::Conn(status)),
        ("backup|list", Exec::Conn(list)),
        ("backup|abort", Exec::Conn(abort)),
        ("backup|cleanup", Exec::Conn(cleanup)),
        ("backup|help", Exec::Conn(help)),
    ]
}

/// BACKUP START. The log that is there already is the beginning of the backup, so this only says that one is wanted.
fn start(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let refusal = {
        let mut backup = core.everyone.backup();
        let directory = &core.settings.backup_directory;
        // A few names at most: whoever looks waits no longer than for any other file.
        let is_empty = std::fs::read_dir(directory).map_or(true, |mut names| names.next().is_none());
        match () {
            () if backup.state == BackupState::Incrementing => Some("ERR Backup already in progress"),
            () if !core.settings.appendonly => Some("ERR BACKUP needs a log: appendonly is no"),
            () if !is_empty => Some("ERR Backup directory is not empty"),
            () => {
                let start_s = unix_ms() / 1000;
                *backup = Backup { state: BackupState::Incrementing, start_s, ..Backup::default() };
                None
            }
        }
    };
    match refusal {
        None => ok(core, conn),
        Some(text) => error(core, conn, text),
    }
}

/// BACKUP SEAL
fn seal_now(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if core.everyone.backup().state != BackupState::Incrementing {
        return error(core, conn, "ERR No backup ready to seal");
    }
    if conn.outbox.is_captured() {
        // It takes an instant of all cores at which no transaction is under way.
        return error(core, conn, "ERR BACKUP SEAL cannot run inside a transaction");
    }
    core.in_task(conn, |handle| async move {
        match seal(&handle).await {
            Ok(()) => Outcome::write(Default::default(), |reply| reply.ok()),
            Err(text) => Outcome::error(text.as_bytes()),
        }
    })
}

/// BACKUP STATUS
fn status(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let Backup { state, error, start_s, end_s, .. } = core.everyone.backup().clone();
    answer(core, conn, |reply| {
        reply.map(4);
        let (start, end) = (start_s.to_string(), end_s.to_string());
        for (name, value) in [("state", state.name()), ("error", &error), ("start_time", &start), ("end_time", &end)] {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    })
}

/// BACKUP LIST
fn list(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let files = core.everyone.backup().files.clone();
    answer(core, conn, |reply| {
        reply.array(files.len());
        files.iter().for_each(|file| reply.bulk(file.as_os_str().as_encoded_bytes()));
    })
}

/// BACKUP ABORT
fn abort(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let aborted = {
        let mut backup = core.everyone.backup();
        let aborted = backup.state == BackupState::Incrementing;
        if aborted {
            backup.state = BackupState::Failed;
            backup.error = "aborted by user".into();
        }
        aborted
    };
    if aborted { ok(core, conn) } else { error(core, conn, "ERR No backup in progress") }
}

/// BACKUP CLEANUP
fn cleanup(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let files = {
        let mut backup = core.everyone.backup();
        match backup.state {
            BackupState::Incrementing => None,
            _ => Some(std::mem::take(&mut *backup).files),
        }
    };
    let Some(files) = files else {
        return error(core, conn, "ERR Backup in progress, use BACKUP ABORT first");
    };
    let directory = core.settings.backup_directory.clone();
    core.in_task(conn, move |handle| async move {
        let removed = handle.on_thread("backup", move || {
            clean_up(&files, &directory);
            Ok(())
        });
        match removed.await {
            Ok(()) => Outcome::write(Default::default(), |reply| reply.ok()),
            Err(text) => Outcome::error(text.as_bytes()),
        }
    })
}
