//! A record of several effects, built one by one.

use super::CoreLog;
use crate::log::batch::Savepoint;
use crate::log::types::{Lsn, Mark};

/// The effects of one transaction on this core. They lie in one frame and have one LSN. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Transaction<'l> {
    pub(super) log: &'l mut CoreLog,
    pub(super) savepoint: Savepoint,
    pub(super) effects: u32,
    pub(super) finished: bool,
}

impl Transaction<'_> {
    /// Adds an effect.
    pub fn effect<'w>(&mut self, db: u16, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        self.begin(db);
        self.log.batch.command(words);
    }

    /// Adds an effect that is RESP already: one command, neither MULTI, EXEC nor SELECT.
    pub fn encoded_effect(&mut self, db: u16, resp: &[u8]) {
        self.begin(db);
        self.log.batch.encoded(resp);
    }

    fn begin(&mut self, db: u16) {
        self.log.batch.select(db);
        if self.effects == 0 {
            self.log.batch.multi();
        }
        self.effects += 1;
    }

    /// How many effects it has so far.
    pub fn effects(&self) -> u32 {
        self.effects
    }

    /// Ends the record. Without effects only a mark is logged; with neither, nothing.
    pub fn finish(mut self, mark: Option<Mark>) -> Option<Lsn> {
        self.finished = true;
        if self.effects > 0 {
            self.log.batch.exec();
        } else if mark.is_none() {
            return None;
        }
        if let Some(mark) = mark {
            self.log.place_mark(mark, self.effects > 0);
        }
        Some(self.log.end_record(self.savepoint))
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.log.batch.roll_back(self.savepoint);
        }
    }
}
