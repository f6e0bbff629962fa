use super::super::resolve;
use super::*;
use crate::resp::OwnedArgs;

/// The keys of a request written as one line, `-` for the empty word, or "error".
fn keys(line: &str) -> String {
    let owned = OwnedArgs::new(line.split(' ').map(|word| if word == "-" { "" } else { word }));
    let args = owned.as_args();
    let spec = resolve(args).unwrap();
    let mut found = Vec::new();
    match for_each_key(spec, args, |at, _| found.push(String::from_utf8(args.at(at).to_vec()).unwrap())) {
        Ok(count) => {
            assert_eq!(count, found.len());
            found.join(" ")
        }
        Err(KeysError) => "error".into(),
    }
}

#[test]
fn no_key_is_missed() {
    for (request, expected) in [
        ("get k", "k"),
        ("mget a b c", "a b c"),
        ("mset a 1 b 2", "a b"),
        ("blpop a b 0", "a b"),
        ("bitop and d a b", "d a b"),
        ("sinterstore d a b", "d a b"),
        ("pfmerge d", "d"),
        ("pfmerge d a b", "d a b"),
        ("lcs a b LEN", "a b"),
        ("object encoding k", "k"),
        ("memory usage k samples 5", "k"),
        ("xinfo stream k FULL", "k"),
        ("xgroup create k g $", "k"),
        ("ping", ""),
        ("eval x 2 a b c", "a b"),
        ("eval x 0 a", ""),
        ("eval x y", ""),
        ("fcall f 3 a", ""),
        ("zunion 2 a b weights 1 2", "a b"),
        ("zunionstore d 2 a b", "d a b"),
        ("blmpop 0 2 a b left", "a b"),
        ("bzmpop 0 1 a min count 5", "a"),
        ("sintercard 2 a b limit 1", "a b"),
        ("xread count 5 streams a b 0 0", "a b"),
        ("xread block 1 StReAmS a 0", "a"),
        ("xreadgroup group g c streams a b > >", "a b"),
        ("xreadgroup group streams c streams a >", "a"),
        ("sort k", "k"),
        ("sort k by x* get store store d", "k d"),
        ("sort k store d1 store d2", "k d2"),
        ("sort k limit store 1 alpha", "k"),
        ("sort_ro k get #", "k"),
        ("georadius k 1 2 3 m", "k"),
        ("georadius k 1 2 3 m asc store d", "k d"),
        ("georadius k 1 2 3 m storedist d1 store d2", "k d2"),
        ("georadiusbymember k store 3 m store d", "k d"),
        ("migrate h 1 k 0 0", "k"),
        ("migrate h 1 - 0 0 copy replace", ""),
        ("migrate h 1 - 0 0 keys", ""),
        ("migrate h 1 - 0 0 copy keys a b", "a b"),
        ("migrate h 1 - 0 0 auth keys keys a", "a"),
        ("migrate h 1 - 0 0 auth2 keys keys keys a", "a"),
    ] {
        assert_eq!(keys(request), expected, "{request}");
    }
}

#[test]
fn a_bad_number_of_keys_is_an_error_and_no_read_past_the_end() {
    for request in [
        "zunion 0 a",
        "zunion 3 a b",
        "zunion x a b",
        "zunion -1 a b",
        "zunion 99999999999999999999 a",
        "zunion 18446744073709551615 a",
        "lmpop 5 a left",
        "zunionstore d 5 a b",
        "xread count 5 block 5",
        "migrate h 1 k 0 0 keys a b",
    ] {
        assert_eq!(keys(request), "error", "{request}");
    }
}

#[test]
fn what_is_done_to_a_key_depends_on_the_arguments() {
    let flags = |line: &str| {
        let owned = OwnedArgs::new(line.split(' '));
        let mut last = KeyFlags(0);
        for_each_key(resolve(owned.as_args()).unwrap(), owned.as_args(), |_, flags| last = flags).unwrap();
        last
    };
    assert_eq!(flags("set k v"), REPLACES);
    assert_eq!(flags("set k get"), REPLACES);
    assert_eq!(flags("set k v ex 10 get"), CHANGES);
    assert_eq!(flags("bitfield k get u8 0 get u8 1"), READS);
    assert_eq!(flags("bitfield k get u8 0 set u8 1 2"), CHANGES);
    assert_eq!(flags("sort k store d"), REPLACES);
}

#[test]
fn shard_channels_are_found_and_are_no_keys() {
    let owned = OwnedArgs::new(["ssubscribe", "a", "b"]);
    let spec = resolve(owned.as_args()).unwrap();
    let mut found = Vec::new();
    assert_eq!(for_each_channel(spec, owned.as_args(), |at| found.push(at)), 2);
    assert_eq!(found, [1, 2]);
    assert_eq!(for_each_key(spec, owned.as_args(), |_, _| panic!("a channel taken for a key")), Ok(0));
    assert!(!spec.has_keys() && spec.simple_range().is_none());
}

#[test]
fn the_short_cut_finds_the_same_keys() {
    for spec in super::super::COMMANDS.iter().chain(&super::super::SUBCOMMANDS) {
        let Some((first, last, step)) = spec.simple_range() else { continue };
        let least = spec.arity.unsigned_abs() as usize;
        let counts = if spec.arity < 0 { least..least + 8 } else { least..least + 1 };
        for count in counts {
            let words = (0..count).map(|at| match (at, spec.name.split_once('|')) {
                (0, Some((container, _))) => container.to_owned(),
                (1, Some((_, own))) => own.to_owned(),
                (0, None) => spec.name.to_owned(),
                _ => format!("w{at}"),
            });
            let owned = OwnedArgs::new(words);
            let mut found = Vec::new();
            for_each_key(spec, owned.as_args(), |at, _| found.push(at)).unwrap();
            let last = if last >= 0 { last as usize } else { (count as i64 + i64::from(last)) as usize };
            let expected: Vec<usize> = (first as usize..=last).step_by(step as usize).collect();
            assert_eq!(found, expected, "{} with {count} words", spec.name);
        }
    }
}

#[test]
fn no_request_makes_it_look_past_the_end() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1u64);
    println!("SEED={seed}");
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let words = [
        "",
        "a",
        "0",
        "1",
        "2",
        "7",
        "-1",
        "4294967296",
        "18446744073709551615",
        "get",
        "store",
        "limit",
        "keys",
        "auth2",
        "streams",
    ];
    for _ in 0..50_000 {
        let ids = super::super::TOTAL;
        let spec = super::super::CommandId(random(ids) as u16).spec();
        let mut owned = OwnedArgs::new(spec.name.split('|'));
        let least = spec.arity.unsigned_abs() as usize;
        let count = if spec.arity < 0 { least + random(6) } else { least };
        while owned.as_args().len() < count {
            owned.push(words[random(words.len())].as_bytes());
        }
        let mut found = 0;
        let result = for_each_key(spec, owned.as_args(), |at, _| {
            assert!((1..count).contains(&at), "{} found key {at} of {count}, SEED={seed}", spec.name);
            found += 1;
        });
        if let Ok(reported) = result {
            assert_eq!(reported, found, "{}", spec.name);
        }
    }
}
