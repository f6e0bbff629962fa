//! The sparse registers: run lengths, changed in place with the very splits and joins that Redis makes, so that values
//! grow and become dense at the same elements.

use super::{HEADER_BYTES, HllError, REGISTERS, dense, to_dense};

const VALUE_MAX: u8 = 32;
const VALUE_RUN_MAX: usize = 4;
const SHORT_ZEROS_MAX: usize = 64;
/// How many runs from the one before the change on are looked at for joining.
const JOIN_LOOKS: usize = 5;

/// One run of equal registers.
#[derive(Clone, Copy)]
struct Run {
    value: u8,
    registers: usize,
    /// Bytes that encode it.
    bytes: usize,
}

/// The run encoded at `at`.
#[inline]
fn run_at(value: &[u8], at: usize) -> Result<Run, HllError> {
    let code = value[at];
    Ok(match code >> 6 {
        0 => Run { value: 0, registers: usize::from(code) + 1, bytes: 1 },
        1 => {
            let low = *value.get(at + 1).ok_or(HllError::Corrupt)?;
            Run { value: 0, registers: (usize::from(code & 63) << 8 | usize::from(low)) + 1, bytes: 2 }
        }
        _ => Run { value: (code >> 2 & 31) + 1, registers: usize::from(code & 3) + 1, bytes: 1 },
    })
}

fn value_run(value: u8, registers: usize) -> u8 {
    0x80 | (value - 1) << 2 | (registers - 1) as u8
}

/// Encodes a run of zeros, at most 16,384.
pub(super) fn push_zeros(out: &mut Vec<u8>, registers: usize) {
    let length = registers - 1;
    if registers > SHORT_ZEROS_MAX {
        out.extend_from_slice(&[0x40 | (length >> 8) as u8, length as u8]);
    } else {
        out.push(length as u8);
    }
}

/// Calls `visit` with value and length of each run; afterwards all registers have been visited, never more.
pub(super) fn for_each_run(value: &[u8], mut visit: impl FnMut(u8, usize)) -> Result<(), HllError> {
    let (mut at, mut registers) = (HEADER_BYTES, 0);
    while at < value.len() {
        let run = run_at(value, at)?;
        registers += run.registers;
        if registers > REGISTERS {
            return Err(HllError::Corrupt);
        }
        visit(run.value, run.registers);
        at += run.bytes;
    }
    if registers == REGISTERS { Ok(()) } else { Err(HllError::Corrupt) }
}

/// Where to begin looking for a register: lets a caller that raises registers in ascending order go through once.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    at: usize,
    first: usize,
}

impl Cursor {
    pub(super) fn start() -> Self {
        Cursor { at: HEADER_BYTES, first: 0 }
    }
}

/// Raises one register, at or behind the cursor; says whether it was lower. May make the value dense.
pub(super) fn raise(
    value: &mut Vec<u8>,
    cursor: &mut Cursor,
    index: usize,
    count: u8,
    max_bytes: usize,
) -> Result<bool, HllError> {
    if count > VALUE_MAX {
        return promote(value, index, count);
    }
    let Cursor { mut at, mut first } = *cursor;
    // The run before the one that holds the register, and the one before that.
    let mut previous = None;
    let run = loop {
        if at >= value.len() {
            return Err(HllError::Corrupt);
        }
        let run = run_at(value, at)?;
        if index < first + run.registers {
            break run;
        }
        if let Some(before) = previous.replace(Cursor { at, first }) {
            *cursor = before;
        }
        at += run.bytes;
        first += run.registers;
    };
    if run.value >= count {
        return Ok(false);
    }
    if run.registers == 1 && run.bytes == 1 {
        value[at] = value_run(count, 1);
    } else {
        let mut parts = Vec::with_capacity(5);
        let (front, back) = (index - first, first + run.registers - 1 - index);
        let part = |parts: &mut Vec<u8>, registers: usize| match (registers, run.value) {
            (0, _) => {}
            (_, 0) => push_zeros(parts, registers),
            (_, value) => parts.push(value_run(value, registers)),
        };
        part(&mut parts, front);
        parts.push(value_run(count, 1));
        part(&mut parts, back);
        if parts.len() > run.bytes && value.len() + parts.len() - run.bytes > max_bytes {
            return promote(value, index, count);
        }
        value.splice(at..at + run.bytes, parts);
    }
    join(value, previous.map_or(at, |previous| previous.at));
    Ok(true)
}

/// Joins neighbouring runs of the same value, looking at a few runs from `at` on.
fn join(value: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_LOOKS {
        let (Some(&code), next) = (value.get(at), value.get(at + 1)) else { return };
        if code >> 6 < 2 {
            at += 1 + usize::from(code >> 6 == 1);
            continue;
        }
        if let Some(&next) = next
            && next & 0x80 != 0
            && next & 0x7C == code & 0x7C
        {
            let registers = usize::from(code & 3) + usize::from(next & 3) + 2;
            if registers <= VALUE_RUN_MAX {
                value.remove(at);
                value[at] = value_run((code >> 2 & 31) + 1, registers);
                continue;
            }
        }
        at += 1;
    }
}

fn promote(value: &mut Vec<u8>, index: usize, count: u8) -> Result<bool, HllError> {
    to_dense(value)?;
    Ok(dense::raise(&mut value[HEADER_BYTES..], index, count))
}
