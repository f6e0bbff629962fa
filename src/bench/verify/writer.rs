//! The clients of the check: writers that remember what was acknowledged, readers that remember what they saw.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::client::{Client, Target, Value, encode};
use super::super::reply::error_kind;
use super::super::rng::Rng;
use super::model::{
    ACCOUNTS, Counter, Fault, GROUPS, Group, KINDS, Kind, Ledger, OPENING, RECEIPTS, Seen, Transfer, Violation, Write,
    number_of, value_of,
};

/// The key of an account.
pub fn account(prefix: &str, index: usize) -> String {
    format!("{prefix}account:{index}")
}

/// One writer and its model; lives through all rounds.
#[derive(Clone, Debug)]
pub struct Writer {
    prefix: String,
    index: usize,
    rng: Rng,
    seq: u64,
    /// Its groups of keys.
    pub groups: Vec<Group>,
    /// Its counter.
    pub counter: Counter,
    /// Its transfers.
    pub ledger: Ledger,
    /// What its acknowledged transfers did to each account.
    pub moved: Vec<i64>,
    /// Requests acknowledged.
    pub acked: u64,
    /// Error replies by kind.
    pub errors: BTreeMap<String, u64>,
    /// Contradictions seen while writing.
    pub violations: Vec<Violation>,
    transfer_id: u64,
}

enum Op {
    Write { group: usize, write: Write },
    Increment,
    Transfer(Transfer),
}

impl Writer {
    /// Writer `index` of a check named by `seed`.
    pub fn new(prefix: &str, index: usize, seed: u64) -> Self {
        let groups = KINDS.iter().flat_map(|&kind| (0..GROUPS).map(move |i| (kind, i)));
        Writer {
            prefix: prefix.to_string(),
            index,
            rng: Rng::new(seed, &[index as u64]),
            seq: 0,
            groups: groups.map(|(kind, i)| Group::new(prefix, index, kind, i)).collect(),
            counter: Counter { key: format!("{prefix}c:{index}"), acked: 0, sent: 0 },
            ledger: Ledger { key: format!("{prefix}r:{index}"), acked: 0, ..Ledger::default() },
            moved: vec![0; ACCOUNTS],
            acked: 0,
            errors: BTreeMap::new(),
            violations: Vec::new(),
            transfer_id: 0,
        }
    }

    /// Every key that it may have written.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let own = [self.counter.key.as_str(), self.ledger.key.as_str()];
        self.groups.iter().flat_map(|g| g.keys.iter().map(String::as_str)).chain(own)
    }

    /// Writes in batches of `depth` until told to stop or the connection ends.
    pub fn run(&mut self, target: &Target, depth: usize, stop: &AtomicBool, progress: &AtomicU64) {
        let Ok(mut client) = Client::connect(target) else { return };
        // The last round's unanswered transfers are settled: their numbers go on from what the receipts say.
        self.transfer_id = self.ledger.acked;
        let mut requests = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            requests.clear();
            let ops: Vec<Op> = (0..depth).map(|_| self.next(&mut requests)).collect();
            if client.send(&requests).is_err() {
                return;
            }
            for op in ops {
                let Ok(outcome) = self.answer(&mut client, &op) else { return };
                self.settle(&op, outcome);
                progress.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn next(&mut self, out: &mut Vec<u8>) -> Op {
        match self.rng.below(10) {
            0 => {
                self.counter.sent += 1;
                encode(&["INCR", &self.counter.key], out);
                Op::Increment
            }
            1 | 2 => self.next_transfer(out),
            _ => self.next_write(out),
        }
    }

    fn next_transfer(&mut self, out: &mut Vec<u8>) -> Op {
        self.transfer_id += 1;
        let from = self.rng.below(ACCOUNTS as u64) as usize;
        let to = (from + 1 + self.rng.below(ACCOUNTS as u64 - 1) as usize) % ACCOUNTS;
        let amount = 1 + self.rng.below(100) as i64;
        let transfer = Transfer { id: self.transfer_id, from, to, amount };
        let (amount, id) = (amount.to_string(), transfer.id.to_string());
        encode(&["MULTI"], out);
        encode(&["DECRBY", &account(&self.prefix, from), &amount], out);
        encode(&["LPUSH", &self.ledger.key, &id], out);
        encode(&["LTRIM", &self.ledger.key, "0", &(RECEIPTS - 1).to_string()], out);
        encode(&["INCRBY", &account(&self.prefix, to), &amount], out);
        encode(&["EXEC"], out);
        self.ledger.maybe.push(transfer);
        Op::Transfer(transfer)
    }

    fn next_write(&mut self, out: &mut Vec<u8>) -> Op {
        let index = self.rng.below(self.groups.len() as u64) as usize;
        self.seq += 1;
        let write = Write { seq: self.seq, present: self.rng.below(12) != 0 };
        let group = &mut self.groups[index];
        group.sent(write);
        let value = value_of(write.seq);
        let multi = matches!(group.kind, Kind::Multi | Kind::MultiTagged);
        if multi {
            encode(&["MULTI"], out);
        }
        if !write.present && multi {
            group.keys.iter().for_each(|key| encode(&["DEL", key], out));
        } else if !write.present {
            let words: Vec<&str> = std::iter::once("DEL").chain(group.keys.iter().map(String::as_str)).collect();
            encode(&words, out);
        } else if matches!(group.kind, Kind::Mset | Kind::MsetTagged) {
            let mut words: Vec<&[u8]> = vec![b"MSET"];
            group.keys.iter().for_each(|key| words.extend([key.as_bytes(), &value]));
            encode(&words, out);
        } else {
            group.keys.iter().for_each(|key| encode(&[&b"SET"[..], key.as_bytes(), &value], out));
        }
        if multi {
            encode(&["EXEC"], out);
        }
        Op::Write { group: index, write }
    }

    /// Takes all replies of `op`: the last one counts.
    fn answer(&self, client: &mut Client, op: &Op) -> std::io::Result<Value> {
        let replies = match op {
            Op::Increment => 1,
            Op::Transfer(_) => 6,
            Op::Write { group, .. } => match self.groups[*group].kind {
                Kind::Multi | Kind::MultiTagged => 4,
                _ => 1,
            },
        };
        let mut last = client.receive()?;
        for _ in 1..replies {
            last = client.receive()?;
        }
        Ok(last)
    }

    fn settle(&mut self, op: &Op, outcome: Value) {
        let refused = match &outcome {
            Value::Error(text) => Some(text.as_str()),
            Value::Nil => Some("EXEC gave nil"),
            _ => None,
        };
        match (refused, &outcome) {
            (Some(text), _) => *self.errors.entry(error_kind(text.as_bytes())).or_default() += 1,
            (None, Value::Array(items)) if items.iter().any(|v| matches!(v, Value::Error(_))) => {
                let detail = format!("writer {}: a command inside MULTI failed: {outcome:?}", self.index);
                self.violations.push(Violation { fault: Fault::Reply, detail });
            }
            _ => self.acked += 1,
        }
        match (op, refused.is_some()) {
            (Op::Write { group, write }, false) => self.groups[*group].acked(write.seq),
            (Op::Write { group, write }, true) => self.groups[*group].refused(write.seq),
            (Op::Increment, true) => self.counter.sent -= 1,
            (Op::Increment, false) => {
                self.counter.acked += 1;
                if outcome.number() != Some(self.counter.acked) {
                    let (key, acked) = (&self.counter.key, self.counter.acked);
                    let detail = format!("INCR {key} gave {outcome:?} as acknowledgement number {acked}");
                    self.violations.push(Violation { fault: Fault::Reply, detail });
                }
            }
            (Op::Transfer(transfer), true) => {
                self.ledger.maybe.retain(|t| t.id != transfer.id);
                self.ledger.refused.insert(transfer.id);
            }
            (Op::Transfer(transfer), false) => {
                self.ledger.maybe.retain(|t| t.id != transfer.id);
                self.ledger.acked = transfer.id;
                self.book(*transfer);
            }
        }
    }

    /// A transfer took place.
    pub fn book(&mut self, transfer: Transfer) {
        self.moved[transfer.from] -= transfer.amount;
        self.moved[transfer.to] += transfer.amount;
    }
}

/// Reads pairs of keys until told to stop or the connection ends; adds what it saw to `seen`. Both keys of a pair must be
/// of one write also while writers are at work.
pub fn read(
    target: &Target,
    groups: &[Vec<String>],
    mut rng: Rng,
    stop: &AtomicBool,
    seen: &mut Seen,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let Ok(mut client) = Client::connect(target) else { return violations };
    while !stop.load(Ordering::Relaxed) {
        let keys = &groups[rng.below(groups.len() as u64) as usize];
        let words: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
        let Ok(Value::Array(values)) = client.call(&words) else { return violations };
        let mut numbers = Vec::new();
        for value in &values {
            let number = if let Value::Text(bytes) = value { number_of(bytes) } else { None };
            if number.is_none() && *value != Value::Nil && violations.len() < 100 {
                let detail = format!("a reader found in {} what nobody wrote", keys.join(" and "));
                violations.push(Violation { fault: Fault::Invented, detail });
            }
            numbers.push(number);
        }
        if numbers.iter().any(|n| *n != numbers[0]) && violations.len() < 100 {
            let detail = format!("a reader found {} with writes {numbers:?}", keys.join(" and "));
            violations.push(Violation { fault: Fault::Half, detail });
        }
        if let Some(number) = numbers[0] {
            let highest = seen.entry(keys[0].clone()).or_default();
            *highest = number.max(*highest);
        }
    }
    violations
}

/// The opening balances' total.
pub const TOTAL: i64 = OPENING * ACCOUNTS as i64;
