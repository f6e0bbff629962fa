//! Hostile bytes: readers that crash, hang, or take memory for what was only announced.
//!
//! Valid inputs are mutated at random: bits, bytes, pieces cut out, doubled, moved, numbers made huge. `COUNT` sets how many
//! inputs each reader gets, `SEED` replays a run; each input has a seed of its own, which a failure names. For hours of it:
//! `COUNT=10000000 cargo test --release --test tests fuzz`.

use super::client::{Client, encode};
use super::rng::{Rng, seed, setting};
use super::server::{Server, directory};
use basalt::log::{SegmentHeader, SegmentKind, read_command, scan};
use basalt::rdb::{self, Options, Reader, parse_dump};
use basalt::resp::{Args, Parsed, Parser, RequestLimits};
use basalt::storage::{Fs, Open, SimFs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Numbers that lengths are made of.
const NUMBERS: &[&[u8]] = &[
    b"0",
    b"1",
    b"-1",
    b"1048577",
    b"536870913",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551615",
    b"99999999999999999999",
    b"",
];

/// Changes an input in one to a few places.
fn mutate(rng: &mut Rng, input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..1 + rng.below(4) {
        let len = bytes.len() as u64;
        if len == 0 {
            return bytes;
        }
        let at = rng.below(len) as usize;
        let piece = (at + 1 + rng.below(40) as usize).min(bytes.len());
        match rng.below(9) {
            0 | 1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = rng.next() as u8,
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..piece)),
            5 => {
                let copy = bytes[at..piece].to_vec();
                let to = rng.below(len) as usize;
                bytes.splice(to..to, copy);
            }
            6 => bytes[at..piece].fill([0, 0xff, b'\r', b'\n', b'*', b'$'][rng.below(6) as usize]),
            7 => {
                // A number becomes another.
                let digit = bytes[at..].iter().position(u8::is_ascii_digit).map(|more| at + more);
                if let Some(start) = digit {
                    let end = bytes[start..].iter().position(|byte| !byte.is_ascii_digit());
                    let end = end.map_or(bytes.len(), |more| start + more);
                    let number = NUMBERS[rng.below(NUMBERS.len() as u64) as usize];
                    bytes.splice(start..end, number.iter().copied());
                }
            }
            _ => {
                // A binary length becomes a large one.
                let large = [0x80, rng.next() as u8, 0xff, rng.next() as u8, 0xff];
                bytes.splice(at..(at + 1).min(bytes.len()), large);
            }
        }
    }
    bytes
}

/// The most memory that this thread held during `run`, beyond what it held before, as the allocator counts it.
fn peak_bytes(run: impl FnOnce()) -> u64 {
    // SAFETY: `thread.peak.reset` takes and gives no value.
    let reset = unsafe {
        let (none, no_length) = (std::ptr::null_mut(), std::ptr::null_mut::<usize>());
        tikv_jemalloc_sys::mallctl(c"thread.peak.reset".as_ptr(), none, no_length, none, 0)
    };
    run();
    // SAFETY: `thread.peak.read` gives a u64.
    let peak = unsafe { tikv_jemalloc_ctl::raw::read::<u64>(b"thread.peak.read\0") };
    if reset == 0 { peak.unwrap_or(0) } else { 0 }
}

/// Gives `read` many inputs; it may refuse them all, and hold at most `factor` times their length and `slack` bytes.
fn hammer(inputs: &[Vec<u8>], (factor, slack): (u64, u64), read: impl Fn(&[u8])) {
    let (seed, count) = (seed(), setting("COUNT", 2_000));
    for number in 0..count {
        let mut rng = Rng::new(seed.wrapping_add(number));
        let input = rng.pick(inputs).clone();
        let bytes = mutate(&mut rng, &input);
        let mut held = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| held = peak_bytes(|| read(&bytes))));
        let limit = factor * bytes.len() as u64 + slack;
        if outcome.is_err() || held > limit {
            panic!(
                "SEED={} COUNT=1: {held} bytes held, {limit} allowed: {}",
                seed.wrapping_add(number),
                bytes.escape_ascii()
            );
        }
    }
}

fn request(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&line.split(' ').collect::<Vec<_>>(), &mut bytes);
    bytes
}

#[test]
fn r6_the_request_parser() {
    let inputs = [
        request("SET key value"),
        request("MSET a 1 b 2 c 3"),
        [request("PING"), request("GET x"), b"SET inline \"quo\\x41ted\"\r\n".to_vec()].concat(),
        b"*2\r\n$4\r\nECHO\r\n$10\r\n0123456789\r\nPING\r\n\r\n*0\r\n".to_vec(),
    ];
    let limits = RequestLimits::authenticated(512 << 20);
    hammer(&inputs, (2, 256 << 10), |bytes| {
        // Whole, and byte by byte: both must see the same requests.
        let whole = requests(bytes, bytes.len().max(1), &limits);
        let pieces = requests(bytes, 1, &limits);
        assert_eq!(whole, pieces);
    });
}

/// How many requests and words a parser finds in bytes that come `step` at a time.
fn requests(bytes: &[u8], step: usize, limits: &RequestLimits) -> (usize, usize, bool) {
    let mut parser = Parser::new();
    let (mut start, mut found, mut words) = (0, 0, 0);
    let mut end = 0;
    while end < bytes.len() {
        end = (end + step).min(bytes.len());
        loop {
            match parser.parse(&bytes[start..end], limits) {
                Ok(Parsed::Request(taken)) => {
                    found += 1;
                    let request = &bytes[start..start + taken];
                    words += Args::new(parser.buffer(request), parser.spans()).iter().map(<[u8]>::len).sum::<usize>();
                    start += taken;
                }
                Ok(Parsed::Empty(taken)) => start += taken,
                Ok(Parsed::Incomplete(_)) => break,
                Err(_) => return (found, words, true),
            }
            if start == end {
                break;
            }
        }
    }
    (found, words, false)
}

#[test]
fn r6_commands_of_a_log() {
    let inputs = [request("SET key value"), request("DEL a b c"), request("HSET h f 12345678901234567890")];
    hammer(&inputs, (20, 64 << 10), |bytes| {
        let (mut at, mut words) = (0, Vec::new());
        while let Ok(taken) = read_command(&bytes[at..], &mut words) {
            let args = Args::new(&bytes[at..], &words);
            assert!(args.iter().map(<[u8]>::len).sum::<usize>() < taken);
            at += taken;
        }
    });
}

#[test]
fn r6_frames_of_a_segment() {
    let header = SegmentHeader {
        kind: SegmentKind::Ordinary,
        core: 0,
        cores: 1,
        incarnation: 1,
        generation: 1,
        seq: 1,
        id: 2,
        seed: 3,
        size_bytes: 8192,
        block_bytes: 512,
        first_lsn_min: 1,
        created_ms: 5,
        relaxed: false,
        boot: 0,
    };
    let mut segment = vec![0; 8192];
    header.fill(&mut segment, 0);
    segment[..512].copy_from_slice(&header.encode());
    let payload = request("SET key value");
    let mut frame = vec![b'#'; 512];
    frame[240..240 + payload.len()].copy_from_slice(&payload);
    let sealed = basalt::log::FrameHeader {
        incarnation: 1,
        segment_id: 2,
        first_lsn: 1,
        count: 1,
        payload_bytes: payload.len() as u64,
        ..Default::default()
    };
    basalt::log::seal(&mut frame, &sealed, false, 3, 512);
    segment[512..1024].copy_from_slice(&frame);
    hammer(&[segment[..2048].to_vec(), segment], (10, 8 << 20), |bytes| {
        let fs = SimFs::new(1);
        let file = fs.open(Path::new("/x"), Open::Create).unwrap();
        file.write_at(bytes, 0, false).unwrap();
        if let Ok(header) = SegmentHeader::decode(bytes) {
            let found = scan(&*file, &header, None).unwrap();
            assert!(found.frames.len() <= 1, "no frame is made out of rot");
        }
    });
}

/// An RDB file with every type in it, and every payload of DUMP.
fn samples() -> (Vec<u8>, Vec<Vec<u8>>) {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 1 --appendonly no");
    let mut client = server.client();
    let long = "abcdefgh".repeat(50);
    let lines = [
        format!("SET string {long}"),
        "SET number 12345".into(),
        "SET expiring soon PX 100000000".into(),
        "RPUSH list 1 2 three -4 50000".into(),
        format!("RPUSH longlist {long} {long} b c"),
        "SADD intset 1 2 3".into(),
        "SADD set a b c 1".into(),
        format!("SADD largeset {long} b"),
        "HSET hash f v g 1".into(),
        format!("HSET largehash {long} v"),
        "ZADD zset 1 a 2.5 b".into(),
        format!("ZADD largezset 1 {long}"),
        "XADD stream 1-1 f v".into(),
        "XADD stream 2-1 f w g 3".into(),
        "XGROUP CREATE stream group 0".into(),
        "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream >".into(),
    ];
    lines.iter().for_each(|line| drop(client.say(line)));
    let keys = client.say("KEYS *").items();
    let payloads = keys.iter().filter_map(|key| match client.call(&["DUMP", &key.text()]) {
        super::client::Value::Bulk(bytes) => Some(bytes),
        _ => None,
    });
    let payloads: Vec<_> = payloads.collect();
    assert!(payloads.len() >= 12);
    client.expect("SAVE", "OK");
    (std::fs::read(dir.path().join("dump.rdb")).unwrap(), payloads)
}

#[test]
fn r6_rdb_files_and_restore_payloads() {
    let (file, payloads) = samples();
    // Without the checksum, so that what is behind it is reached; compressed strings may grow to 88 times their length.
    let options = Options { deep: true, checksum: false, ..Options::default() };
    hammer(&[file.clone(), file], (200, 2 << 20), |bytes| {
        let Ok(mut reader) = Reader::new(bytes, options) else { return };
        while let Ok(Some(item)) = reader.next_item() {
            if let rdb::Item::Key(record) = item {
                let _ = rdb::into_stored(record.value, &Default::default());
            }
        }
    });
    hammer(&payloads, (200, 2 << 20), |bytes| {
        let mut bytes = bytes.to_vec();
        // The checksum is made right again.
        if let Some(end) = bytes.len().checked_sub(8) {
            let crc = rdb::crc::checksum(&bytes[..end]);
            bytes[end..].copy_from_slice(&crc.to_le_bytes());
        }
        if let Ok(value) = parse_dump(&bytes) {
            let _ = rdb::into_stored(value, &Default::default());
        }
    });
}

#[test]
fn r6_command_sequences_at_a_server() {
    let (seed, count) = (seed(), setting("COUNT", 2_000) / 10);
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendfsync no");
    let (_, payloads) = samples();
    let words = [
        "SET",
        "GET",
        "APPEND",
        "SETRANGE",
        "GETRANGE",
        "BITFIELD",
        "INCRBY",
        "LPUSH",
        "RPOP",
        "LSET",
        "LINSERT",
        "LRANGE",
        "SADD",
        "SPOP",
        "SINTERSTORE",
        "HSET",
        "HINCRBY",
        "HRANDFIELD",
        "ZADD",
        "ZRANGE",
        "ZRANGESTORE",
        "XADD",
        "XTRIM",
        "XRANGE",
        "RENAME",
        "COPY",
        "EXPIRE",
        "SCAN",
        "MULTI",
        "EXEC",
        "a",
        "b",
        "{x}c",
        "0",
        "-1",
        "1",
        "9223372036854775807",
        "WITHSCORES",
        "BYSCORE",
        "LIMIT",
        "NX",
        "XX",
        "*",
        "MAXLEN",
        "~",
        "(1",
        "+inf",
        "1.5",
        "COUNT",
        "GEOADD",
        "SETBIT",
        "PFADD",
        "OBJECT",
        "ENCODING",
        "TYPE",
        "SORT",
        "EVAL",
        "RESTORE",
        "REPLACE",
    ];
    for number in 0..count {
        let mut rng = Rng::new(seed.wrapping_add(number));
        let mut bytes = Vec::new();
        for _ in 0..20 {
            let mut line: Vec<Vec<u8>> = vec![rng.pick(&words[..30]).as_bytes().to_vec()];
            line.extend((0..rng.below(7)).map(|_| rng.pick(&words).as_bytes().to_vec()));
            encode(&line, &mut bytes);
        }
        let valid = rng.pick(&payloads).clone();
        let mut payload = mutate(&mut rng, &valid);
        if let Some(end) = payload.len().checked_sub(8) {
            let crc = rdb::crc::checksum(&payload[..end]);
            payload[end..].copy_from_slice(&crc.to_le_bytes());
        }
        encode(&[&b"RESTORE"[..], b"restored", b"0", &payload, b"REPLACE"], &mut bytes);
        encode(&["DEBUG", "DIGEST"], &mut bytes);
        if rng.below(2) == 0 {
            bytes = mutate(&mut rng, &bytes);
        }
        let mut client = server.client();
        let _ = client.send_raw(&bytes);
        drop(client);
        let alive = Client::try_connect(server.port).and_then(|mut client| client.try_call(&["PING"]));
        if alive.is_err() {
            panic!("SEED={} COUNT=10 ends the server:\n{}", seed.wrapping_add(number), server.log());
        }
    }
    server.stop();
    // What was logged by then can be replayed.
    Server::start(dir.path(), "--cores 1").stop();
}
