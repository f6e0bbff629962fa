//! The sequence: one client that writes numbers in order, each over another connection to a key on another core, and sends the next only
//! when it has the answer. What a crash leaves must be a prefix of it, over all cores together: whatever else a server may lose
//! (`appendfsync everysec`), it must not keep a write and lose one that came before it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::client::{Client, Target, Value};
use super::model::{Fault, Violation};

/// Keys that it goes round: enough that every core has some, few enough to look at.
const KEYS: u64 = 64;

/// Connections that it takes in turn, so that they are served by different cores.
const CONNECTIONS: usize = 5;

/// The numbered writes; lives through all rounds.
#[derive(Clone, Debug)]
pub struct Sequence {
    keys: Vec<String>,
    /// Everything up to this number was acknowledged.
    acked: u64,
    /// Highest number sent.
    sent: u64,
}

impl Sequence {
    /// Nothing is written yet; keys begin with `prefix`.
    pub fn new(prefix: &str) -> Self {
        Sequence { keys: (0..KEYS).map(|key| format!("{prefix}q:{key}")).collect(), acked: 0, sent: 0 }
    }

    /// Every key that it may have written.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    fn key(&self, number: u64) -> &str {
        &self.keys[(number % KEYS) as usize]
    }

    /// Writes until told to stop or a connection ends.
    pub fn run(&mut self, target: &Target, stop: &AtomicBool, progress: &AtomicU64) {
        let clients: Result<Vec<Client>, _> = (0..CONNECTIONS).map(|_| Client::connect(target)).collect();
        let Ok(mut clients) = clients else { return };
        let mut turn = 0;
        while !stop.load(Ordering::Relaxed) {
            let number = self.acked + 1;
            self.sent = number;
            let text = number.to_string();
            turn += 1;
            match clients[turn % CONNECTIONS].call(&["SET", self.key(number), &text]) {
                // Refused: it is sent again, so that no number is left out.
                Ok(Value::Error(_)) => {}
                Ok(_) => {
                    self.acked = number;
                    progress.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => return,
            }
        }
    }

    /// Checks what the keys hold after a restart, in order, and takes it for the truth from now on.
    pub fn check(&mut self, values: &[Value]) -> Result<(), Violation> {
        let mut found = Vec::with_capacity(values.len());
        for (key, value) in self.keys.iter().zip(values) {
            let number = match value {
                Value::Nil => Some(0),
                value => value.text().and_then(|text| text.parse().ok()),
            };
            let Some(number) = number.filter(|&number: &u64| number == 0 || self.key(number) == key) else {
                return Err(Violation { fault: Fault::Invented, detail: format!("{key} holds {value:?}") });
            };
            found.push(number);
        }
        let newest = found.iter().copied().max().unwrap_or(0);
        for (key, &number) in found.iter().enumerate() {
            let expected = last_at(key as u64, newest);
            if number != expected {
                let detail = format!(
                    "write {newest} of the sequence is there, write {expected} before it is not: {} holds {number}",
                    self.keys[key]
                );
                return Err(Violation { fault: Fault::Prefix, detail });
            }
        }
        if newest < self.acked {
            let detail = format!("the sequence ends with {newest}; {} was acknowledged", self.acked);
            return Err(Violation { fault: Fault::Lost, detail });
        }
        if newest > self.sent {
            let detail = format!("the sequence ends with {newest}; only {} were sent", self.sent);
            return Err(Violation { fault: Fault::Invented, detail });
        }
        (self.acked, self.sent) = (newest, newest);
        Ok(())
    }
}

/// The last number up to `newest` that goes to the key with this index; 0: none.
fn last_at(key: u64, newest: u64) -> u64 {
    let back = (newest + KEYS - key) % KEYS;
    newest.saturating_sub(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(newest: u64) -> Vec<Value> {
        (0..KEYS)
            .map(|key| match last_at(key, newest) {
                0 => Value::Nil,
                number => Value::Text(number.to_string().into_bytes()),
            })
            .collect()
    }

    #[test]
    fn a_prefix_passes_and_anything_else_does_not() {
        let sequence = Sequence { acked: 100, sent: 101, ..Sequence::new("t:") };
        for newest in [100, 101] {
            assert_eq!(sequence.clone().check(&state(newest)), Ok(()));
        }
        let fault = |values: &[Value]| sequence.clone().check(values).unwrap_err().fault;
        assert_eq!(fault(&state(99)), Fault::Lost);
        assert_eq!(fault(&state(102)), Fault::Invented);
        let mut holed = state(101);
        holed[(100 % KEYS) as usize] = Value::Text(b"36".to_vec());
        assert_eq!(fault(&holed), Fault::Prefix, "101 is there and 100 is not");
        let mut foreign = state(101);
        foreign[3] = Value::Text(b"4".to_vec());
        assert_eq!(fault(&foreign), Fault::Invented);
        assert_eq!(Sequence::new("t:").check(&state(0)), Ok(()));
    }
}
