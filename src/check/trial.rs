//! Puts the questions of a start to everything that would be replayed.

use crate::config::Settings;
use crate::object::Limits;
use crate::rdb::{self, Item, Reader};
use crate::recovery::{Base, Plan, RecoveryError, ReplaySink};
use crate::resp::Args;
use crate::server::{ensure_effect, try_load};
use std::io::BufReader;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read of a base, for the progress bar.
pub(super) static BASE_BYTES: AtomicU64 = AtomicU64::new(0);

/// A replay that keeps nothing.
///
/// Frames are sealed by the server that ran their commands, so each is only asked whether it is a known effect. What other servers
/// wrote is not sealed: [`Trial::run`] loads such a log into memory as a start would.
pub struct Trial<'s> {
    settings: &'s Settings,
    limits: Limits,
    /// Keys in the base.
    pub base_keys: u64,
    /// Commands behind it.
    pub commands: u64,
}

impl Trial<'_> {
    /// Tries a plan. Fails as the start would.
    pub fn run<'s>(plan: &Plan, settings: &'s Settings, in_memory: bool) -> Result<Trial<'s>, RecoveryError> {
        let mut trial = Trial { settings, limits: Limits::from(settings), base_keys: 0, commands: 0 };
        plan.replay(&mut trial)?;
        let is_plain = plan.rewrite_due() || matches!(plan.base, Some(Base::Aof(_)));
        if in_memory || is_plain {
            try_load(plan, settings)?;
        }
        Ok(trial)
    }

    fn rdb(&mut self, path: &Path) -> Result<u64, String> {
        let told = |error: String| format!("{}: {error}", path.display());
        let file = std::fs::File::open(path).map_err(|error| told(error.to_string()))?;
        let options = rdb::Options {
            deep: false,
            checksum: self.settings.rdbchecksum,
            string_bytes_max: self.settings.proto_max_bulk_len,
        };
        let source = BufReader::with_capacity(1 << 20, file);
        let mut reader = Reader::new(source, options).map_err(|error| told(error.to_string()))?;
        while let Some(item) = reader.next_item().map_err(|error| told(error.to_string()))? {
            match item {
                Item::SelectDb(number) if number >= u32::from(self.settings.databases) => {
                    return Err(told(format!(
                        "it holds keys of database {number}, but there are only {} (directive databases)",
                        self.settings.databases
                    )));
                }
                Item::Key(record) => {
                    rdb::into_stored(record.value, &self.limits)
                        .map_err(|error| told(format!("key {:?}: {error}", String::from_utf8_lossy(&record.key))))?;
                    self.base_keys += 1;
                }
                Item::Function(_) => return Err(told("it holds a library of functions".into())),
                _ => {}
            }
            BASE_BYTES.store(reader.offset(), Ordering::Relaxed);
        }
        Ok(reader.offset())
    }
}

impl ReplaySink for Trial<'_> {
    fn base_rdb(&mut self, path: &Path) -> Result<u64, String> {
        self.rdb(path)
    }

    fn command(&mut self, _: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String> {
        self.commands += 1;
        if db >= self.settings.databases {
            return Err(format!("a command runs in database {db}, but there are only {}", self.settings.databases));
        }
        ensure_effect(args)
    }
}
