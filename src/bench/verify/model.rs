//! What the server may hold after a crash, given what it acknowledged.
//!
//! Each writer has keys of its own, so what its keys may hold follows from its own requests alone:
//! - A **group** is one key, or two that are only ever written together (MSET, MULTI, DEL of both). After a crash it holds
//!   the last acknowledged write or one that was sent after it, both keys the same one.
//! - A **counter** holds at least the number of acknowledged INCRs and at most that of sent ones.
//! - **Transfers** move money between accounts shared by all writers, each in one MULTI that also pushes a receipt onto
//!   the writer's list. The receipts say which of the unanswered ones took place, so every balance is known exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::client::Value;
use super::super::rng::Rng;

/// Groups of each kind and writer.
pub const GROUPS: usize = 24;
/// Accounts.
pub const ACCOUNTS: usize = 40;
/// What each account holds at first.
pub const OPENING: i64 = 1_000_000;
/// Receipts kept on a writer's list.
pub const RECEIPTS: usize = 64;

/// How the keys of a group are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One key, by SET.
    Single,
    /// Two keys anywhere, by MSET.
    Mset,
    /// Two keys with one hash tag, by MSET.
    MsetTagged,
    /// Two keys anywhere, by MULTI, SET, SET, EXEC.
    Multi,
    /// Two keys with one hash tag, by MULTI, SET, SET, EXEC.
    MultiTagged,
}

/// Every kind.
pub const KINDS: [Kind; 5] = [Kind::Single, Kind::Mset, Kind::MsetTagged, Kind::Multi, Kind::MultiTagged];

/// A breach of what the server promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What class it is of.
    pub fault: Fault,
    /// Where, and what was expected.
    pub detail: String,
}

/// Classes of breaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An acknowledged write is missing.
    Lost,
    /// Something that a reader saw is gone.
    Unseen,
    /// A key or value that nobody wrote.
    Invented,
    /// Of two keys written together one is there without the other.
    Half,
    /// The balances are not what the receipts say, or their sum changed.
    Sum,
    /// A write is there, and one that came before it is not.
    Prefix,
    /// A reply that contradicts what was acknowledged before.
    Reply,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.fault {
            Fault::Lost => "LOST",
            Fault::Unseen => "SEEN, THEN GONE",
            Fault::Invented => "INVENTED",
            Fault::Half => "HALF THERE",
            Fault::Sum => "WRONG SUM",
            Fault::Prefix => "NOT A PREFIX",
            Fault::Reply => "WRONG REPLY",
        };
        write!(f, "{name}: {}", self.detail)
    }
}

fn violation<T>(fault: Fault, detail: String) -> Result<T, Violation> {
    Err(Violation { fault, detail })
}

/// A write of a group: the value's number, or none for DEL. Numbers rise over all writes of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The number of the write.
    pub seq: u64,
    /// Whether the keys exist after it.
    pub present: bool,
}

/// One group's keys and what they may hold.
#[derive(Clone, Debug)]
pub struct Group {
    /// How it is written.
    pub kind: Kind,
    /// One key or two.
    pub keys: Vec<String>,
    /// The last acknowledged write.
    acked: Write,
    /// Sent after it and not answered.
    maybe: Vec<Write>,
}

impl Group {
    /// Group `index` of `kind` of writer `writer`; nothing written yet.
    pub fn new(prefix: &str, writer: usize, kind: Kind, index: usize) -> Self {
        let keys = match kind {
            Kind::Single => vec![format!("{prefix}s:{writer}:{index}")],
            Kind::Mset => ["a", "b"].map(|x| format!("{prefix}p:{writer}:{index}:{x}")).to_vec(),
            Kind::Multi => ["a", "b"].map(|x| format!("{prefix}m:{writer}:{index}:{x}")).to_vec(),
            Kind::MsetTagged => ["a", "b"].map(|x| format!("{prefix}pt:{{{writer}.{index}}}:{x}")).to_vec(),
            Kind::MultiTagged => ["a", "b"].map(|x| format!("{prefix}mt:{{{writer}.{index}}}:{x}")).to_vec(),
        };
        Group { kind, keys, acked: Write { seq: 0, present: false }, maybe: Vec::new() }
    }

    /// A write is about to be sent.
    pub fn sent(&mut self, write: Write) {
        self.maybe.push(write);
    }

    /// The write with this number was acknowledged; the ones before it are past.
    pub fn acked(&mut self, seq: u64) {
        if let Some(at) = self.maybe.iter().position(|w| w.seq == seq) {
            self.acked = self.maybe[at];
            self.maybe.drain(..=at);
        }
    }

    /// The write with this number was refused with an error, so it must not show.
    pub fn refused(&mut self, seq: u64) {
        self.maybe.retain(|w| w.seq != seq);
    }

    /// Checks what the keys hold after a restart, and takes it for the truth from now on. `seen` is the highest number
    /// that a reader saw.
    pub fn check(&mut self, values: &[Value], seen: u64) -> Result<(), Violation> {
        let mut found = Vec::new();
        for (key, value) in self.keys.iter().zip(values) {
            found.push(match value {
                Value::Nil => None,
                Value::Text(bytes) => match number_of(bytes) {
                    Some(seq) => Some(seq),
                    None => return violation(Fault::Invented, format!("{key} holds {}", abridged(bytes))),
                },
                other => return violation(Fault::Invented, format!("{key} holds {other:?}")),
            });
        }
        let first = found[0];
        if found.iter().any(|&other| other != first) {
            return violation(
                Fault::Half,
                format!("{} hold {} ({:?})", self.keys.join(" and "), list(&found), self.kind),
            );
        }
        let candidates = || std::iter::once(&self.acked).chain(&self.maybe);
        let matching = match first {
            Some(seq) => candidates().rfind_seq(|w| w.present && w.seq == seq),
            None => candidates().rfind_seq(|w| !w.present),
        };
        let Some(write) = matching else {
            let last = candidates().map(|w| w.seq).max().unwrap_or(0);
            let fault = if first.is_some_and(|seq| seq > last) { Fault::Invented } else { Fault::Lost };
            let expected: Vec<String> = candidates().map(|w| describe(*w)).collect();
            return violation(
                fault,
                format!(
                    "{} holds {}; acknowledged: {}{}",
                    self.keys.join(" and "),
                    first.map_or("nothing".into(), |seq| format!("write {seq}")),
                    expected[0],
                    if expected.len() > 1 {
                        format!("; possible: {}", expected[1..].join(", "))
                    } else {
                        String::new()
                    }
                ),
            );
        };
        if write.seq < seen {
            return violation(
                Fault::Unseen,
                format!("{} went back to {} after a reader saw write {seen}", self.keys.join(" and "), describe(write)),
            );
        }
        self.acked = write;
        self.maybe.clear();
        Ok(())
    }
}

/// The last match, by its position.
trait FindLast<'a>: Iterator<Item = &'a Write> + Sized {
    fn rfind_seq(self, matches: impl Fn(&Write) -> bool) -> Option<Write> {
        self.filter(|w| matches(w)).last().copied()
    }
}

impl<'a, I: Iterator<Item = &'a Write>> FindLast<'a> for I {}

fn describe(write: Write) -> String {
    if write.present { format!("write {}", write.seq) } else { format!("DEL as write {}", write.seq) }
}

fn list(found: &[Option<u64>]) -> String {
    let words: Vec<String> = found.iter().map(|f| f.map_or("nothing".into(), |seq| format!("write {seq}"))).collect();
    words.join(" and ")
}

fn abridged(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    format!("{text:?} ({} bytes)", bytes.len())
}

/// The value of write `seq`: its number, and filler that depends on it, so that torn or mixed values show. Up to 300
/// bytes, now and then 8 KiB.
pub fn value_of(seq: u64) -> Vec<u8> {
    let mut rng = Rng::new(seq, &[77]);
    let len = if rng.below(50) == 0 { 8192 } else { rng.below(300) } as usize;
    let mut value = format!("{seq}:").into_bytes();
    value.extend((0..len).map(|_| b'a' + rng.below(26) as u8));
    value
}

/// The number of the write that made `value`; none if no write did.
pub fn number_of(value: &[u8]) -> Option<u64> {
    let end = value.iter().position(|&b| b == b':')?;
    let seq = std::str::from_utf8(&value[..end]).ok()?.parse().ok()?;
    (value_of(seq) == value).then_some(seq)
}

/// A counter.
#[derive(Clone, Debug)]
pub struct Counter {
    /// Its key.
    pub key: String,
    /// INCRs acknowledged.
    pub acked: i64,
    /// INCRs sent.
    pub sent: i64,
}

impl Counter {
    /// Checks the value after a restart and takes it for the truth.
    pub fn check(&mut self, value: &Value) -> Result<(), Violation> {
        let found = match value {
            Value::Nil => 0,
            value => value.number().unwrap_or(i64::MIN),
        };
        if found < self.acked {
            let (key, acked) = (&self.key, self.acked);
            return violation(Fault::Lost, format!("{key} is {found}; {acked} INCRs were acknowledged"));
        }
        if found > self.sent {
            let (key, sent) = (&self.key, self.sent);
            return violation(Fault::Invented, format!("{key} is {found}; only {sent} INCRs were sent"));
        }
        (self.acked, self.sent) = (found, found);
        Ok(())
    }
}

/// One transfer of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Number, rising by one per writer.
    pub id: u64,
    /// The account that pays.
    pub from: usize,
    /// The account that is paid.
    pub to: usize,
    /// How much.
    pub amount: i64,
}

/// A writer's transfers.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The list of receipts.
    pub key: String,
    /// The last acknowledged id.
    pub acked: u64,
    /// Unanswered ones, in order.
    pub maybe: Vec<Transfer>,
    /// Numbers of transfers that were refused with an error: no receipt may show them.
    pub refused: BTreeSet<u64>,
}

impl Ledger {
    /// Checks the receipts after a restart, newest first; gives the unanswered transfers that took place.
    pub fn check(&mut self, receipts: &Value) -> Result<Vec<Transfer>, Violation> {
        let key = &self.key;
        let ids: Option<Vec<u64>> = match receipts {
            Value::Array(items) => items.iter().map(|v| v.text().and_then(|t| t.parse().ok())).collect(),
            _ => None,
        };
        let Some(ids) = ids else {
            return violation(Fault::Invented, format!("{key} holds {receipts:?}"));
        };
        let newest = ids.first().copied().unwrap_or(0);
        if newest < self.acked {
            let acked = self.acked;
            return violation(Fault::Lost, format!("{key} ends with {newest}; transfer {acked} was acknowledged"));
        }
        let last = self.maybe.last().map_or(self.acked, |t| t.id);
        if newest > last {
            return violation(Fault::Invented, format!("{key} ends with {newest}; only {last} were sent"));
        }
        let expected = (1..=newest).rev().filter(|id| !self.refused.contains(id)).take(RECEIPTS);
        if !ids.iter().copied().eq(expected) {
            return violation(Fault::Lost, format!("{key} has a hole or a repetition: {ids:?}"));
        }
        let happened = self.maybe.iter().copied().filter(|t| t.id <= newest).collect();
        // Numbers above the newest receipt are used again.
        self.acked = newest;
        self.maybe.clear();
        self.refused.retain(|&id| id <= newest);
        Ok(happened)
    }
}

/// All that readers saw: the highest write by the first key of a group.
pub type Seen = BTreeMap<String, u64>;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(seq: u64) -> Write {
        Write { seq, present: true }
    }

    fn text(seq: u64) -> Value {
        Value::Text(value_of(seq))
    }

    fn pair() -> Group {
        let mut group = Group::new("t:", 0, Kind::Mset, 0);
        for seq in [3, 5, 9] {
            group.sent(write(seq));
        }
        group.acked(3);
        group
    }

    fn fault(outcome: Result<(), Violation>) -> Option<Fault> {
        outcome.err().map(|v| v.fault)
    }

    #[test]
    fn the_acknowledged_and_the_unanswered_are_allowed_and_nothing_else() {
        for seq in [3, 5, 9] {
            assert_eq!(pair().check(&[text(seq), text(seq)], 0), Ok(()));
        }
        assert_eq!(fault(pair().check(&[text(1), text(1)], 0)), Some(Fault::Lost));
        assert_eq!(fault(pair().check(&[Value::Nil, Value::Nil], 0)), Some(Fault::Lost));
        assert_eq!(fault(pair().check(&[text(10), text(10)], 0)), Some(Fault::Invented));
        assert_eq!(fault(pair().check(&[text(3), text(5)], 0)), Some(Fault::Half));
        assert_eq!(fault(pair().check(&[text(3), Value::Nil], 0)), Some(Fault::Half));
        assert_eq!(fault(pair().check(&[text(3), text(3)], 5)), Some(Fault::Unseen));
        let mut torn = value_of(5);
        torn.push(b'x');
        assert_eq!(fault(pair().check(&[Value::Text(torn), text(5)], 0)), Some(Fault::Invented));
    }

    #[test]
    fn what_was_found_binds_the_next_round() {
        let mut group = pair();
        assert_eq!(group.check(&[text(5), text(5)], 0), Ok(()));
        assert_eq!(fault(group.clone().check(&[text(3), text(3)], 0)), Some(Fault::Lost));
        assert_eq!(fault(group.check(&[text(9), text(9)], 0)), Some(Fault::Invented), "write 9 died with the crash");
    }

    #[test]
    fn a_refused_write_must_not_show_and_a_delete_counts_as_a_write() {
        let mut group = pair();
        group.refused(9);
        assert!(group.check(&[text(9), text(9)], 0).is_err());
        let mut group = pair();
        group.sent(Write { seq: 12, present: false });
        assert_eq!(group.clone().check(&[Value::Nil, Value::Nil], 9), Ok(()));
        group.acked(12);
        assert_eq!(fault(group.check(&[text(9), text(9)], 0)), Some(Fault::Lost));
    }

    #[test]
    fn counters_neither_lose_nor_gain() {
        let counter = Counter { key: "c".into(), acked: 5, sent: 7 };
        for (found, expected) in [(4, Some(Fault::Lost)), (5, None), (7, None), (8, Some(Fault::Invented))] {
            assert_eq!(fault(counter.clone().check(&Value::Int(found))), expected);
        }
        assert_eq!(fault(counter.clone().check(&Value::Nil)), Some(Fault::Lost));
    }

    #[test]
    fn receipts_tell_which_transfers_took_place() {
        let transfer = |id| Transfer { id, from: 0, to: 1, amount: 5 };
        let ledger = Ledger { key: "r".into(), acked: 3, maybe: vec![transfer(4), transfer(5)], ..Ledger::default() };
        let receipts = |ids: &[i64]| Value::Array(ids.iter().map(|&id| Value::Int(id)).collect());
        assert_eq!(ledger.clone().check(&receipts(&[4, 3, 2, 1])), Ok(vec![transfer(4)]));
        assert_eq!(ledger.clone().check(&receipts(&[3, 2, 1])), Ok(vec![]));
        let mut refused = Ledger { refused: [2].into(), ..ledger.clone() };
        assert_eq!(refused.clone().check(&receipts(&[3, 1])), Ok(vec![]));
        assert!(refused.check(&receipts(&[3, 2, 1])).is_err());
        for (ids, expected) in [
            (&[2, 1][..], Fault::Lost),
            (&[5, 3, 2, 1], Fault::Lost),
            (&[4, 4, 3, 2, 1], Fault::Lost),
            (&[6, 5, 4, 3, 2, 1], Fault::Invented),
        ] {
            assert_eq!(ledger.clone().check(&receipts(ids)).unwrap_err().fault, expected, "{ids:?}");
        }
    }
}
