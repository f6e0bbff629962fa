//! Looking ahead in a pipeline: while one request runs, the memory that the next ones will need is on its way.
//!
//! With more keys than the processor's caches hold, a GET spends most of its time waiting for two cache lines: that of
//! the table, then that of the entry. Both are asked for a few requests ahead. Only hints are given: a request that is
//! not understood here is simply not looked ahead to. The same goes for the first requests of several connections that came at once
//! (`Core::foresee`).

use super::core::Core;
use crate::keyspace::{Db, KeyHash, hash_key};
use crate::net::ConnRef;
use crate::shard::slot;

/// How many requests ahead the table's line is asked for. The entry's is asked for one request ahead: by then the
/// table's line has come.
const AHEAD: usize = 4;

/// Where looking ahead has come to in one buffer of requests.
#[derive(Default)]
pub struct Lookahead {
    /// Where the buffer ends: another end, another buffer.
    end: usize,
    /// Bytes at the buffer's end that were not looked at.
    left: usize,
    /// Keys of the requests between the one that runs and those bytes.
    keys: [Option<KeyHash>; AHEAD],
    first: usize,
    len: usize,
}

impl Lookahead {
    /// A request is about to run, and `following` comes behind it: each time the rest of the same buffer, or that of another one.
    #[inline]
    pub fn advance(&mut self, following: &[u8], db: &Db) {
        let end = following.as_ptr_range().end.addr();
        if self.end != end || self.left > following.len() {
            // The first request, or one that was not understood: begin behind it.
            *self = Lookahead { end, left: following.len(), ..Lookahead::default() };
        } else if self.len > 0 {
            self.first = (self.first + 1) % AHEAD;
            self.len -= 1;
        }
        while self.len < AHEAD {
            let Some((key, len)) = first_key(&following[following.len() - self.left..]) else { break };
            let hash = key.map(hash_key);
            if let Some(hash) = hash {
                db.prefetch(hash);
            }
            self.keys[(self.first + self.len) % AHEAD] = hash;
            self.len += 1;
            self.left -= len;
        }
        if self.len > 0
            && let Some(hash) = self.keys[self.first]
        {
            db.prefetch_entry(hash);
        }
    }
}

impl Core {
    /// A connection has sent these bytes, which are about to be run, but not next: asks for the line of the table where its first
    /// request will look. What this returns leads to the entry.
    #[inline]
    pub(super) fn foresee(&mut self, at: ConnRef, bytes: &[u8]) -> Option<Foreseen> {
        let (key, _) = first_key(bytes)?;
        let (key, db) = (key?, self.conns.get(at)?.session.db);
        if slot::core_of_key(key, self.cores()) != self.me() {
            return None;
        }
        let hash = hash_key(key);
        self.shard.db(db).prefetch(hash);
        Some(Foreseen { db, hash })
    }

    /// What was foreseen comes next: asks for the entry.
    #[inline]
    pub(super) fn fetch_foreseen(&self, foreseen: Foreseen) {
        self.shard.db(foreseen.db).prefetch_entry(foreseen.hash);
    }
}

/// A key that a request is about to look up.
#[derive(Clone, Copy)]
pub(super) struct Foreseen {
    db: u16,
    hash: KeyHash,
}

/// The second word of the request at the start of `bytes`, and the request's length; `None` if it is not whole.
fn first_key(bytes: &[u8]) -> Option<(Option<&[u8]>, usize)> {
    let (count, mut at) = number(bytes, b'*')?;
    let mut key = None;
    for index in 0..count {
        // The end of the word before may not be here yet.
        let (len, head) = number(bytes.get(at..)?, b'$')?;
        at += head;
        let word = bytes.get(at..at + len)?;
        if index == 1 {
            key = Some(word);
        }
        at += len + 2;
    }
    (at <= bytes.len()).then_some((key, at))
}

/// The small number behind `kind`, and the length of its line.
#[inline]
fn number(bytes: &[u8], kind: u8) -> Option<(usize, usize)> {
    /// Longer lines are rare, and their requests too large to look past.
    const DIGITS_MAX: usize = 5;
    if *bytes.first()? != kind {
        return None;
    }
    let mut value = 0;
    for (index, &byte) in bytes[1..].iter().enumerate().take(DIGITS_MAX + 1) {
        match byte {
            b'0'..=b'9' => value = value * 10 + (byte - b'0') as usize,
            b'\r' if index > 0 => return Some((value, index + 3)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_whole_request_is_found_and_nothing_else() {
        assert_eq!(first_key(b"*2\r\n$3\r\nGET\r\n$2\r\nab\r\n*1\r\n"), Some((Some(&b"ab"[..]), 21)));
        assert_eq!(first_key(b"*1\r\n$4\r\nPING\r\n"), Some((None, 14)));
        for cut in 0..29 {
            assert_eq!(first_key(&b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nxyz\r\n"[..cut]), None, "cut at {cut}");
        }
        for broken in
            [&b""[..], b"*2\r\n$3\r\nGET\r\n$2\r\na", b"GET a\r\n", b"*-1\r\n", b"*2\r\n$9999999\r\n", b"*1\r\n$4"]
        {
            assert_eq!(first_key(broken), None);
        }
    }

    #[test]
    fn looking_ahead_keeps_pace_with_any_mix_of_requests() {
        let slab = crate::keyspace::Keyspace::new(1, 0, Default::default()).unwrap();
        let requests = [&b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"[..], b"PING\r\n", b"*1\r\n$4\r\nPING\r\n"];
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for turn in 0..50 {
            bytes.extend_from_slice(requests[turn * 7 % 3]);
            ends.push(bytes.len());
        }
        let mut ahead = Lookahead::default();
        for end in ends {
            ahead.advance(&bytes[end..], slab.db(0));
            assert!(ahead.left <= bytes.len() - end && ahead.len <= AHEAD);
            assert!(ahead.len == AHEAD || ahead.left == 0 || bytes[bytes.len() - ahead.left] != b'*');
        }
    }
}
