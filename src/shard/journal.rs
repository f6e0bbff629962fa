//! The shard's side of the log: whether there is one, and what replies wait for.

use crate::log::{Admission, CoreLog, CoreSet, DurableCut, LogConfig, Lsn, Mark, Segment};
use crate::resp::Args;
use crate::shard::message::TxId;
use crate::shard::unit::Unit;
use std::sync::Arc;

/// Room beside the request's own bytes that a write's effects may take: another command's name, an absolute time.
const EFFECT_BYTES_EXTRA: u64 = 128;

/// Why a write does not run now.
#[derive(Debug)]
pub enum NotAdmitted {
    /// The log has no room at this moment; it is being made.
    Wait,
    /// It is refused; the text is for the client.
    Refused(String),
}

/// The log of a core, or none with `appendonly no`.
#[derive(Default)]
pub struct Journal {
    log: Option<CoreLog>,
    /// A log that was closed: its numbers go on if it is opened again.
    closed: Option<CoreLog>,
    /// The last LSN in a frame on its way to the medium.
    sealed: Lsn,
}

impl Journal {
    /// A journal that writes to `log`, if there is one.
    pub fn new(log: Option<CoreLog>) -> Journal {
        Journal { log, closed: None, sealed: 0 }
    }

    /// The log, for whoever drives it.
    pub fn log(&mut self) -> Option<&mut CoreLog> {
        self.log.as_mut()
    }

    /// Opens the log: it goes on in `segment`, or begins there. The server stands still.
    pub fn open(&mut self, config: LogConfig, segment: Segment, cut: Arc<DurableCut>) -> &mut CoreLog {
        assert!(self.log.is_none(), "a log that is open is not opened");
        let log = match self.closed.take() {
            Some(mut log) => {
                log.enter_generation(segment);
                log
            }
            None => CoreLog::new(config, segment, cut),
        };
        self.log.insert(log)
    }

    /// Closes the log, which is drained or has failed: what follows is not logged.
    pub fn close(&mut self) {
        self.closed = self.log.take().or(self.closed.take());
    }

    /// The log, to look at.
    pub fn log_ref(&self) -> Option<&CoreLog> {
        self.log.as_ref()
    }

    /// Whether effects are logged.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.log.is_some()
    }

    /// Whether a write's reply waits until the log says that it may be acknowledged.
    #[inline]
    pub fn gates_writes(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.gates_writes())
    }

    /// Whether there is a log and replies do not wait for the disk.
    pub fn is_relaxed(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.is_relaxed())
    }

    /// Whether a write with these arguments may run now.
    #[inline]
    pub fn admit(&mut self, args: Args) -> Result<(), NotAdmitted> {
        if self.log.is_none() {
            return Ok(());
        }
        let bytes = args.iter().map(|word| word.len() as u64 + 16).sum::<u64>() + EFFECT_BYTES_EXTRA;
        self.admit_bytes(bytes)
    }

    /// Whether a write that logs about so many bytes may run now.
    #[inline]
    pub fn admit_bytes(&mut self, bytes: u64) -> Result<(), NotAdmitted> {
        let Some(log) = &mut self.log else { return Ok(()) };
        match log.admit(bytes) {
            Admission::Ok => Ok(()),
            Admission::WaitForSpace => Err(NotAdmitted::Wait),
            Admission::Refuse(refusal) => Err(NotAdmitted::Refused(misconf(&refusal))),
        }
    }

    /// Logs one effect. Returns its LSN, 0 if nothing is logged.
    #[inline]
    pub fn append<'w>(&mut self, db: u16, words: impl ExactSizeIterator<Item = &'w [u8]>) -> Lsn {
        match &mut self.log {
            Some(log) => log.append(db, words),
            None => 0,
        }
    }

    /// Logs what a transaction did on this core as one record, with a mark if others took part.
    pub fn append_unit(&mut self, unit: &Unit, tx: TxId, participants: &[u16]) -> Lsn {
        let Some(log) = &mut self.log else { return 0 };
        let mark = (!participants.is_empty()).then(|| Mark {
            tx_id: (tx.core as u64) << 48 | tx.number,
            participants: participants.iter().copied().collect::<CoreSet>(),
        });
        match (unit.effects(), mark) {
            (0, None) => 0,
            (0, Some(mark)) => log.append_mark(mark),
            (1, _) => {
                let mut lsn = 0;
                for (db, args) in unit.iter() {
                    lsn = match mark {
                        None => log.append(db, args.iter()),
                        Some(mark) => log.append_marked(db, args.iter(), mark),
                    };
                }
                lsn
            }
            _ => {
                let mut transaction = log.transaction();
                for (db, args) in unit.iter() {
                    transaction.effect(db, args.iter());
                }
                transaction.finish(mark).unwrap_or(0)
            }
        }
    }

    /// The last LSN on its way to the medium or there.
    #[inline]
    pub fn sealed_lsn(&self) -> Lsn {
        self.sealed
    }

    /// Seals the batch into a frame if it is time. Returns the last LSN in it.
    pub fn seal(&mut self, now_ms: u64) -> Option<Lsn> {
        let log = self.log.as_mut()?;
        if !log.ready_to_seal() {
            return None;
        }
        log.seal(now_ms);
        self.sealed = log.last_lsn();
        Some(self.sealed)
    }
}

/// The error that Redis gives while its log cannot be written.
fn misconf(reason: &impl std::fmt::Display) -> String {
    format!("MISCONF Errors writing to the AOF file: {reason}")
}
