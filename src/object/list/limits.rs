//! How large a node may be.

/// When a list changes its encoding, and how large its nodes are: Redis's setting of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `list-max-listpack-size`: elements per node if positive, or -1 to -5 for nodes of 4, 8, 16, 32 or 64 KiB. 0 counts
    /// as 1, below -5 as -5.
    pub listpack_size_max: i32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { listpack_size_max: -2 }
    }
}

/// No node whose size is given in elements becomes longer than this, in bytes.
const SAFE_BYTES_MAX: usize = 8192;
/// What an element is reckoned to cost beside its bytes.
const ELEMENT_OVERHEAD_BYTES: usize = 8;

impl Thresholds {
    /// The most bytes of a node.
    #[inline]
    pub(super) fn bytes_max(self) -> usize {
        match self.listpack_size_max {
            0.. => SAFE_BYTES_MAX,
            level => 4096 << (level.unsigned_abs().min(5) - 1),
        }
    }

    /// The most elements of a node.
    #[inline]
    pub(super) fn elements_max(self) -> usize {
        // Beyond 65,534 a listpack no longer knows its length.
        if self.listpack_size_max < 0 { 65_534 } else { self.listpack_size_max.clamp(1, 32_767) as usize }
    }

    /// Whether a listpack of so many bytes and elements is too large for one node.
    #[inline]
    pub(super) fn exceeded(self, bytes: usize, elements: usize) -> bool {
        bytes > self.bytes_max() || elements > self.elements_max()
    }

    /// Whether a node of so many bytes and elements has no room for another of `value_bytes`.
    #[inline]
    pub(super) fn full(self, bytes: usize, elements: usize, value_bytes: usize) -> bool {
        self.exceeded(bytes + value_bytes + ELEMENT_OVERHEAD_BYTES, elements + 1)
    }

    /// Whether a value of so many bytes gets a node of its own.
    #[inline]
    pub(super) fn is_large(self, value_bytes: usize) -> bool {
        value_bytes > self.bytes_max()
    }

    /// Whether the last node left, of so many bytes and elements, is small enough to become the whole list.
    pub(super) fn small_again(self, bytes: usize, elements: usize) -> bool {
        if self.listpack_size_max < 0 { bytes <= self.bytes_max() / 2 } else { elements <= self.elements_max() / 2 }
    }
}
