//! The slab: where a core's entries and table segments live, addressed by 32 bits.
//!
//! One reserved stretch of addresses is cut into chunks of 64 KiB. A chunk holds slots of one size class; classes are 8
//! bytes apart, so that a slot wastes 3.5 bytes on average where a general allocator wastes up to 15. A reference is the
//! slot's distance from the base in units of 8 bytes, which makes 32 GiB the limit per slab. Freed slots are chained
//! inside their chunk; a chunk that becomes wholly empty can serve another class and goes back to the system.
//!
//! Every operation takes constant time; the longest system calls (making 4 MiB usable, giving 64 KiB back) take
//! microseconds.

use std::cell::UnsafeCell;
use std::io;

use super::mapping::Mapping;

/// Bytes per unit of a reference.
pub const UNIT: usize = 8;
/// Bytes per chunk.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Largest slot for an entry, in bytes.
pub const SLOT_BYTES_MAX: usize = 1024;
/// Bytes of a slot for a table segment.
pub const SEGMENT_BYTES: usize = 4096;
/// Bytes of address space that 32-bit references reach.
pub const RESERVE_BYTES_MAX: usize = 32 << 30;
/// Smallest reservation worth starting with.
const RESERVE_BYTES_MIN: usize = 1 << 30;
/// Bytes made usable at a time.
const COMMIT_BYTES: usize = 4 << 20;
/// From this size on huge pages are asked for, if at all: a small keyspace must stay small.
const HUGE_PAGES_FROM_BYTES: usize = 64 << 20;
/// Empty chunks kept with their memory, so that a queue that fills and empties makes no system calls.
const EMPTY_CHUNKS_KEPT: usize = 16;

const CHUNK_UNITS: u32 = (CHUNK_BYTES / UNIT) as u32;
const ENTRY_CLASSES: usize = SLOT_BYTES_MAX / UNIT + 1;
const SEGMENT_CLASS: u8 = ENTRY_CLASSES as u8;
const CLASSES: usize = ENTRY_CLASSES + 1;
const NO_SLOT: u16 = u16::MAX;
const NO_CHUNK: u32 = u32::MAX;

const _: () = assert!(RESERVE_BYTES_MAX / UNIT == 1 << 32);
const _: () = assert!(ENTRY_CLASSES <= u8::MAX as usize && CHUNK_UNITS < NO_SLOT as u32);
const _: () = assert!(CHUNK_BYTES.is_multiple_of(SEGMENT_BYTES) && COMMIT_BYTES.is_multiple_of(CHUNK_BYTES));

/// Why a slab could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SlabError {
    /// The system grants no address space: a limit (`ulimit -v`, a cgroup) or strict overcommit.
    #[error(
        "cannot reserve {bytes_wanted} bytes of address space for the keyspace (nor {bytes_tried}): {source}; \
         raise the limit on virtual memory (ulimit -v)"
    )]
    Reserve {
        /// Bytes wanted at first.
        bytes_wanted: usize,
        /// Bytes of the last, smallest try.
        bytes_tried: usize,
        /// The system's reason.
        source: io::Error,
    },
}

/// How a slab is set up.
#[derive(Debug, Clone, Copy)]
pub struct SlabOptions {
    /// Address space to reserve, at most (and by default) 32 GiB. It bounds what the slab can hold; memory is only used
    /// as needed.
    pub reserve_bytes: usize,
    /// Ask the kernel for huge pages once the slab has outgrown 64 MiB.
    pub huge_pages: bool,
}

impl Default for SlabOptions {
    fn default() -> Self {
        SlabOptions { reserve_bytes: RESERVE_BYTES_MAX, huge_pages: false }
    }
}

/// What a slab holds and what it costs, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlabStats {
    /// Slots in use, for entries and segments.
    pub used_bytes: usize,
    /// Slots in use for table segments, included in `used_bytes`.
    pub segment_bytes: usize,
    /// Chunks that belong to a class: `used_bytes` and the free slots among them.
    pub chunk_bytes: usize,
    /// Empty chunks kept with their memory.
    pub empty_bytes: usize,
    /// Address space reserved.
    pub reserved_bytes: usize,
}

impl SlabStats {
    /// Bytes held from the system and not in use.
    pub fn waste_bytes(&self) -> usize {
        self.chunk_bytes + self.empty_bytes - self.used_bytes
    }
}

#[derive(Clone, Copy)]
struct Chunk {
    class: u8,
    /// Whether it is in its class's list of chunks with room.
    listed: bool,
    /// Slots in use.
    used: u16,
    /// First free slot, as a distance in units; the next one's stands in the slot itself.
    free: u16,
    /// Units from here on have never been used.
    fresh: u16,
    prev: u32,
    next: u32,
}

struct State {
    chunks: Vec<Chunk>,
    /// Per class, the first chunk with room.
    roomy: [u32; CLASSES],
    /// Empty chunks with memory behind them, and without.
    empty: Vec<u32>,
    released: Vec<u32>,
    committed_bytes: usize,
    used_bytes: usize,
    segment_bytes: usize,
    chunks_in_use: usize,
    options: SlabOptions,
    /// One bit per unit that starts a live slot: catches stale references in debug builds.
    #[cfg(debug_assertions)]
    live: Vec<u64>,
}

/// The slab of one core. Not `Sync`, and shared by the core's databases through [`std::rc::Rc`].
pub struct Slab {
    mapping: Mapping,
    state: UnsafeCell<State>,
}

impl Slab {
    /// Reserves the address space; no memory is used yet.
    ///
    /// # Errors
    /// [`SlabError::Reserve`] when not even 1 GiB of addresses is granted.
    pub fn new(options: SlabOptions) -> Result<Slab, SlabError> {
        let wanted = options.reserve_bytes.clamp(2 * COMMIT_BYTES, RESERVE_BYTES_MAX).next_multiple_of(COMMIT_BYTES);
        let mapping = Mapping::reserve(wanted, RESERVE_BYTES_MIN.min(wanted))?;
        // Chunk 0 is never handed out: reference 0 means "none".
        let none = Chunk { class: 0, listed: false, used: 0, free: NO_SLOT, fresh: 0, prev: NO_CHUNK, next: NO_CHUNK };
        let state = State {
            chunks: vec![none],
            roomy: [NO_CHUNK; CLASSES],
            empty: Vec::new(),
            released: Vec::new(),
            committed_bytes: 0,
            used_bytes: 0,
            segment_bytes: 0,
            chunks_in_use: 0,
            options,
            #[cfg(debug_assertions)]
            live: vec![0; CHUNK_UNITS as usize / 64],
        };
        Ok(Slab { mapping, state: UnsafeCell::new(state) })
    }

    #[allow(clippy::mut_from_ref, reason = "the slab is the cell; see the proof")]
    fn state(&self) -> &mut State {
        // SAFETY: `Slab` is not `Sync` (the mapping's pointer sees to that), and the methods below never call each other
        // or foreign code while they hold this reference.
        unsafe { &mut *self.state.get() }
    }

    /// The address of a reference. Dereferencing it is up to the caller, who must know the slot is live.
    #[inline]
    pub fn ptr(&self, reference: u32) -> *mut u8 {
        self.mapping.base().as_ptr().wrapping_add(reference as usize * UNIT)
    }

    /// Size of the slot that an entry of `bytes` gets.
    #[inline]
    pub const fn slot_bytes(bytes: usize) -> usize {
        if bytes <= 16 { 16 } else { bytes.next_multiple_of(UNIT) }
    }

    /// A slot for an entry of `bytes` ≤ [`SLOT_BYTES_MAX`]; its contents are arbitrary.
    ///
    /// # Panics
    /// When the slab's addresses are used up or the system has no memory, as any allocator would. Callers that want to
    /// refuse instead look at [`Slab::headroom_bytes`] first.
    #[inline]
    pub fn alloc(&self, bytes: usize) -> u32 {
        assert!(bytes <= SLOT_BYTES_MAX, "entry too large for the slab");
        self.alloc_class((Self::slot_bytes(bytes) / UNIT) as u8)
    }

    /// A slot of [`SEGMENT_BYTES`], aligned to its size; its contents are arbitrary.
    pub fn alloc_segment(&self) -> u32 {
        let reference = self.alloc_class(SEGMENT_CLASS);
        self.state().segment_bytes += SEGMENT_BYTES;
        reference
    }

    #[inline]
    fn alloc_class(&self, class: u8) -> u32 {
        let mut id = self.state().roomy[class as usize];
        if id == NO_CHUNK {
            id = self.open_chunk(class);
        }
        let units = class_units(class);
        let chunk = &mut self.state().chunks[id as usize];
        let at = chunk.free;
        let at = if at != NO_SLOT {
            let slot = self.ptr(id * CHUNK_UNITS + u32::from(at));
            // SAFETY: a free slot of a chunk in use: committed memory of at least 16 bytes whose first two hold the link.
            chunk.free = unsafe { slot.cast::<u16>().read() };
            at
        } else {
            let at = chunk.fresh;
            chunk.fresh += units as u16;
            at
        };
        chunk.used += 1;
        let full = chunk.free == NO_SLOT && u32::from(chunk.fresh) + units > CHUNK_UNITS;
        let state = self.state();
        if full {
            state.unlist(id);
        }
        state.used_bytes += units as usize * UNIT;
        let reference = id * CHUNK_UNITS + u32::from(at);
        #[cfg(debug_assertions)]
        state.mark(reference, true);
        reference
    }

    /// Takes a slot back. It must be live, and nobody may use it afterwards.
    #[inline]
    pub fn free(&self, reference: u32) {
        debug_assert!(self.is_live(reference), "slot {reference} freed twice");
        let id = reference / CHUNK_UNITS;
        let state = self.state();
        #[cfg(debug_assertions)]
        state.mark(reference, false);
        let chunk = &mut state.chunks[id as usize];
        let class = chunk.class;
        // SAFETY: the slot was live until now, so it is committed memory of at least 16 bytes, aligned to 8.
        unsafe { self.ptr(reference).cast::<u16>().write(chunk.free) };
        chunk.free = (reference % CHUNK_UNITS) as u16;
        chunk.used -= 1;
        let (empty, listed) = (chunk.used == 0, chunk.listed);
        state.used_bytes -= class_units(class) as usize * UNIT;
        if class == SEGMENT_CLASS {
            state.segment_bytes -= SEGMENT_BYTES;
        }
        if !listed {
            state.list(id);
        }
        // The last chunk of a class that has room stays, or a lone key set and deleted would open one each time.
        if empty && (state.roomy[class as usize] != id || state.chunks[id as usize].next != NO_CHUNK) {
            self.close_chunk(id);
        }
    }

    /// Size in bytes of a live slot.
    #[inline]
    pub fn slot_size(&self, reference: u32) -> usize {
        class_units(self.state().chunks[(reference / CHUNK_UNITS) as usize].class) as usize * UNIT
    }

    #[cold]
    fn open_chunk(&self, class: u8) -> u32 {
        let state = self.state();
        let id = if let Some(id) = state.empty.pop().or_else(|| state.released.pop()) {
            id
        } else {
            let id = state.chunks.len();
            let end = (id + 1) * CHUNK_BYTES;
            assert!(
                end <= self.mapping.reserved(),
                "the keyspace of this core is full: {} bytes of references are used up",
                self.mapping.reserved()
            );
            if end > state.committed_bytes {
                let huge = state.options.huge_pages && state.committed_bytes >= HUGE_PAGES_FROM_BYTES;
                if let Err(error) = self.mapping.commit(state.committed_bytes, COMMIT_BYTES, huge) {
                    panic!("out of memory: cannot make {COMMIT_BYTES} more bytes usable for the keyspace: {error}");
                }
                state.committed_bytes += COMMIT_BYTES;
            }
            state.chunks.push(state.chunks[0]);
            #[cfg(debug_assertions)]
            state.live.resize(state.live.len() + CHUNK_UNITS as usize / 64, 0);
            id as u32
        };
        let empty = Chunk { class, listed: false, used: 0, free: NO_SLOT, fresh: 0, prev: NO_CHUNK, next: NO_CHUNK };
        state.chunks[id as usize] = empty;
        state.chunks_in_use += 1;
        state.list(id);
        id
    }

    #[cold]
    fn close_chunk(&self, id: u32) {
        let state = self.state();
        state.unlist(id);
        state.chunks_in_use -= 1;
        if state.empty.len() < EMPTY_CHUNKS_KEPT {
            state.empty.push(id);
        } else {
            self.mapping.release(id as usize * CHUNK_BYTES, CHUNK_BYTES);
            state.released.push(id);
        }
    }

    /// Gives the memory of the empty chunks that were kept back to the system (MEMORY PURGE).
    pub fn purge(&self) {
        let state = self.state();
        while let Some(id) = state.empty.pop() {
            self.mapping.release(id as usize * CHUNK_BYTES, CHUNK_BYTES);
            state.released.push(id);
        }
    }

    /// What the slab holds and costs.
    pub fn stats(&self) -> SlabStats {
        let state = self.state();
        SlabStats {
            used_bytes: state.used_bytes,
            segment_bytes: state.segment_bytes,
            chunk_bytes: state.chunks_in_use * CHUNK_BYTES,
            empty_bytes: state.empty.len() * CHUNK_BYTES,
            reserved_bytes: self.mapping.reserved(),
        }
    }

    /// Bytes that can still be handed out before the slab's addresses run out. A server refuses writes with OOM while
    /// this is small (say 16 MiB): [`Slab::alloc`] panics at the end.
    pub fn headroom_bytes(&self) -> usize {
        let state = self.state();
        let unused = self.mapping.reserved() / CHUNK_BYTES - state.chunks.len();
        (unused + state.empty.len() + state.released.len()) * CHUNK_BYTES
    }

    /// Whether `reference` is the start of a slot in use. Only debug builds know; others say yes.
    #[inline]
    pub fn is_live(&self, reference: u32) -> bool {
        #[cfg(debug_assertions)]
        {
            let word = self.state().live.get(reference as usize / 64).copied().unwrap_or(0);
            word >> (reference % 64) & 1 == 1
        }
        #[cfg(not(debug_assertions))]
        {
            let _ = reference;
            true
        }
    }
}

impl State {
    fn list(&mut self, id: u32) {
        let class = self.chunks[id as usize].class as usize;
        let head = self.roomy[class];
        let chunk = &mut self.chunks[id as usize];
        (chunk.listed, chunk.prev, chunk.next) = (true, NO_CHUNK, head);
        if head != NO_CHUNK {
            self.chunks[head as usize].prev = id;
        }
        self.roomy[class] = id;
    }

    fn unlist(&mut self, id: u32) {
        let Chunk { class, prev, next, .. } = self.chunks[id as usize];
        if prev == NO_CHUNK {
            self.roomy[class as usize] = next;
        } else {
            self.chunks[prev as usize].next = next;
        }
        if next != NO_CHUNK {
            self.chunks[next as usize].prev = prev;
        }
        self.chunks[id as usize].listed = false;
    }

    #[cfg(debug_assertions)]
    fn mark(&mut self, reference: u32, live: bool) {
        let (word, bit) = (reference as usize / 64, 1u64 << (reference % 64));
        assert_ne!(self.live[word] & bit != 0, live, "slot {reference} handed out twice or freed twice");
        self.live[word] ^= bit;
    }
}

#[inline]
const fn class_units(class: u8) -> u32 {
    if class == SEGMENT_CLASS { (SEGMENT_BYTES / UNIT) as u32 } else { class as u32 }
}

/// What the allocator really takes for a heap block of `bytes`: jemalloc's size classes, four per doubling.
pub(super) fn heap_block_bytes(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => {
            let spacing = 1usize << (usize::BITS - 1 - (bytes - 1).leading_zeros() - 2);
            bytes.next_multiple_of(spacing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::testing::Rng64;

    fn slab() -> Slab {
        Slab::new(SlabOptions::default()).unwrap()
    }

    #[test]
    fn slots_never_overlap_and_keep_their_bytes() {
        let slab = slab();
        let mut rng = Rng64::from_env();
        let mut live: Vec<(u32, usize, u8)> = Vec::new();
        let rounds = if cfg!(miri) { 300 } else { 50_000 };
        for round in 0..rounds {
            if rng.below(100) < 55 || live.is_empty() {
                let len = 1 + rng.below(SLOT_BYTES_MAX as u64) as usize;
                let (at, fill) = (slab.alloc(len), round as u8);
                // SAFETY: a fresh slot of at least `len` bytes.
                unsafe { slab.ptr(at).write_bytes(fill, len) };
                assert_eq!(slab.slot_size(at), Slab::slot_bytes(len));
                live.push((at, len, fill));
            } else {
                let (at, len, fill) = live.swap_remove(rng.below(live.len() as u64) as usize);
                // SAFETY: a live slot of at least `len` bytes, all written above.
                let bytes = unsafe { std::slice::from_raw_parts(slab.ptr(at), len) };
                assert!(bytes.iter().all(|&b| b == fill), "slot {at} was overwritten");
                slab.free(at);
            }
        }
        let used: usize = live.iter().map(|&(_, len, _)| Slab::slot_bytes(len)).sum();
        assert_eq!(slab.stats().used_bytes, used);
        live.iter().for_each(|&(at, ..)| slab.free(at));
        assert_eq!(slab.stats().used_bytes, 0);
    }

    #[test]
    fn empty_chunks_serve_other_classes_and_return_to_the_system() {
        let slab = slab();
        let per_chunk = CHUNK_BYTES / 40;
        let chunks = if cfg!(miri) { 3 } else { 100 };
        let first: Vec<u32> = (0..chunks * per_chunk).map(|_| slab.alloc(40)).collect();
        let peak = slab.stats();
        assert_eq!(peak.chunk_bytes, chunks * CHUNK_BYTES);
        first.iter().for_each(|&at| slab.free(at));
        let after = slab.stats();
        assert_eq!(after.chunk_bytes, CHUNK_BYTES);
        assert!(after.empty_bytes <= EMPTY_CHUNKS_KEPT * CHUNK_BYTES);
        let headroom = slab.headroom_bytes();
        let second: Vec<u32> = (0..(chunks - 1) * (CHUNK_BYTES / 1024)).map(|_| slab.alloc(1024)).collect();
        assert_eq!(slab.headroom_bytes(), headroom - (chunks - 1) * CHUNK_BYTES);
        assert_eq!(slab.state().chunks.len(), 1 + chunks, "the old chunks were not used again");
        second.iter().for_each(|&at| slab.free(at));
        slab.purge();
        assert_eq!(slab.stats().empty_bytes, 0);
    }

    #[test]
    fn segments_are_aligned_to_their_size() {
        let slab = slab();
        let all: Vec<u32> = (0..40).map(|_| slab.alloc_segment()).collect();
        assert!(all.iter().all(|&at| (slab.ptr(at) as usize).is_multiple_of(SEGMENT_BYTES)));
        assert_eq!(slab.stats().segment_bytes, 40 * SEGMENT_BYTES);
    }

    #[test]
    fn heap_blocks_are_counted_at_the_allocators_size() {
        let expected =
            [(1, 8), (9, 16), (128, 128), (129, 160), (1000, 1024), (1025, 1280), (4097, 5120), (65536, 65536)];
        for (bytes, block) in expected {
            assert_eq!(heap_block_bytes(bytes), block, "{bytes}");
        }
    }
}
