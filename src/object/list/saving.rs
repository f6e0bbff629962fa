//! Saving a large list while it goes on changing.
//!
//! What is not saved yet is a sequence of pieces in the list's order, as it was: stretches that still stand in the list,
//! and such that were kept since a change was about to touch them. Between them lie stretches of the list that are saved
//! already or came later. A change deep inside a stretch keeps its neighbourhood too, so that many changes in one place
//! find it kept, and the sequence stays short.

use crate::listpack::Element;
use crate::object::saving::{ELEMENT_COST, Held};
use crate::object::table::read_varint;
use std::collections::VecDeque;
use std::ops::Range;

/// So many pieces, about, a list is divided into at most by changes everywhere.
const PIECES_MAX: usize = 4096;
/// Elements in a neighbourhood.
const NEAR_ELEMENTS_MIN: usize = 64;
/// Bytes in a neighbourhood, about.
const NEAR_BYTES_MAX: usize = 64 << 10;

enum Piece {
    /// So many elements of the list, not saved.
    Live(usize),
    /// So many elements of the list that are saved, or kept, or came later.
    Passed(usize),
    /// Elements as they were: length as a varint, bytes. How far they are given out.
    Kept(Vec<u8>, usize),
}

/// The state of a saving.
pub(super) struct ListSaving {
    pub id: u64,
    pieces: VecDeque<Piece>,
    near: usize,
    held: Held,
}

impl ListSaving {
    /// For a list of `len` elements of `bytes` in all.
    pub fn new(id: u64, held: Held, len: usize, bytes: usize) -> Self {
        let fits = NEAR_BYTES_MAX / (bytes / len.max(1)).max(1);
        let near = (len / PIECES_MAX).max(NEAR_ELEMENTS_MIN).min(fits.max(1));
        ListSaving { id, pieces: VecDeque::from([Piece::Live(len)]), near, held }
    }

    /// The elements in `range` are about to change or to get company: keeps them and their neighbourhood. `get` reads
    /// elements of the list as it is.
    pub fn keep(&mut self, range: Range<usize>, mut get: impl FnMut(Range<usize>, &mut dyn FnMut(Element<'_>))) {
        let (mut at, mut start) = (0, 0);
        while at < self.pieces.len() && start < range.end {
            let len = match &self.pieces[at] {
                Piece::Kept(..) => 0,
                Piece::Passed(len) => *len,
                Piece::Live(len) if start + len <= range.start => *len,
                Piece::Live(len) => {
                    let len = *len;
                    let near = self.near / 2;
                    let from = range.start.saturating_sub(near).max(start);
                    let to = (range.end + near).min(start + len);
                    let mut kept = Vec::new();
                    get(from..to, &mut |element| push(&mut kept, element));
                    self.held.add(kept.len());
                    let pieces = [
                        Piece::Live(from - start),
                        Piece::Kept(kept, 0),
                        Piece::Passed(to - from),
                        Piece::Live(start + len - to),
                    ];
                    self.pieces.remove(at);
                    for piece in pieces.into_iter().filter(|piece| !matches!(piece, Piece::Live(0))) {
                        self.pieces.insert(at, piece);
                        at += 1;
                    }
                    start += len;
                    continue;
                }
            };
            start += len;
            at += 1;
        }
    }

    /// `count` elements came in before `index`, next to what [`ListSaving::keep`] kept, or at an end.
    pub fn grow(&mut self, index: usize, count: usize) {
        let mut start = 0;
        for piece in &mut self.pieces {
            match piece {
                Piece::Passed(len) if (start..=start + *len).contains(&index) => return *len += count,
                Piece::Live(len) if index < start + *len && index > start => {
                    unreachable!("elements come in where their neighbourhood is kept")
                }
                Piece::Passed(len) | Piece::Live(len) => start += *len,
                Piece::Kept(..) => {}
            }
        }
        match index {
            0 => self.pieces.push_front(Piece::Passed(count)),
            _ => {
                assert!(index == start, "elements come in where their neighbourhood is kept");
                self.pieces.push_back(Piece::Passed(count));
            }
        }
    }

    /// The elements in `range`, which are kept, went away.
    pub fn shrink(&mut self, range: Range<usize>) {
        let (mut start, mut left) = (0, range.len());
        for piece in &mut self.pieces {
            match piece {
                Piece::Kept(..) => {}
                Piece::Live(len) => start += *len,
                Piece::Passed(len) => {
                    let overlap = (start + *len).min(range.start + left).saturating_sub(start.max(range.start));
                    // What goes away moves up what is behind it: it is all at the same index.
                    *len -= overlap;
                    left -= overlap;
                    start += *len;
                }
            }
            if left == 0 {
                break;
            }
        }
        assert!(left == 0, "what goes away is kept before");
        self.pieces.retain(|piece| !matches!(piece, Piece::Passed(0)));
    }

    /// Gives `with` about `budget` bytes of elements in order; `get` reads elements of the list. Says whether it was all.
    pub fn save_some(
        &mut self,
        mut budget: usize,
        mut get: impl FnMut(Range<usize>, &mut dyn FnMut(Element<'_>)),
        with: &mut dyn FnMut(Element<'_>),
    ) -> bool {
        while budget > 0 {
            // Everything before the first piece to be saved has passed: one stretch.
            let mut passed = 0;
            while let Some(Piece::Passed(len)) = self.pieces.front() {
                passed += len;
                self.pieces.pop_front();
            }
            let next = self.pieces.pop_front();
            match next {
                None => {
                    if passed > 0 {
                        self.pieces.push_front(Piece::Passed(passed));
                    }
                    return true;
                }
                Some(Piece::Kept(bytes, mut at)) => {
                    while budget > 0 && at < bytes.len() {
                        let (len, head) = read_varint(&bytes[at..]);
                        let element = &bytes[at + head..][..len as usize];
                        with(Element::Str(element));
                        at += head + element.len();
                        budget = budget.saturating_sub(element.len() + ELEMENT_COST);
                    }
                    if at < bytes.len() {
                        self.pieces.push_front(Piece::Kept(bytes, at));
                    } else {
                        self.held.sub(bytes.len());
                    }
                }
                Some(Piece::Live(len)) => {
                    let count = len.min(self.near);
                    get(passed..passed + count, &mut |element| {
                        let bytes = if let Element::Str(bytes) = element { bytes.len() } else { 8 };
                        budget = budget.saturating_sub(bytes + ELEMENT_COST);
                        with(element);
                    });
                    if len > count {
                        self.pieces.push_front(Piece::Live(len - count));
                    }
                    passed += count;
                }
                Some(Piece::Passed(_)) => unreachable!("all of them were taken"),
            }
            if passed > 0 {
                self.pieces.push_front(Piece::Passed(passed));
            }
        }
        false
    }
}

impl Drop for ListSaving {
    fn drop(&mut self) {
        for piece in &self.pieces {
            if let Piece::Kept(bytes, _) = piece {
                self.held.sub(bytes.len());
            }
        }
    }
}

fn push(kept: &mut Vec<u8>, element: Element<'_>) {
    element.with_bytes(|bytes| {
        let head = crate::object::table::Header::new().varint(bytes.len() as u64);
        kept.extend_from_slice(head.as_bytes());
        kept.extend_from_slice(bytes);
    });
}
