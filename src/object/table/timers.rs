//! The earliest expiry time over all segments: a tree of minima.

use super::segment::NEVER;

/// For each segment its next expiry time, and over them a binary tree of minima. Empty until the first time is set.
#[derive(Clone, Default)]
pub(super) struct Timers {
    /// `tree[1]` is the root, `tree[n]` the smaller of its children `2n` and `2n + 1`; the second half are the leaves.
    tree: Vec<u64>,
}

impl Timers {
    #[inline]
    fn leaves(&self) -> usize {
        self.tree.len() / 2
    }

    /// Sets the time of segment `index`.
    #[inline]
    pub fn set(&mut self, index: usize, expire_ms: u64) {
        if index >= self.leaves() {
            if expire_ms == NEVER {
                return;
            }
            self.rebuild(index + 1);
        }
        let mut node = self.leaves() + index;
        if self.tree[node] == expire_ms {
            return;
        }
        self.tree[node] = expire_ms;
        while node > 1 {
            node /= 2;
            let earlier = self.tree[2 * node].min(self.tree[2 * node + 1]);
            if self.tree[node] == earlier {
                break;
            }
            self.tree[node] = earlier;
        }
    }

    /// The earliest time, [`NEVER`] without one.
    #[inline]
    pub fn earliest_ms(&self) -> u64 {
        self.tree.get(1).copied().unwrap_or(NEVER)
    }

    /// The segment with the earliest time.
    pub fn earliest(&self) -> Option<usize> {
        let earliest_ms = self.earliest_ms();
        if earliest_ms == NEVER {
            return None;
        }
        let mut node = 1;
        while node < self.leaves() {
            node *= 2;
            if self.tree[node] != earliest_ms {
                node += 1;
            }
        }
        Some(node - self.leaves())
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        self.tree.capacity() * size_of::<u64>()
    }

    pub fn clear(&mut self) {
        self.tree = Vec::new();
    }

    /// Gives memory back when there are far fewer segments than leaves. Those from number `segments` on have no time.
    pub fn shrink(&mut self, segments: usize) {
        if self.leaves() > 8 * segments {
            self.rebuild(2 * segments);
        }
    }

    fn rebuild(&mut self, segments: usize) {
        let leaves = segments.next_power_of_two().max(2);
        let mut tree = vec![NEVER; 2 * leaves];
        let kept = self.leaves().min(leaves);
        tree[leaves..leaves + kept].copy_from_slice(&self.tree[self.leaves()..][..kept]);
        for node in (1..leaves).rev() {
            tree[node] = tree[2 * node].min(tree[2 * node + 1]);
        }
        self.tree = tree;
    }
}
