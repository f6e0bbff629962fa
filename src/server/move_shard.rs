//! Handing a shard from the thread that filled it to the core that owns it.

/// Something of a shard on its way to another thread.
///
/// A shard's databases share their slab through `Rc`, so a shard is not `Send`. But no part of it is ever kept outside
/// of it: whoever holds the shard holds every `Rc` of its slab.
pub struct Moved<T>(T);

// SAFETY: only made of a shard, or of the one reference to it, as a whole: all `Rc`s of its slab go along, so that at
// no time two threads can reach the same count. The rest of a shard is `Send`.
unsafe impl<T> Send for Moved<T> {}

impl Moved<crate::shard::Shard> {
    /// Wraps a shard.
    pub fn of(shard: crate::shard::Shard) -> Self {
        Moved(shard)
    }
}

impl<'a> Moved<&'a mut crate::shard::Shard> {
    /// Wraps the exclusive reference to a shard.
    pub fn new(shard: &'a mut crate::shard::Shard) -> Self {
        Moved(shard)
    }
}

impl<T> Moved<T> {
    /// What was moved.
    pub fn into_inner(self) -> T {
        self.0
    }
}
