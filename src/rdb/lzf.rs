//! LZF, the compression of RDB strings: own compressor with a table that is kept, crate `lzf` behind a guard to
//! decompress.
//!
//! ```text
//! 000lllll, then l+1 bytes               literal run of 1–32 bytes
//! lllooooo oooooooo                      copy of l+2 bytes (l = 1–6) from o+1 bytes back
//! 111ooooo llllllll oooooooo             copy of l+9 bytes (9–264)
//! ```

const TABLE_BITS: u32 = 14;
const LITERALS_MAX: usize = 32;
const MATCH_MAX: usize = 264;
const DISTANCE_MAX: u32 = 8192;
/// Three bytes of a copy give at most 264 bytes.
const RATIO_MAX: u64 = 88;
/// The decompressing crate counts in `i32`.
const OUTPUT_MAX: u64 = i32::MAX as u64;

/// The compressor of one core: 64 KiB of table and a scratch buffer, never cleared between calls.
pub struct Compressor {
    /// Where three bytes with this hash were last seen: `base` of that call plus the position in its input.
    table: Box<[u32]>,
    /// What entries of earlier calls lie below.
    base: u32,
    output: Vec<u8>,
}

impl Compressor {
    /// A compressor with an empty table.
    pub fn new() -> Self {
        Compressor { table: vec![0; 1 << TABLE_BITS].into_boxed_slice(), base: 1, output: Vec::new() }
    }

    /// The compressed form of `input`, if it is at least four bytes shorter: else it is not worth its header.
    pub fn compress(&mut self, input: &[u8]) -> Option<&[u8]> {
        let limit = input.len().checked_sub(4).filter(|limit| *limit > 0)?;
        let input_len = u32::try_from(input.len()).ok().filter(|len| *len < u32::MAX / 2)?;
        if self.base > u32::MAX - input_len - 1 {
            self.table.fill(0);
            self.base = 1;
        }
        let base = self.base;
        self.base += input_len;
        self.output.clear();
        compress_into(input, limit, base, &mut self.table, &mut self.output).then_some(&self.output[..])
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn three(input: &[u8], at: usize) -> u32 {
    u32::from(input[at]) << 16 | u32::from(input[at + 1]) << 8 | u32::from(input[at + 2])
}

#[inline]
fn slot(three: u32) -> usize {
    (three.wrapping_mul(0x9E37_79B1) >> (32 - TABLE_BITS)) as usize
}

/// Says whether the output stayed within `limit`.
fn compress_into(input: &[u8], limit: usize, base: u32, table: &mut [u32], output: &mut Vec<u8>) -> bool {
    let mut literals_from = 0;
    let mut at = 0;
    while at + 3 <= input.len() {
        let bytes = three(input, at);
        let entry = &mut table[slot(bytes)];
        let here = base + at as u32;
        let seen = std::mem::replace(entry, here);
        // Below base: left by an earlier call (or never set).
        let distance = here - seen;
        if seen < base || distance > DISTANCE_MAX || three(input, (seen - base) as usize) != bytes {
            // The longer nothing was found, the longer the steps: noise is passed over quickly.
            at += 1 + (at - literals_from) / 64;
            // Give up early on what does not compress: the literals alone already break the limit.
            if at - literals_from + output.len() > limit {
                return false;
            }
            continue;
        }
        let from = (seen - base) as usize;
        let longest = (input.len() - at).min(MATCH_MAX);
        let len = 3 + input[at + 3..at + longest].iter().zip(&input[from + 3..]).take_while(|(a, b)| a == b).count();
        push_literals(output, &input[literals_from..at]);
        let offset = distance as usize - 1;
        let code = len - 2;
        if code < 7 {
            output.push((code << 5 | offset >> 8) as u8);
        } else {
            output.extend_from_slice(&[(7 << 5 | offset >> 8) as u8, (code - 7) as u8]);
        }
        output.push(offset as u8);
        if output.len() > limit {
            return false;
        }
        // The table learns the match's last two positions: enough to find a run's continuation.
        at += len;
        for position in at - 2..at {
            if position + 3 <= input.len() {
                table[slot(three(input, position))] = base + position as u32;
            }
        }
        literals_from = at;
    }
    push_literals(output, &input[literals_from..]);
    output.len() <= limit
}

fn push_literals(output: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERALS_MAX) {
        output.push(run.len() as u8 - 1);
        output.extend_from_slice(run);
    }
}

/// Why compressed bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LzfError {
    /// No compressed form of this length can give so many bytes, or it is more than this format's readers handle.
    #[error("{compressed} LZF bytes cannot hold {announced} bytes")]
    Announced {
        /// Length of the compressed bytes.
        compressed: u64,
        /// Announced length of the output.
        announced: u64,
    },
    /// The bytes do not decompress to the announced length.
    #[error("LZF bytes are corrupt")]
    Corrupt,
}

/// Refuses announced lengths that cannot be, before anything is read or allocated for them.
pub fn check_announced(compressed: u64, announced: u64) -> Result<(), LzfError> {
    if announced == 0 || announced > compressed.saturating_mul(RATIO_MAX) || announced > OUTPUT_MAX {
        return Err(LzfError::Announced { compressed, announced });
    }
    Ok(())
}

/// The `announced` bytes that `compressed` stands for.
pub fn decompress(compressed: &[u8], announced: u64) -> Result<Vec<u8>, LzfError> {
    check_announced(compressed.len() as u64, announced)?;
    match lzf::decompress(compressed, announced as usize) {
        Ok(bytes) if bytes.len() as u64 == announced => Ok(bytes),
        _ => Err(LzfError::Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn whatever_is_compressed_comes_back() {
        let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
        eprintln!("SEED={seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let mut compressor = Compressor::new();
        // Start near the wrap so that the table's restart is crossed.
        compressor.base = u32::MAX - 1_000_000;
        let mut compressed_some = 0;
        for _ in 0..2000 {
            let len_max = [8, 70, 600, 20_000][rng.random_range(0..4)];
            let len = rng.random_range(0..len_max);
            let letters = [1u32, 2, 5, 20, 256][rng.random_range(0..5)];
            let input: Vec<u8> = (0..len).map(|_| rng.random_range(0..letters) as u8).collect();
            if let Some(compressed) = compressor.compress(&input) {
                assert!(compressed.len() + 4 <= input.len());
                assert_eq!(decompress(compressed, input.len() as u64).as_deref(), Ok(&input[..]));
                compressed_some += 1;
            }
        }
        assert!(compressed_some > 500);
    }

    #[test]
    fn a_run_takes_three_bytes_per_match() {
        let mut compressor = Compressor::new();
        let input = vec![b'a'; 1 + 264 * 4];
        assert_eq!(compressor.compress(&input).map(<[u8]>::len), Some(2 + 3 * 4));
        let text = b"the quick brown fox, the quick brown dog, the quick brown cat";
        assert!(compressor.compress(text).is_some_and(|c| c.len() < 45));
        assert_eq!(compressor.compress(b"abcd"), None);
    }

    #[test]
    fn an_announced_length_beyond_the_possible_allocates_nothing() {
        assert_eq!(decompress(&[0, 0], 177), Err(LzfError::Announced { compressed: 2, announced: 177 }));
        assert_eq!(
            check_announced(u64::MAX, u64::MAX),
            Err(LzfError::Announced { compressed: u64::MAX, announced: u64::MAX })
        );
        assert_eq!(decompress(&[0, b'x'], 2), Err(LzfError::Corrupt));
        assert_eq!(decompress(&[5, b'x'], 2), Err(LzfError::Corrupt));
        assert_eq!(decompress(&[0x20, 0], 3), Err(LzfError::Corrupt));
        assert_eq!(decompress(&[0, b'x'], 1), Ok(vec![b'x']));
    }
}
