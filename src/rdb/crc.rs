//! CRC-64/REDIS (the Jones polynomial, reflected, no initial value): the checksum of RDB files and DUMP payloads.

use crc_fast::{CrcAlgorithm, Digest};

/// The polynomial, lowest power at the highest bit.
const POLYNOMIAL: u64 = 0x95AC_9329_AC4B_C9B5;

/// The checksum of `bytes`.
#[inline]
pub fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Redis, bytes)
}

/// A checksum over bytes that come piece by piece. Pieces of kilobytes are worth it; it is slow on single bytes.
pub struct Crc64(Digest);

impl Crc64 {
    /// The checksum of nothing: 0.
    pub fn new() -> Self {
        Crc64(Digest::new(CrcAlgorithm::Crc64Redis))
    }

    /// Goes on with `bytes`.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.update(bytes);
        }
    }

    /// The checksum so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

/// Joins checksums of neighbours: the operator for a second part of one fixed length, worked out once (some 2 µs) and
/// applied in nanoseconds. 2 KiB.
///
/// Appending `n` bytes multiplies the checksum by x^8n modulo the polynomial. That is linear over bits, so sixteen
/// tables of sixteen hold the products of every nibble.
pub struct CombineOperator {
    tables: Box<[[u64; 16]; 16]>,
}

impl CombineOperator {
    /// The operator for a second part of `len` bytes.
    pub fn for_len(len: u64) -> Self {
        // The product with the highest bit (which is x^0) is the factor; every bit below is one power of x more.
        let mut product = power_of_x8(len);
        let mut tables = Box::new([[0; 16]; 16]);
        for table in tables.iter_mut().rev() {
            for bit in (0..4).rev() {
                table[1 << bit] = product;
                product = times_x(product);
            }
            for nibble in 1..16usize {
                let lowest = nibble & nibble.wrapping_neg();
                table[nibble] = table[lowest] ^ table[nibble ^ lowest];
            }
        }
        CombineOperator { tables }
    }

    /// The checksum of part A followed by part B, given the checksum of each; B has the length of the operator.
    #[inline]
    pub fn combine(&self, crc_a: u64, crc_b: u64) -> u64 {
        let mut moved = crc_b;
        for (place, table) in self.tables.iter().enumerate() {
            moved ^= table[(crc_a >> (4 * place)) as usize & 0xF];
        }
        moved
    }
}

/// As [`CombineOperator::combine`] for a length that is needed only once (about a microsecond).
pub fn combine(crc_a: u64, crc_b: u64, len_b: u64) -> u64 {
    multiply(power_of_x8(len_b), crc_a) ^ crc_b
}

/// x^(8 * exponent) modulo the polynomial.
fn power_of_x8(mut exponent: u64) -> u64 {
    let mut result = 1 << 63;
    let mut square = 1 << 55;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, square);
        }
        square = multiply(square, square);
        exponent >>= 1;
    }
    result
}

#[inline]
fn times_x(value: u64) -> u64 {
    (value >> 1) ^ (POLYNOMIAL & (value & 1).wrapping_neg())
}

/// The product of two polynomials modulo the polynomial, all with the lowest power at the highest bit.
fn multiply(mut a: u64, mut b: u64) -> u64 {
    let mut product = 0;
    while a != 0 {
        product ^= b & ((a as i64) >> 63) as u64;
        b = times_x(b);
        a <<= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_that_of_redis() {
        assert_eq!(checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        let mut crc = Crc64::new();
        assert_eq!(crc.value(), 0);
        crc.update(b"1234");
        crc.update(b"");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn combined_parts_equal_the_whole() {
        let bytes: Vec<u8> = (0..70_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for split in [0, 1, 5, 4096, 65_536, 69_999, 70_000] {
            let (a, b) = bytes.split_at(split);
            let whole = checksum(&bytes);
            assert_eq!(CombineOperator::for_len(b.len() as u64).combine(checksum(a), checksum(b)), whole);
            assert_eq!(combine(checksum(a), checksum(b), b.len() as u64), whole);
        }
        // Many equal blocks through one operator, as the parallel writer does it.
        let operator = CombineOperator::for_len(4096);
        let mut crc = 0;
        for block in bytes.chunks_exact(4096) {
            crc = operator.combine(crc, checksum(block));
        }
        assert_eq!(crc, checksum(&bytes[..bytes.len() / 4096 * 4096]));
    }
}
