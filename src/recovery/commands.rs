//! The base of commands that Basalt writes ([`crate::log::BaseHeader`]): whole, or refused. It was complete and on the medium before
//! the manifest named it, so nothing about it is ever a torn tail.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecoveryError;
use super::plain::is_word;
use crate::log::{
    BASE_END_BYTES, BASE_HEAD_BYTES, BASE_MAGIC, BLOCK_LINE_BYTES, BaseEnd, BaseFault, BaseHeader, BlockLine, Window,
    read_command,
};
use crate::resp::Args;
use crate::storage::File;

/// A base of commands whose head and end are right.
#[derive(Clone, Debug)]
pub struct CommandsBase {
    /// The file.
    pub path: PathBuf,
    /// Its first line.
    pub header: BaseHeader,
    /// Its last line.
    pub end: BaseEnd,
    /// Where that stands.
    pub end_offset: u64,
    file: Arc<dyn File>,
}

/// Takes the commands of blocks: database, command. An error is a text for people.
pub type BlockSink<'s> = dyn FnMut(u16, Args<'_>) -> Result<(), String> + 's;

/// Whether a file begins as a base of commands that Basalt wrote.
pub(crate) fn begins_with_base(head: &[u8]) -> bool {
    head.starts_with(BASE_MAGIC)
}

impl CommandsBase {
    /// Reads head and end. `id`: what the manifest says, if it does.
    pub(crate) fn open(path: &Path, file: Arc<dyn File>, id: Option<u64>) -> Result<CommandsBase, RecoveryError> {
        let failed = |error| RecoveryError::Io { action: "read", path: path.to_path_buf(), error };
        let damaged = |offset, what| RecoveryError::Base { path: path.to_path_buf(), offset, what };
        let mut window = Window::new(&*file);
        let header = match BaseHeader::decode(window.get(0, BASE_HEAD_BYTES).map_err(failed)?) {
            Ok(header) => header,
            Err(BaseFault::Newer(version)) => {
                let fault = crate::log::HeaderFault::Newer(version);
                return Err(RecoveryError::Header { path: path.to_path_buf(), fault });
            }
            Err(_) => return Err(damaged(0, "its head is not as it was written")),
        };
        if id.is_some_and(|id| id != header.id) {
            let what = "its head is not that of the base that the manifest names";
            return Err(RecoveryError::Disagrees { path: path.to_path_buf(), what });
        }
        let len = file.len().map_err(failed)?;
        let end_offset = len.saturating_sub(BASE_END_BYTES as u64);
        let last = window.get(end_offset, BASE_END_BYTES).map_err(failed)?;
        let end = header.read_end(last, end_offset).ok_or_else(|| {
            damaged(end_offset, "its last line, which ends every base, is not there or not as it was written")
        })?;
        Ok(CommandsBase { path: path.to_path_buf(), header, end, end_offset, file })
    }

    /// Bytes of the file.
    pub fn len_bytes(&self) -> u64 {
        self.end_offset + BASE_END_BYTES as u64
    }

    /// Gives the commands of every block that `wants` chooses to `sink`, in order, each block after its checksum was found right.
    pub fn replay(&self, wants: impl Fn(&BlockLine) -> bool, sink: &mut BlockSink<'_>) -> Result<(), RecoveryError> {
        let failed = |error| RecoveryError::Io { action: "read", path: self.path.clone(), error };
        let damaged = |offset, what| RecoveryError::Base { path: self.path.clone(), offset, what };
        let mut window = Window::new(&*self.file);
        let mut offset = BASE_HEAD_BYTES as u64;
        let mut blocks = 0;
        while offset < self.end_offset {
            let head = window.get(offset, BLOCK_LINE_BYTES).map_err(failed)?;
            let line = self.header.read_line(head, offset);
            let line = line.ok_or_else(|| damaged(offset, "no block begins where one should"))?;
            let bytes = line.block_bytes();
            if bytes > self.end_offset - offset {
                return Err(damaged(offset, "a block goes on behind the end of the base"));
            }
            if wants(&line) {
                let block = window.get(offset, bytes as usize).map_err(failed)?;
                if !self.header.is_whole(block, offset) {
                    return Err(damaged(offset, "the block there is not as it was written"));
                }
                let payload = &block[BLOCK_LINE_BYTES..][..line.payload_bytes as usize];
                self.replay_block(&line, payload, offset, sink)?;
            }
            blocks += 1;
            offset += bytes;
        }
        if blocks != self.end.blocks {
            return Err(damaged(self.end_offset, "it has not as many blocks as its last line says"));
        }
        Ok(())
    }

    fn replay_block(
        &self,
        line: &BlockLine,
        payload: &[u8],
        offset: u64,
        sink: &mut BlockSink<'_>,
    ) -> Result<(), RecoveryError> {
        let malformed = || RecoveryError::Malformed { path: self.path.clone(), offset };
        let (mut db, mut at, mut commands) = (None, 0, 0);
        let mut words = Vec::new();
        while at < payload.len() {
            let bytes = &payload[at..];
            at += read_command(bytes, &mut words).map_err(|_| malformed())?;
            let args = Args::new(bytes, &words);
            if is_word(&args, b"SELECT") {
                let number = args.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
                db = Some(number.ok_or_else(malformed)?);
                continue;
            }
            commands += 1;
            sink(db.ok_or_else(malformed)?, args).map_err(|error| {
                let Self { path, .. } = self;
                RecoveryError::Sink(format!("{}, block at offset {offset}: {error}", path.display()))
            })?;
        }
        if commands == line.commands { Ok(()) } else { Err(malformed()) }
    }
}

/// The key of a base's command.
pub fn base_key<'a>(args: &Args<'a>) -> Option<&'a [u8]> {
    args.get(if is_word(args, b"XGROUP") { 2 } else { 1 })
}
