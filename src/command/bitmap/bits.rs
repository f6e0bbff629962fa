//! Bits of byte strings. Bit 0 is the highest of the first byte.

/// A bit; 0 beyond the end.
pub fn get(bytes: &[u8], bit: u64) -> bool {
    bytes.get((bit / 8) as usize).is_some_and(|byte| byte >> (7 - bit % 8) & 1 == 1)
}

/// Sets or clears a bit, which must be there.
pub fn set(bytes: &mut [u8], bit: u64, on: bool) {
    let (byte, mask) = (&mut bytes[(bit / 8) as usize], 0x80 >> (bit % 8));
    *byte = if on { *byte | mask } else { *byte & !mask };
}

/// Number of ones.
pub fn ones(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let of_chunks: u64 = chunks.iter().map(|chunk| u64::from(u64::from_ne_bytes(*chunk).count_ones())).sum();
    of_chunks + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// Number of ones from bit `first` to bit `last`, both of which must be there.
pub fn ones_between(bytes: &[u8], first: u64, last: u64) -> u64 {
    let (head, tail) = ((first / 8) as usize, (last / 8) as usize);
    let before = u64::from((bytes[head] & !(0xff >> (first % 8))).count_ones());
    let behind = u64::from((bytes[tail] & !(0xff << (7 - last % 8)) as u8).count_ones());
    ones(&bytes[head..=tail]) - before - behind
}

/// The first bit that is `on`, from bit `first` to bit `last`, both of which must be there.
pub fn position(bytes: &[u8], on: bool, first: u64, last: u64) -> Option<u64> {
    let (head, tail) = ((first / 8) as usize, (last / 8) as usize);
    let wanted = |byte: u8| if on { byte } else { !byte };
    let in_head = wanted(bytes[head]) & 0xff >> (first % 8);
    let found = match in_head {
        0 => {
            let skipped = skip(&bytes[head + 1..=tail.max(head)], if on { 0 } else { 0xff });
            let at = head + 1 + skipped;
            if at > tail {
                return None;
            }
            8 * at as u64 + u64::from(wanted(bytes[at]).leading_zeros())
        }
        bits => 8 * head as u64 + u64::from(bits.leading_zeros()),
    };
    (found <= last).then_some(found)
}

/// Bytes at the start that equal `byte`.
fn skip(bytes: &[u8], byte: u8) -> usize {
    let (chunks, _) = bytes.as_chunks::<32>();
    let whole = chunks.iter().take_while(|chunk| **chunk == [byte; 32]).count() * 32;
    whole + bytes[whole..].iter().take_while(|&&other| other == byte).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_agree_with_looking_at_bit_after_bit() {
        let seed = match std::env::var("SEED") {
            Ok(text) => text.parse().expect("SEED is a number"),
            Err(_) => rand::random::<u64>(),
        };
        println!("SEED={seed}");
        let mut state = seed | 1;
        let mut below = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        for _ in 0..3000 {
            let filler = [0, 0xff, 0x55][below(3) as usize];
            let mut bytes = vec![filler; 1 + below(90) as usize];
            for _ in 0..below(3) {
                let bit = below(8 * bytes.len() as u64);
                let on = below(2) == 0;
                set(&mut bytes, bit, on);
                assert_eq!(get(&bytes, bit), on);
            }
            let first = below(8 * bytes.len() as u64);
            let last = first + below(8 * bytes.len() as u64 - first);
            let slow = (first..=last).filter(|&bit| get(&bytes, bit)).count() as u64;
            assert_eq!(ones_between(&bytes, first, last), slow, "{first} to {last} of {bytes:?}");
            for on in [false, true] {
                let slow = (first..=last).find(|&bit| get(&bytes, bit) == on);
                assert_eq!(position(&bytes, on, first, last), slow, "{on} from {first} to {last} of {bytes:?}");
            }
        }
    }
}
