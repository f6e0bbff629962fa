//! PFDEBUG and PFSELFTEST.

use super::pf::look;
use crate::command::expect::{Refused, refuse, string_to_write};
use crate::command::{Flow, answer};
use crate::net::Conn;
use crate::object::hll::{self, Registers};
use crate::resp::Args;
use crate::server::Core;
use crate::shard::{Cx, Found};
use std::fmt::Write;

/// Bytes before the registers.
const HEADER_BYTES: usize = 16;

/// `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`
pub fn pfdebug(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_pfdebug(cx, args);
}

fn try_pfdebug(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(2);
    let Some(found) = string_to_write(cx, key)? else {
        return refuse(cx, "ERR The specified key does not exist");
    };
    let dense = look(cx, found, |value| hll::check(value).map(|()| hll::is_dense(value)))?;
    let known = ["GETREG", "DECODE", "ENCODING", "TODENSE"].iter().any(|name| args.is(1, name));
    if known && args.len() != 3 {
        return refuse(cx, [b"ERR Wrong number of arguments for the '", args.at(1), b"' subcommand"].concat());
    }
    if args.is(1, "GETREG") {
        let found = to_dense(cx, key, found)?;
        let mut registers = Registers::new();
        look(cx, found, |value| registers.merge(value))?;
        cx.reply.array(hll::REGISTERS);
        registers.as_slice().iter().for_each(|&register| cx.reply.int(i64::from(register)));
    } else if args.is(1, "DECODE") {
        if dense {
            return refuse(cx, "ERR HLL encoding is not sparse");
        }
        let runs = look(cx, found, |value| Ok(spelled(&value[HEADER_BYTES..])))?;
        cx.reply.bulk(runs.as_bytes());
    } else if args.is(1, "ENCODING") {
        cx.reply.simple(if dense { "dense" } else { "sparse" });
    } else if args.is(1, "TODENSE") {
        to_dense(cx, key, found)?;
        cx.reply.int(!dense as i64);
    } else {
        return refuse(cx, [b"ERR Unknown PFDEBUG subcommand '", args.at(1), b"'"].concat());
    }
    Ok(())
}

/// Makes the value dense if it is not.
fn to_dense(cx: &mut Cx<'_>, key: &[u8], found: Found) -> Result<Found, Refused> {
    // Counting finds what is wrong with the registers before anything is changed.
    let dense = look(cx, found, |value| Registers::new().merge(value).map(|()| hll::is_dense(value)))?;
    if dense {
        return Ok(found);
    }
    let (found, changed) = cx.update_string(key, found, hll::to_dense);
    changed.expect("the registers were checked");
    cx.effect(&[b"PFDEBUG", b"TODENSE", key]);
    Ok(found)
}

/// The runs of a sparse value: `z:` and `Z:` with a length, `v:` with value and length.
fn spelled(mut runs: &[u8]) -> String {
    let mut text = String::new();
    while let [code, rest @ ..] = runs {
        runs = rest;
        let space = if text.is_empty() { "" } else { " " };
        let written = match (code >> 6, rest) {
            (0, _) => write!(text, "{space}z:{}", code + 1),
            (1, [low, rest @ ..]) => {
                runs = rest;
                write!(text, "{space}Z:{}", (u32::from(code & 63) << 8 | u32::from(*low)) + 1)
            }
            (1, []) => return text,
            _ => write!(text, "{space}v:{},{}", (code >> 2 & 31) + 1, (code & 3) + 1),
        };
        written.expect("a String takes all text");
    }
    text
}

/// `PFSELFTEST`
pub fn pfselftest(core: &mut Core, conn: &mut Conn, _args: Args<'_>) -> Flow {
    answer::result(core, conn, selftest().map_err(|text| format!("TESTFAILED {text}")))
}

/// Counts known numbers of elements: sparse and dense values must agree and be about right.
fn selftest() -> Result<(), String> {
    /// Elements added in all.
    const ELEMENTS: u64 = 10_000;
    /// Where the sparse value becomes dense.
    const SPARSE_BYTES_MAX: usize = 3000;
    /// Five times the standard error of 2^14 registers, 1.04 / 128.
    const ERROR_MAX: f64 = 5.0 * 1.04 / 128.0;
    let (mut sparse, mut dense) = (hll::new(), hll::new());
    hll::to_dense(&mut dense).map_err(|error| error.to_string())?;
    let mut check_at = 1;
    for number in 1..=ELEMENTS {
        for value in [&mut sparse, &mut dense] {
            hll::add(value, &number.to_le_bytes(), SPARSE_BYTES_MAX).map_err(|error| error.to_string())?;
        }
        if number == check_at {
            check_at *= 10;
            let counts = (hll::count(&sparse), hll::count(&dense));
            let (Ok(one), Ok(other)) = counts else { return Err("registers are corrupt".into()) };
            if one != other {
                return Err(format!("sparse registers count {one}, dense ones {other}"));
            }
            let error = one.abs_diff(number) as f64;
            // Small numbers are allowed one collision.
            if error > (number as f64 * ERROR_MAX).max(1.0) {
                return Err(format!("{number} elements are counted as {one}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_self_test_passes() {
        super::selftest().unwrap();
    }
}
