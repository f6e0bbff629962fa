//! The request parser: whole and in pieces it must see the same requests, and none must reach beyond what came.
#![no_main]

use basalt::resp::{Args, Parsed, Parser, RequestLimits};
use libfuzzer_sys::fuzz_target;

type Requests = Vec<Vec<Vec<u8>>>;

/// The requests in bytes that come `step` at a time, and whether the last of them is an error.
fn read(bytes: &[u8], step: usize, limits: &RequestLimits) -> (Requests, bool) {
    let mut parser = Parser::new();
    let (mut start, mut end, mut found) = (0, 0, Vec::new());
    while end < bytes.len() {
        end = (end + step).min(bytes.len());
        while start < end {
            match parser.parse(&bytes[start..end], limits) {
                Ok(Parsed::Request(taken)) => {
                    let request = &bytes[start..start + taken];
                    let args = Args::new(parser.buffer(request), parser.spans());
                    found.push(args.iter().map(<[u8]>::to_vec).collect());
                    start += taken;
                }
                Ok(Parsed::Empty(taken)) => start += taken,
                Ok(Parsed::Incomplete(_)) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, bytes)) = input.split_first() else { return };
    let limits = if first & 1 == 0 { RequestLimits::authenticated(1 << 20) } else { RequestLimits::unauthenticated() };
    let step = 1 + usize::from(first >> 1);
    assert_eq!(read(bytes, bytes.len().max(1), &limits), read(bytes, step, &limits));
});
