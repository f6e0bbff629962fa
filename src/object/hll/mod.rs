//! HyperLogLog in Redis's own bytes, kept as an ordinary string value.
//!
//! ```text
//! "HYLL" │ encoding u8 (0 dense, 1 sparse) │ 3 bytes unused │ cached cardinality u64 LE, top bit: stale │ registers
//!
//! dense: 16,384 registers of 6 bits, from the low bits of each byte up: 12,288 bytes
//! sparse: 00llllll            l + 1 registers of 0 (ZERO)
//!         01llllll llllllll   l + 1 registers of 0 (XZERO)
//!         1vvvvvll            l + 1 registers of v + 1 (VAL)
//! ```
//!
//! Values that clients wrote with SET come here too: every function checks what it reads. Counts are Redis's exactly:
//! the same hash, and Ertl's improved estimator.

mod dense;
mod estimate;
mod sparse;

#[cfg(test)]
mod tests;

/// Registers: 2^14.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of the hash beyond the index: the highest register value is one more.
const VALUE_BITS: u32 = 64 - INDEX_BITS;
const HEADER_BYTES: usize = 16;
/// Length of a dense value in bytes.
pub const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;
const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const CACHE_AT: usize = 8;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const HASH_SEED: u64 = 0xADC8_3B19;

/// Why a string is not a HyperLogLog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HllError {
    /// The header or the length of a dense value is not one of a HyperLogLog.
    #[error("WRONGTYPE Key is not a valid HyperLogLog string value.")]
    NotHll,
    /// The sparse registers don't add up to 16,384.
    #[error("INVALIDOBJ Corrupted HLL object detected")]
    Corrupt,
}

/// An empty value: sparse, its cache marked stale as a PFADD without elements leaves it.
pub fn new() -> Vec<u8> {
    let mut value = vec![0; HEADER_BYTES];
    value[..4].copy_from_slice(MAGIC);
    value[ENCODING_AT] = SPARSE;
    invalidate(&mut value);
    sparse::push_zeros(&mut value, REGISTERS);
    value
}

/// Checks the header: what every command does first with every key.
pub fn check(value: &[u8]) -> Result<(), HllError> {
    if value.len() < HEADER_BYTES || &value[..4] != MAGIC {
        return Err(HllError::NotHll);
    }
    match value[ENCODING_AT] {
        DENSE if value.len() == DENSE_BYTES => Ok(()),
        SPARSE => Ok(()),
        _ => Err(HllError::NotHll),
    }
}

/// Whether the value is dense; it must have passed [`check`].
pub fn is_dense(value: &[u8]) -> bool {
    value[ENCODING_AT] == DENSE
}

/// Adds an element; says whether a register changed. A sparse value that would grow beyond `sparse_max_bytes`, or hold
/// a register above 32, becomes dense. The cache is marked stale when something changed.
pub fn add(value: &mut Vec<u8>, element: &[u8], sparse_max_bytes: usize) -> Result<bool, HllError> {
    check(value)?;
    let (index, count) = pattern(element);
    let changed = if is_dense(value) {
        dense::raise(&mut value[HEADER_BYTES..], index, count)
    } else {
        sparse::raise(value, &mut sparse::Cursor::start(), index, count, sparse_max_bytes)?
    };
    if changed {
        invalidate(value);
    }
    Ok(changed)
}

/// Whether [`add`] would change a register. All of a sparse value is checked, so that [`add`] cannot find it corrupt.
pub fn would_add(value: &[u8], element: &[u8]) -> Result<bool, HllError> {
    check(value)?;
    let (index, count) = pattern(element);
    if is_dense(value) {
        return Ok(dense::get(&value[HEADER_BYTES..], index) < count);
    }
    let (mut first, mut would) = (0, false);
    sparse::for_each_run(value, |register, run| {
        would |= (first..first + run).contains(&index) && register < count;
        first += run;
    })?;
    Ok(would)
}

/// The cached cardinality, unless stale; the value must have passed [`check`].
pub fn cached_count(value: &[u8]) -> Option<u64> {
    let cached =
        u64::from_le_bytes(value[CACHE_AT..HEADER_BYTES].try_into().expect("the header has eight bytes of cache"));
    (cached >> 63 == 0).then_some(cached)
}

/// The cardinality of one value: cached or estimated.
pub fn count(value: &[u8]) -> Result<u64, HllError> {
    check(value)?;
    if let Some(cached) = cached_count(value) {
        return Ok(cached);
    }
    let mut histogram = [0u32; 64];
    if is_dense(value) {
        dense::for_each(&value[HEADER_BYTES..], |register| histogram[usize::from(register)] += 1);
    } else {
        sparse::for_each_run(value, |register, run| histogram[usize::from(register)] += run as u32)?;
    }
    Ok(estimate::cardinality(&histogram))
}

/// As [`count`], and keeps the result in the cache. Says whether the value changed, so that it must be logged.
pub fn count_and_cache(value: &mut [u8]) -> Result<(u64, bool), HllError> {
    let count = count(value)?;
    let stale = cached_count(value).is_none();
    if stale {
        value[CACHE_AT..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    }
    Ok((count, stale))
}

fn invalidate(value: &mut [u8]) {
    value[HEADER_BYTES - 1] |= 0x80;
}

/// Makes a sparse value dense (PFDEBUG TODENSE). Says whether it was sparse.
pub fn to_dense(value: &mut Vec<u8>) -> Result<bool, HllError> {
    check(value)?;
    if is_dense(value) {
        return Ok(false);
    }
    let mut registers = Registers::new();
    registers.merge(value)?;
    let mut dense = vec![0; DENSE_BYTES];
    dense[..HEADER_BYTES].copy_from_slice(&value[..HEADER_BYTES]);
    dense[ENCODING_AT] = DENSE;
    dense::pack(&registers.0, &mut dense[HEADER_BYTES..]);
    *value = dense;
    Ok(true)
}

/// The registers of a union, one byte each.
pub struct Registers(Box<[u8; REGISTERS]>);

impl Registers {
    /// All 0: the empty union.
    pub fn new() -> Self {
        Registers(Box::new([0; REGISTERS]))
    }

    /// Takes a value into the union.
    pub fn merge(&mut self, value: &[u8]) -> Result<(), HllError> {
        check(value)?;
        if is_dense(value) {
            let mut own = self.0.iter_mut();
            dense::for_each(&value[HEADER_BYTES..], |register| {
                if let Some(own) = own.next() {
                    *own = (*own).max(register);
                }
            });
            return Ok(());
        }
        let mut at = 0;
        sparse::for_each_run(value, |register, run| {
            if register > 0 {
                self.0[at..at + run].iter_mut().for_each(|own| *own = (*own).max(register));
            }
            at += run;
        })
    }

    /// The union's cardinality.
    pub fn count(&self) -> u64 {
        let mut histogram = [0u32; 64];
        self.0.iter().for_each(|&register| histogram[usize::from(register)] += 1);
        estimate::cardinality(&histogram)
    }

    /// The registers, each at most 63.
    pub fn as_slice(&self) -> &[u8] {
        &self.0[..]
    }

    /// Raises the registers of `target` to the union's (PFMERGE): in a dense value if it is one already or `dense` says
    /// so, because one of the sources is. `target` must be part of the union. The cache is marked stale.
    pub fn store(&self, target: &mut Vec<u8>, dense: bool, sparse_max_bytes: usize) -> Result<(), HllError> {
        check(target)?;
        if dense {
            to_dense(target)?;
        }
        let mut cursor = sparse::Cursor::start();
        for (index, &register) in self.0.iter().enumerate() {
            if is_dense(target) {
                dense::pack(&self.0, &mut target[HEADER_BYTES..]);
                break;
            }
            if register > 0 {
                sparse::raise(target, &mut cursor, index, register, sparse_max_bytes)?;
            }
        }
        invalidate(target);
        Ok(())
    }
}

impl Default for Registers {
    fn default() -> Self {
        Self::new()
    }
}

/// The register an element belongs to, and the value it asks for: one more than the trailing zeros of the other bits.
fn pattern(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element, HASH_SEED);
    let index = hash as usize & (REGISTERS - 1);
    let rest = hash >> INDEX_BITS | 1 << VALUE_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// MurmurHash64A, by Austin Appleby (public domain), reading little-endian.
fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    const MULTIPLIER: u64 = 0xC6A4_A793_5BD1_E995;
    const SHIFT: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let mut mixed = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> SHIFT;
        hash = (hash ^ mixed.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> SHIFT;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}
