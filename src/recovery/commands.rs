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
    pub fn open(path: &Path, file: Arc<dyn File>, id: Option<u64>) -> Result<CommandsBase, RecoveryError> {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::super::simulation::directory;
    use super::super::{Base, Options, ReplaySink, plan};
    use super::*;
    use crate::log::{Entry, Manifest, Role, pad_base_block, switch_manifest};
    use crate::storage::{Fs, Open, PowerCut, SimFs, write_all_at};

    /// A base of blocks: core, number of commands, commands.
    pub(crate) fn base_of(header: &BaseHeader, blocks: &[(u16, u32, Vec<u8>)], keys: u64) -> Vec<u8> {
        let mut base = header.encode();
        for (core, commands, payload) in blocks {
            let line = BlockLine { core: *core, commands: *commands, payload_bytes: payload.len() as u64 };
            let mut block = vec![0; BLOCK_LINE_BYTES];
            block.extend_from_slice(payload);
            pad_base_block(&mut block);
            header.seal(&mut block, &line, base.len() as u64);
            base.extend_from_slice(&block);
        }
        let end = BaseEnd { blocks: blocks.len() as u64, keys };
        let last = header.encode_end(&end, base.len() as u64);
        base.extend_from_slice(&last);
        base
    }

    const HEADER: BaseHeader = BaseHeader { id: 17, seed: 4, cores: 2, time_ms: 1 };
    const NAME: &str = "appendonly.aof.1.base.aof";

    fn blocks() -> Vec<(u16, u32, Vec<u8>)> {
        let sets = |words: &str| format!("*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n{words}").into_bytes();
        let set = |key: &str| format!("*3\r\n$3\r\nSET\r\n$1\r\n{key}\r\n$1\r\nv\r\n");
        vec![(0, 2, sets(&(set("a") + &set("b")))), (1, 1, sets(&set("c")))]
    }

    struct Keys(String);

    impl ReplaySink for Keys {
        fn base_rdb(&mut self, _: &Path) -> Result<u64, String> {
            Err("it is none".into())
        }

        fn command(&mut self, _: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String> {
            self.0 += &format!("{db}{} ", String::from_utf8_lossy(args.at(1)));
            Ok(())
        }
    }

    /// What a start makes of a log whose base has these bytes.
    fn load(bytes: &[u8], base_id: Option<u64>) -> Result<String, RecoveryError> {
        let fs = SimFs::new(1);
        let dir = directory(&fs);
        fs.create_dir(&dir.path()).unwrap();
        write_all_at(&*fs.open(&dir.file(NAME), Open::Create).unwrap(), bytes, 0).unwrap();
        let base = Entry { name: NAME.into(), seq: 1, role: Role::Base, segment: None, base_id };
        switch_manifest(&dir, &Manifest { entries: vec![base], edit: 1 }).unwrap();
        fs.power_cut(PowerCut::KeepAll);
        // Whatever may be forgiven of the last file of another server.
        let options = Options { corrupt_tail_bytes_max: 1 << 30, ..Options::default() };
        let plan = plan(&dir, &options)?;
        let mut keys = Keys(String::new());
        plan.replay(&mut keys)?;
        assert!(matches!(plan.base, Some(Base::Commands(_))), "it was read as what it is");
        assert_eq!(plan.base_bytes(), bytes.len() as u64);
        Ok(keys.0)
    }

    #[test]
    fn no_flipped_bit_and_no_missing_byte_of_a_base_is_served() {
        let base = base_of(&HEADER, &blocks(), 3);
        assert_eq!(load(&base, Some(17)).unwrap(), "3a 3b 3c ");
        assert_eq!(load(&base, None).unwrap(), "3a 3b 3c ", "a manifest that Redis has written anew");
        let refused = |bytes: &[u8], what: &str| {
            let error = load(bytes, Some(17)).expect_err(what).to_string();
            assert!(error.contains(NAME) && error.contains(" offset "), "{what}: {error}");
        };
        for at in 0..base.len() {
            let mut rotten = base.clone();
            rotten[at] ^= 1 << (at % 8);
            refused(&rotten, &format!("byte {at}"));
        }
        for len in (0..base.len()).step_by(61).chain([base.len() - 1]) {
            refused(&base[..len], &format!("{len} bytes"));
        }
        refused(&[&base[..], b"*1\r\n$4\r\nPING\r\n"].concat(), "something behind the end");
    }

    #[test]
    fn blocks_that_are_missing_moved_or_from_another_base_are_noticed() {
        let base = base_of(&HEADER, &blocks(), 3);
        let (head, rest) = base.split_at(BASE_HEAD_BYTES);
        let (first, rest) = rest.split_at(4096);
        let (second, end) = rest.split_at(4096);
        for parts in [vec![head, second, first, end], vec![head, first, end], vec![head, first, first, end]] {
            assert!(matches!(load(&parts.concat(), Some(17)), Err(RecoveryError::Base { .. })));
        }
        let other = base_of(&BaseHeader { id: 18, ..HEADER }, &blocks(), 3);
        assert!(matches!(load(&other, Some(17)), Err(RecoveryError::Disagrees { .. })));
        assert!(matches!(
            load(&[head, &other[4096..8192], second, end].concat(), None),
            Err(RecoveryError::Base { .. })
        ));
        // An end of another base of the same length, which has another number of blocks.
        let long = [blocks()[0].2.clone(), format!("#{}\r\n", " ".repeat(5000)).into_bytes()].concat();
        assert!(load(&base_of(&HEADER, &[(0, 2, long)], 3), Some(17)).is_err(), "there are only commands in a block");
        let many = base_of(&HEADER, &[(0, 5, blocks()[0].2.clone())], 3);
        assert!(matches!(load(&many, Some(17)), Err(RecoveryError::Malformed { .. })));
    }
}
