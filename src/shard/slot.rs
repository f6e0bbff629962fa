//! From a key to its slot and its core: `CRC16(key) mod 16384` with the `{hash tag}` rule of Redis Cluster
//! (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>), and contiguous slots per core.

/// Number of slots.
pub const SLOTS: usize = 16384;

/// CRC-16/XMODEM, one byte at a time.
const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The slot of a key, of the part in braces if there is one that is not empty.
#[inline]
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = match memchr::memchr(b'{', key) {
        None => key,
        Some(open) => match memchr::memchr(b'}', &key[open + 1..]) {
            Some(len) if len > 0 => &key[open + 1..][..len],
            _ => key,
        },
    };
    let crc = tag.iter().fold(0u16, |crc, &byte| crc << 8 ^ TABLE[(crc >> 8 ^ byte as u16) as usize]);
    crc % SLOTS as u16
}

/// The core that owns a slot.
#[inline]
pub fn core_of_slot(slot: u16, cores: usize) -> usize {
    slot as usize * cores / SLOTS
}

/// The core that owns a key.
#[inline]
pub fn core_of_key(key: &[u8], cores: usize) -> usize {
    if cores == 1 { 0 } else { core_of_slot(slot_of(key), cores) }
}

/// The slots of a core: first and last.
pub fn slots_of_core(core: usize, cores: usize) -> (u16, u16) {
    let first = |core: usize| (core * SLOTS).div_ceil(cores);
    (first(core) as u16, (first(core + 1) - 1) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis_cluster() {
        assert_eq!(slot_of(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"foo"), 12182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(slot_of(b"foo{}{bar}"), slot_of(b"foo{}{bar}"));
        assert_ne!(slot_of(b"foo{}{bar}"), slot_of(b"bar"));
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
    }

    #[test]
    fn every_slot_has_one_core_and_every_core_its_range() {
        for cores in [1, 2, 3, 4, 7, 64, 256] {
            for core in 0..cores {
                let (first, last) = slots_of_core(core, cores);
                assert!((first..=last).all(|slot| core_of_slot(slot, cores) == core));
                assert!(first == 0 || core_of_slot(first - 1, cores) == core - 1);
            }
            assert_eq!(slots_of_core(cores - 1, cores).1 as usize, SLOTS - 1);
        }
    }
}
