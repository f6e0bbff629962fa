//! What an allocation costs.

/// The allocator's size class for `bytes`: multiples of 16 up to 128, then four per doubling. A vector that grows class
/// by class costs amortized constant time and holds nothing that the allocator would not have given anyway.
#[inline]
pub(super) fn size_class(bytes: usize) -> usize {
    if bytes <= 128 {
        return bytes.next_multiple_of(16);
    }
    bytes.next_multiple_of(1usize << ((bytes - 1).ilog2() - 2))
}

/// Makes room for `additional` more elements, up to the next size class and no further.
#[inline]
pub(super) fn reserve<T>(vec: &mut Vec<T>, additional: usize) {
    let needed = vec.len() + additional;
    if needed > vec.capacity() {
        vec.reserve_exact(size_class(needed * size_of::<T>()) / size_of::<T>() - vec.len());
    }
}

/// Gives memory back when less than half of it is used.
#[inline]
pub(super) fn release<T>(vec: &mut Vec<T>) {
    let bytes = size_class(vec.len() * size_of::<T>());
    if vec.capacity() * size_of::<T>() > 2 * bytes {
        vec.shrink_to(bytes / size_of::<T>());
    }
}

/// A vector with room for `len` elements, rounded up to the size class.
#[inline]
pub(super) fn with_room<T>(len: usize) -> Vec<T> {
    Vec::with_capacity(size_class(len * size_of::<T>()) / size_of::<T>())
}

/// Bytes a vector holds.
#[inline]
pub(super) fn held<T>(vec: &Vec<T>) -> usize {
    size_class(vec.capacity() * size_of::<T>())
}
