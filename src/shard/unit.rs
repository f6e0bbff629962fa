//! What one transaction did on a core and has not logged yet.

use super::shard::Event;
use crate::resp::{Args, Span};
use std::ops::Range;

/// Effects that are logged together, or not at all.
#[derive(Default)]
pub struct Unit {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    effects: Vec<Effect>,
    /// Hashes of the keys written.
    pub touched: Vec<u64>,
    /// What listeners are told once it is logged.
    pub events: Vec<Event>,
}

struct Effect {
    db: u16,
    base: usize,
    spans: Range<usize>,
}

impl Unit {
    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.touched.is_empty()
    }

    /// Number of effects.
    pub fn effects(&self) -> usize {
        self.effects.len()
    }

    /// Adds an effect in database `db`.
    pub fn push<'w>(&mut self, db: u16, words: impl Iterator<Item = &'w [u8]>) {
        let base = self.bytes.len();
        let first = self.spans.len();
        for word in words {
            self.spans.push(Span { start: (self.bytes.len() - base) as u32, len: word.len() as u32 });
            self.bytes.extend_from_slice(word);
        }
        self.effects.push(Effect { db, base, spans: first..self.spans.len() });
    }

    /// The effects in order, each with its database.
    pub fn iter(&self) -> impl Iterator<Item = (u16, Args<'_>)> {
        self.effects
            .iter()
            .map(|effect| (effect.db, Args::new(&self.bytes[effect.base..], &self.spans[effect.spans.clone()])))
    }
}
