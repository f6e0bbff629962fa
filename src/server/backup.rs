//! BACKUP: a copy of the log by hard links, at one instant of all cores (LOG_RULES S7 in docs/DURABILITY.md).

use super::core::Core;
use super::instant::{go, stop_all};
use super::keeper::Order;
use super::rewrite::poison_if_unknown;
use super::task::Handle;
use crate::observe::{Backup, BackupState, unix_ms};
use crate::shard::message::{Act, Answer, Request};
use std::path::{Path, PathBuf};

/// Seals the backup that was begun: its files hold everything up to this instant. Runs in a conductor task. The error is for the
/// client.
pub(crate) async fn seal(handle: &Handle) -> Result<(), String> {
    let ends = stop_all(handle).await;
    let result = seal_here(handle, ends).await;
    go(handle).await;
    handle.with(|core| {
        let mut backup = core.everyone.backup();
        match result {
            // It may have been called off meanwhile.
            _ if backup.state != BackupState::Incrementing => {
                let files = result.unwrap_or_default();
                remove(&files);
                Err("ERR No backup ready to seal".into())
            }
            Ok(files) => {
                let end_s = unix_ms() / 1000;
                *backup = Backup { state: BackupState::Sealed, end_s, files, ..std::mem::take(&mut backup) };
                tracing::info!("the backup is sealed: {} files", backup.files.len());
                Ok(())
            }
            Err(error) => {
                tracing::error!("the backup failed: {error}");
                backup.state = BackupState::Failed;
                backup.error = error.clone();
                Err(format!("ERR {error}"))
            }
        }
    })
}

async fn seal_here(handle: &Handle, ends: Vec<crate::log::SegmentEnd>) -> Result<Vec<PathBuf>, String> {
    if ends.len() != handle.with(|core| core.cores()) {
        return Err("there is no log, or that of a core has failed".into());
    }
    let dirname = handle.with(|core| core.settings.backup_directory.to_string_lossy().into_owned());
    handle.with(|core| core.order(Order::Backup { tx: handle.tx, dirname, ends }));
    match handle.answer_from_outside().await {
        Answer::Backup(Ok((segments, files))) => {
            let acts = segments.into_iter().map(|segment| Request::Act(Act::Segment(Box::new(segment))));
            handle.ask(acts.enumerate().collect()).await;
            files
        }
        Answer::Backup(Err(error)) => Err(poison_if_unknown(handle, error)),
        _ => Err("the keeper of segments gave no answer".into()),
    }
}

/// Removes the files of a backup, and its directory if it is empty then.
pub(crate) fn clean_up(files: &[PathBuf], directory: &Path) {
    remove(files);
    let _ = std::fs::remove_dir(directory);
}

fn remove(files: &[PathBuf]) {
    // The manifest is the last of them and goes first: a set without one is no log.
    for file in files.iter().rev() {
        if let Err(error) = std::fs::remove_file(file) {
            tracing::warn!("{} stays behind: {error}", file.display());
        }
    }
}

impl Core {
    /// Removes a sealed backup that is older than `backup-sealed-ttl`. Called once a second.
    pub(super) fn expire_backup(&mut self) {
        let ttl_s = self.settings.backup_sealed_ttl_s;
        if self.me() != 0 || ttl_s == 0 {
            return;
        }
        let mut backup = self.everyone.backup();
        if backup.state != BackupState::Sealed || self.now_ms / 1000 < backup.end_s.saturating_add(ttl_s) {
            return;
        }
        let Backup { files, .. } = std::mem::take(&mut *backup);
        let directory = self.settings.backup_directory.clone();
        drop(backup);
        tracing::info!("the backup is {ttl_s} seconds old and is removed (backup-sealed-ttl)");
        self.tasks.spawn_conductor(|handle| async move {
            let removed = handle.on_thread("backup", move || {
                clean_up(&files, &directory);
                Ok(())
            });
            let _ = removed.await;
        });
    }
}
