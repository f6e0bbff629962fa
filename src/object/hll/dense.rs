//! The dense registers: six bits each, four in three bytes.

use super::REGISTERS;

const MASK: u32 = 63;

/// One register.
pub(super) fn get(registers: &[u8], index: usize) -> u8 {
    let (at, shift) = (index / 4 * 3, index % 4 * 6);
    let word = u32::from_le_bytes([registers[at], registers[at + 1], registers[at + 2], 0]);
    (word >> shift & MASK) as u8
}

/// Raises one register; says whether it was lower.
pub(super) fn raise(registers: &mut [u8], index: usize, value: u8) -> bool {
    let (at, shift) = (index / 4 * 3, index % 4 * 6);
    let mut word = u32::from_le_bytes([registers[at], registers[at + 1], registers[at + 2], 0]);
    if u32::from(value) <= word >> shift & MASK {
        return false;
    }
    word = word & !(MASK << shift) | u32::from(value) << shift;
    registers[at..at + 3].copy_from_slice(&word.to_le_bytes()[..3]);
    true
}

/// Calls `visit` with each register in turn.
#[inline]
pub(super) fn for_each(registers: &[u8], mut visit: impl FnMut(u8)) {
    let (groups, _) = registers.as_chunks::<3>();
    for &[low, middle, high] in groups {
        visit(low & 63);
        visit((low >> 6 | middle << 2) & 63);
        visit((middle >> 4 | high << 4) & 63);
        visit(high >> 2);
    }
}

/// Packs registers of one byte each.
pub(super) fn pack(registers: &[u8; REGISTERS], target: &mut [u8]) {
    let (groups, _) = registers.as_chunks::<4>();
    let (packed, _) = target.as_chunks_mut::<3>();
    for (&[a, b, c, d], packed) in groups.iter().zip(packed) {
        *packed = [a | b << 6, b >> 2 | c << 4, c >> 4 | d << 2];
    }
}
