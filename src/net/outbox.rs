//! The reply gate: a connection's replies leave in the order of its requests, and each only when what it depends on
//! has been answered and is durable.
//!
//! Three things hold a reply back: another core still works on it, a write it reports is not durable yet, or an
//! earlier reply is held back. While nothing is, replies go straight to the bytes to be sent.

use std::collections::VecDeque;

/// A reply may leave once `core` has made its log durable up to `lsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Whose log.
    pub core: u16,
    /// Up to where, inclusive.
    pub lsn: u64,
}

/// One or more replies at their place in the order.
#[derive(Debug)]
enum Slot {
    /// The next `len` held bytes.
    Ready { len: usize },
    /// The next `len` held bytes, behind a gate.
    Gated { len: usize, gate: Gate },
    /// Not answered yet.
    Pending { seq: u64 },
    /// Answered before its turn.
    Answered { bytes: Box<[u8]>, gates: Vec<Gate> },
}

/// The output of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    /// May be sent.
    ready: Vec<u8>,
    /// Bytes of `slots`, from `held_start` on.
    held: Vec<u8>,
    held_start: usize,
    slots: VecDeque<Slot>,
    next_seq: u64,
    muted: bool,
    /// Nothing of it may be sent: its replies become part of another one.
    captured: bool,
    /// What came for the client by itself meanwhile, with what it waits for: it must not land in the other reply.
    aside: Vec<(Box<[u8]>, Vec<Gate>)>,
}

impl Outbox {
    /// An outbox whose replies are taken by [`Outbox::take_ready`] and never sent by themselves.
    pub fn captured() -> Outbox {
        Outbox { captured: true, ..Outbox::default() }
    }

    /// Whether it is one of [`Outbox::captured`]: the connection is in the middle of EXEC.
    pub fn is_captured(&self) -> bool {
        self.captured
    }

    /// Takes something that comes by itself and is no reply: while replies are captured it is kept for later, else
    /// `push` writes it.
    pub fn push_aside_or(&mut self, bytes: &[u8], gates: &[Gate], push: impl FnOnce(&mut Outbox)) {
        if self.captured {
            self.aside.push((bytes.into(), gates.to_vec()));
        } else {
            push(self);
        }
    }

    /// Puts back, in place of this captured outbox, the one that it stood in for; what came meanwhile follows behind
    /// all that has been asked for.
    pub fn restore(&mut self, original: Outbox) {
        let captured = std::mem::replace(self, original);
        for (bytes, gates) in captured.aside {
            let seq = self.pending();
            self.answer(seq, &bytes, &gates);
        }
    }

    /// Where the next reply is written, and how much is there already: give that to [`Outbox::commit`].
    #[inline]
    pub fn target(&mut self) -> (&mut Vec<u8>, usize) {
        let target = if self.slots.is_empty() { &mut self.ready } else { &mut self.held };
        let start = target.len();
        (target, start)
    }

    /// Closes the reply that was written to the target from `start` on. With a gate it is held until then; `true`
    /// says that the gate is new to this connection's queue, so that the caller must remember to call
    /// [`Outbox::release`].
    #[inline]
    pub fn commit(&mut self, start: usize, gate: Option<Gate>) -> bool {
        if self.muted {
            let (target, _) = self.target();
            target.truncate(start);
            return false;
        }
        if self.slots.is_empty() {
            let Some(gate) = gate else { return false };
            self.held.clear();
            self.held_start = 0;
            self.held.extend_from_slice(&self.ready[start..]);
            self.ready.truncate(start);
            self.slots.push_back(Slot::Gated { len: self.held.len(), gate });
            return true;
        }
        let len = self.held.len() - start;
        match (self.slots.back_mut(), gate) {
            // What is behind a gate anyway needs no slot of its own.
            (Some(Slot::Ready { len: last } | Slot::Gated { len: last, .. }), None) => *last += len,
            (Some(Slot::Gated { len: last, gate: held }), Some(gate))
                if held.core == gate.core && held.lsn >= gate.lsn =>
            {
                *last += len;
            }
            (_, None) => self.slots.push_back(Slot::Ready { len }),
            (_, Some(gate)) => {
                self.slots.push_back(Slot::Gated { len, gate });
                return true;
            }
        }
        false
    }

    /// As [`Outbox::commit`], for a gate in the batch that is not sealed yet: one gate serves all its replies, since
    /// they become durable together. `sealed_lsn` is the last LSN of this core that is on its way to the disk.
    #[inline]
    pub fn commit_in_batch(&mut self, start: usize, gate: Gate, sealed_lsn: u64) -> bool {
        if !self.muted
            && let Some(Slot::Gated { len, gate: last }) = self.slots.back_mut()
            && last.core == gate.core
            && last.lsn > sealed_lsn
        {
            *len += self.held.len() - start;
            last.lsn = last.lsn.max(gate.lsn);
            return false;
        }
        self.commit(start, Some(gate))
    }

    /// Drops replies from here on (`CLIENT REPLY OFF` and `SKIP`), or stops doing so.
    pub fn mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Whether replies are dropped.
    pub fn is_muted(&self) -> bool {
        self.muted
    }

    /// Whether what was written since [`Outbox::bytes`] said `before` begins as an error.
    pub fn last_reply_is_error(&self, before: usize) -> bool {
        let written = self.bytes().saturating_sub(before);
        let target = if self.slots.is_empty() { &self.ready } else { &self.held };
        written > 0 && target.len() >= written && target[target.len() - written] == b'-'
    }

    /// Keeps a place for a reply that comes later; answer it by the number returned.
    pub fn pending(&mut self) -> u64 {
        if self.muted {
            return u64::MAX;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        if self.slots.is_empty() {
            self.held.clear();
            self.held_start = 0;
        }
        self.slots.push_back(Slot::Pending { seq });
        seq
    }

    /// Fills the place `seq`. Follow with [`Outbox::release`]. Unknown places (the connection gave up on them) are
    /// ignored.
    pub fn answer(&mut self, seq: u64, bytes: &[u8], gates: &[Gate]) {
        // Answers come nearly in order, so the place is near the front.
        let place = self.slots.iter_mut().find(|slot| matches!(slot, Slot::Pending { seq: s } if *s == seq));
        if let Some(place) = place {
            *place = Slot::Answered { bytes: bytes.into(), gates: gates.to_vec() };
        }
    }

    /// As [`Outbox::answer`], and moves the reply straight to what may be sent if it is its turn. `durable[core]` is
    /// how far each core is durable. Returns whether anything became sendable or stopped being a gate; the gate that
    /// is waited for next is then in [`Outbox::next_gate`].
    pub fn answer_now(&mut self, seq: u64, bytes: &[u8], gate: Option<Gate>, durable: &[u64]) {
        match (self.slots.front(), gate) {
            (Some(Slot::Pending { seq: first }), None) if *first == seq => {
                self.ready.extend_from_slice(bytes);
                self.slots.pop_front();
            }
            _ => self.answer(seq, bytes, gate.as_slice()),
        }
        self.release(durable);
    }

    /// Moves everything whose turn has come to what may be sent.
    pub fn release(&mut self, durable: &[u64]) {
        while let Some(slot) = self.slots.front_mut() {
            match slot {
                Slot::Ready { len } => {
                    let len = *len;
                    self.move_held(len);
                }
                Slot::Gated { len, gate } => {
                    if durable[gate.core as usize] < gate.lsn {
                        return;
                    }
                    let len = *len;
                    self.move_held(len);
                }
                Slot::Pending { .. } => return,
                Slot::Answered { bytes, gates, .. } => {
                    gates.retain(|gate| durable[gate.core as usize] < gate.lsn);
                    if !gates.is_empty() {
                        return;
                    }
                    self.ready.extend_from_slice(bytes);
                }
            }
            self.slots.pop_front();
        }
        self.held.clear();
        self.held_start = 0;
    }

    fn move_held(&mut self, len: usize) {
        let end = self.held_start + len;
        self.ready.extend_from_slice(&self.held[self.held_start..end]);
        self.held_start = end;
    }

    /// The gates in front: the connection moves on when they open.
    pub fn next_gates(&self) -> &[Gate] {
        match self.slots.front() {
            Some(Slot::Gated { gate, .. }) => std::slice::from_ref(gate),
            Some(Slot::Answered { gates, .. }) => gates,
            _ => &[],
        }
    }

    /// What all replies held wait for: the furthest gate of each core.
    pub fn gates(&self) -> Vec<Gate> {
        let mut gates: Vec<Gate> = Vec::new();
        let all = self.slots.iter().flat_map(|slot| match slot {
            Slot::Gated { gate, .. } => std::slice::from_ref(gate),
            Slot::Answered { gates, .. } => gates,
            _ => &[],
        });
        for gate in all {
            match gates.iter_mut().find(|known| known.core == gate.core) {
                Some(known) => known.lsn = known.lsn.max(gate.lsn),
                None => gates.push(*gate),
            }
        }
        gates
    }

    /// Every gate of any reply held, for a core whose log has failed.
    pub fn waits_for(&self, core: u16) -> bool {
        self.slots.iter().any(|slot| match slot {
            Slot::Gated { gate, .. } => gate.core == core,
            Slot::Answered { gates, .. } => gates.iter().any(|gate| gate.core == core),
            _ => false,
        })
    }

    /// Whether a request is unanswered yet (gates do not count).
    pub fn has_pending(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Pending { .. }))
    }

    /// Whether nothing is held and nothing is to be sent.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.ready.is_empty()
    }

    /// Whether bytes may be sent.
    #[inline]
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty() && !self.captured
    }

    /// Swaps what may be sent with `empty`, whose memory serves the next replies.
    #[inline]
    pub fn take_ready(&mut self, empty: &mut Vec<u8>) {
        debug_assert!(empty.is_empty());
        std::mem::swap(&mut self.ready, empty);
    }

    /// Gives the connection's idle buffers to the caller's pool, so that it holds no memory while nothing is said.
    pub fn give_back(&mut self) -> Option<Vec<u8>> {
        (self.ready.is_empty() && self.slots.is_empty() && self.ready.capacity() > 0).then(|| {
            self.held = Vec::new();
            std::mem::take(&mut self.ready)
        })
    }

    /// Takes a buffer from the pool if the connection has none.
    #[inline]
    pub fn lend(&mut self, pool: &mut Vec<Vec<u8>>) {
        if self.ready.capacity() == 0
            && let Some(buffer) = pool.pop()
        {
            self.ready = buffer;
        }
    }

    /// Bytes held and ready, for the output buffer limits.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.ready.len() + self.held.len() - self.held_start
    }

    /// Memory of the buffers, bytes.
    pub fn memory(&self) -> usize {
        self.ready.capacity() + self.held.capacity() + self.slots.capacity() * size_of::<Slot>()
    }

    /// How many replies are there and held back (at least; neighbours behind one gate count once).
    pub fn held_replies(&self) -> usize {
        self.slots.iter().filter(|slot| !matches!(slot, Slot::Pending { .. })).count()
    }

    /// How many replies are held or outstanding (at least; neighbours behind one gate count once).
    pub fn held_slots(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(outbox: &mut Outbox, text: &str, gate: Option<Gate>) -> bool {
        let (target, start) = outbox.target();
        target.extend_from_slice(text.as_bytes());
        outbox.commit(start, gate)
    }

    fn sent(outbox: &mut Outbox) -> String {
        let mut bytes = Vec::new();
        outbox.take_ready(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    const fn gate(core: u16, lsn: u64) -> Option<Gate> {
        Some(Gate { core, lsn })
    }

    #[test]
    fn a_reply_never_passes_the_durable_lsn_nor_an_earlier_reply() {
        let mut outbox = Outbox::default();
        write(&mut outbox, "a", None);
        assert!(write(&mut outbox, "B", gate(0, 5)));
        write(&mut outbox, "c", None);
        assert!(write(&mut outbox, "D", gate(0, 6)));
        outbox.release(&[4]);
        assert_eq!(sent(&mut outbox), "a");
        outbox.release(&[5]);
        assert_eq!(sent(&mut outbox), "Bc");
        outbox.release(&[6]);
        assert_eq!(sent(&mut outbox), "D");
        assert!(outbox.is_empty());
    }

    #[test]
    fn answers_of_other_cores_keep_the_order_of_requests() {
        let mut outbox = Outbox::default();
        let first = outbox.pending();
        write(&mut outbox, "b", None);
        let third = outbox.pending();
        write(&mut outbox, "d", gate(0, 3));
        outbox.answer_now(third, b"C", gate(1, 9), &[0, 0]);
        assert_eq!(sent(&mut outbox), "");
        outbox.answer_now(first, b"A", None, &[0, 0]);
        assert_eq!(sent(&mut outbox), "Ab");
        assert_eq!(outbox.next_gates(), [Gate { core: 1, lsn: 9 }]);
        outbox.release(&[3, 9]);
        assert_eq!(sent(&mut outbox), "Cd");
        assert!(outbox.is_empty());
    }

    #[test]
    fn replies_of_one_unsealed_batch_share_a_gate_and_later_batches_do_not() {
        let mut outbox = Outbox::default();
        for lsn in 1..=3 {
            let (target, start) = outbox.target();
            target.push(b'x');
            assert_eq!(outbox.commit_in_batch(start, Gate { core: 0, lsn }, 0), lsn == 1);
        }
        let (target, start) = outbox.target();
        target.push(b'y');
        assert!(outbox.commit_in_batch(start, Gate { core: 0, lsn: 4 }, 3), "the first batch is sealed");
        outbox.release(&[2]);
        assert_eq!(sent(&mut outbox), "");
        outbox.release(&[3]);
        assert_eq!(sent(&mut outbox), "xxx");
        outbox.release(&[4]);
        assert_eq!(sent(&mut outbox), "y");
    }
}
