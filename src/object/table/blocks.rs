//! A vector of segments that never moves more than a block of them when it grows.

use super::segment::Segment;
use crate::object::alloc::{held, release, reserve, size_class};

const BLOCK: usize = 64;

/// Segments by number, dense: removing one gives its number to the last.
#[derive(Clone, Default)]
pub(super) struct Blocks {
    blocks: Vec<Vec<Segment>>,
    len: usize,
}

impl Blocks {
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, segment: Segment) {
        if self.len.is_multiple_of(BLOCK) {
            reserve(&mut self.blocks, 1);
            self.blocks.push(Vec::new());
        }
        let block = &mut self.blocks[self.len / BLOCK];
        if block.len() == block.capacity() {
            block.reserve_exact(block.len().clamp(1, BLOCK - block.len().min(BLOCK - 1)));
        }
        block.push(segment);
        self.len += 1;
    }

    pub fn pop(&mut self) -> Option<Segment> {
        self.len = self.len.checked_sub(1)?;
        let block = &mut self.blocks[self.len / BLOCK];
        let segment = block.pop();
        if block.is_empty() {
            self.blocks.pop();
            release(&mut self.blocks);
        }
        segment
    }

    /// Removes segment `index`; the last one takes its number.
    pub fn swap_remove(&mut self, index: usize) -> Segment {
        let last = self.pop().expect("the caller's segment exists");
        if index == self.len { last } else { std::mem::replace(&mut self[index], last) }
    }

    /// Heap bytes, without what the segments hold.
    pub fn memory(&self) -> usize {
        let Some(last) = self.blocks.last() else { return 0 };
        held(&self.blocks) + (self.blocks.len() - 1) * size_class(BLOCK * size_of::<Segment>()) + held(last)
    }
}

impl std::ops::Index<usize> for Blocks {
    type Output = Segment;
    #[inline]
    fn index(&self, index: usize) -> &Segment {
        &self.blocks[index / BLOCK][index % BLOCK]
    }
}

impl std::ops::IndexMut<usize> for Blocks {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut Segment {
        &mut self.blocks[index / BLOCK][index % BLOCK]
    }
}
