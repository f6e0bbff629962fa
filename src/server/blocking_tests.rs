//! Who waits for keys, who is served, and in which order.

use super::blocking::parse_timeout;
use super::testing::Rig;

/// A key of each core of a rig with three, and another of the first's.
fn keys() -> [String; 4] {
    let of_core = |core: usize, skip: usize| {
        let keys = (0..).map(|number| format!("k{number}"));
        keys.filter(|key| crate::shard::slot::core_of_key(key.as_bytes(), 3) == core).nth(skip).unwrap()
    };
    [of_core(0, 0), of_core(1, 0), of_core(2, 0), of_core(0, 1)]
}

fn bulk(text: &str) -> String {
    format!("${} {text}", text.len())
}

#[test]
fn who_waits_for_a_key_is_served_before_anyone_else_in_order_of_arrival() {
    let mut rig = Rig::new(3, &[]);
    for key in keys() {
        let (first, second, pusher) = (rig.connect(0), rig.connect(1), rig.connect(0));
        assert_eq!(rig.ask(first, &format!("BLPOP {key} 0")), "");
        assert_eq!(rig.ask(second, &format!("BLPOP {key} 0")), "");
        assert_eq!(rig.ask(pusher, &format!("RPUSH {key} 1")), ":1");
        assert_eq!(rig.ask(pusher, &format!("EXISTS {key}")), ":0");
        assert_eq!(rig.take(first), format!("*2 {} $1 1", bulk(&key)));
        assert_eq!(rig.take(second), "");
        assert_eq!(rig.ask(pusher, &format!("RPUSH {key} 2 3")), ":2");
        assert_eq!(rig.take(second), format!("*2 {} $1 2", bulk(&key)));
        assert_eq!(rig.ask(pusher, &format!("LPOP {key}")), "$1 3");
    }
}

#[test]
fn one_of_several_keys_is_enough_wherever_they_live() {
    let mut rig = Rig::new(3, &[]);
    let all = keys();
    let (waiting, pusher) = (rig.connect(1), rig.connect(0));
    for key in &all {
        assert_eq!(rig.ask(waiting, &format!("BRPOP {} 0", all.join(" "))), "");
        assert_eq!(rig.ask(pusher, &format!("RPUSH {key} 1")), ":1");
        assert_eq!(rig.take(waiting), format!("*2 {} $1 1", bulk(key)));
        assert_eq!(rig.ask(pusher, &format!("EXISTS {}", all.join(" "))), ":0");
        for other in &all {
            if other == key {
                continue;
            }
            assert_eq!(rig.ask(waiting, &format!("BLMOVE {key} {other} LEFT LEFT 0")), "");
            assert_eq!(rig.ask(pusher, &format!("RPUSH {key} 1")), ":1");
            assert_eq!(rig.take(waiting), "$1 1");
            assert_eq!(rig.ask(pusher, &format!("LPOP {other}")), "$1 1");
        }
    }
    (0..3).for_each(|core| rig.with(core, |core| assert!(core.shard.waiting.is_empty() && core.blocked.is_empty())));
}

#[test]
fn a_wait_ends_with_its_time_its_client_or_an_unblock_and_takes_nothing_then() {
    let mut rig = Rig::new(3, &[]);
    let all = keys();
    for wanted in [all[1].clone(), all.join(" ")] {
        let (waiting, other) = (rig.connect(0), rig.connect(0));
        let id: u64 = rig.ask(waiting, "CLIENT ID").trim_start_matches(':').parse().unwrap();
        assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 0")), "");
        assert_eq!(rig.ask(other, &format!("CLIENT UNBLOCK {id}")), ":1");
        assert_eq!(rig.take(waiting), "*-1");
        assert_eq!(rig.ask(other, &format!("CLIENT UNBLOCK {id}")), ":0");
        assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 0")), "");
        assert_eq!(rig.ask(other, &format!("CLIENT UNBLOCK {id} ERROR")), ":1");
        assert_eq!(rig.take(waiting), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
        assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 100000")), "");
        rig.with(0, |core| core.cron());
        assert_eq!(rig.take(waiting), "");
        rig.with(0, |core| assert!(core.next_deadline_ms().is_some_and(|at| at > core.now_ms + 90_000_000)));
        rig.with(0, |core| core.end_waits(|one| one.deadline_ms < u64::MAX));
        assert_eq!(rig.take(waiting), "*-1");
        assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 0")), "");
        rig.disconnect(waiting);
        assert_eq!(rig.ask(other, &format!("RPUSH {} 1", all[1])), ":1");
        assert_eq!(rig.ask(other, &format!("LPOP {}", all[1])), "$1 1");
    }
    (0..3).for_each(|core| rig.with(core, |core| assert!(core.shard.waiting.is_empty() && core.blocked.is_empty())));
}

#[test]
fn a_transaction_waits_for_nothing_and_wakes_others_when_it_is_over() {
    let mut rig = Rig::new(3, &[]);
    let all = keys();
    let (waiting, other) = (rig.connect(0), rig.connect(0));
    assert_eq!(rig.ask(waiting, &format!("BLPOP {} 0", all[1])), "");
    for line in ["MULTI", &format!("BLPOP {} 0", all[0]), &format!("RPUSH {} 1", all[1]), &format!("LLEN {}", all[1])] {
        rig.ask(other, line);
    }
    rig.ask(other, &format!("RPUSH {} 1", all[2]));
    assert_eq!(rig.ask(other, "EXEC"), "*4 *-1 :1 :1 :1");
    assert_eq!(rig.take(waiting), format!("*2 {} $1 1", bulk(&all[1])));
}

#[test]
fn another_type_under_the_key_does_not_end_a_wait() {
    let mut rig = Rig::new(1, &[]);
    let (waiting, other) = (rig.connect(0), rig.connect(0));
    assert_eq!(rig.ask(waiting, "BLPOP k 0"), "");
    assert_eq!(rig.ask(other, "SET k v"), "+OK");
    assert_eq!(rig.take(waiting), "");
    assert_eq!(rig.ask(other, "RPUSH l 1"), ":1");
    assert_eq!(rig.ask(other, "RENAME l k"), "+OK");
    assert_eq!(rig.take(waiting), "*2 $1 k $1 1");
}

#[test]
fn who_is_woken_for_nothing_keeps_the_place_in_line() {
    let mut rig = Rig::new(3, &[]);
    let [a, b, ..] = keys();
    let (first, second, pusher) = (rig.connect(2), rig.connect(1), rig.connect(1));
    rig.ask(first, &format!("BLPOP {a} {b} 0"));
    rig.ask(second, &format!("BLPOP {b} 0"));
    for _ in 0..3 {
        // What was pushed is gone again before the first one, which has keys on two cores, can look: a transaction is held
        // up by nothing that is kept.
        for words in [["RPUSH", &b, "x"].as_slice(), &["MULTI"], &["LPOP", &b], &["EXEC"]] {
            rig.send(pusher, words);
        }
        assert_eq!(rig.take(pusher), ":1 +OK +QUEUED *1 $1 x");
    }
    assert_eq!((rig.take(first), rig.take(second)), (String::new(), String::new()));
    assert_eq!(rig.ask(pusher, &format!("RPUSH {b} 1 2")), ":2");
    assert_eq!(rig.take(first), format!("*2 {} $1 1", bulk(&b)));
    assert_eq!(rig.take(second), format!("*2 {} $1 2", bulk(&b)));
}

#[test]
fn each_waits_for_its_own_type() {
    let mut rig = Rig::new(3, &[]);
    for key in keys() {
        let (list, zset, other) = (rig.connect(0), rig.connect(0), rig.connect(0));
        rig.ask(list, &format!("BLPOP {key} 0"));
        rig.ask(zset, &format!("BZPOPMIN {key} 0"));
        assert_eq!(rig.ask(other, &format!("ZADD {key} 1 m")), ":1");
        assert_eq!(rig.take(zset), format!("*3 {} $1 m $1 1", bulk(&key)));
        assert_eq!(rig.take(list), "");
        assert_eq!(rig.ask(other, &format!("RPUSH {key} 1")), ":1");
        assert_eq!(rig.take(list), format!("*2 {} $1 1", bulk(&key)));
    }
}

#[test]
fn readers_of_streams_get_what_comes_after_they_began_to_wait() {
    let mut rig = Rig::new(3, &[]);
    let all = keys();
    let other = rig.connect(0);
    for key in &all {
        rig.ask(other, &format!("XADD {key} 5-1 f old"));
    }
    for wanted in [all[1..2].to_vec(), all.to_vec()] {
        let (one, two) = (rig.connect(0), rig.connect(1));
        let ids = vec!["$"; wanted.len()].join(" ");
        for waiting in [one, two] {
            assert_eq!(rig.ask(waiting, &format!("XREAD COUNT 9 BLOCK 0 STREAMS {} {ids}", wanted.join(" "))), "");
        }
        // Another key, and another change of this one: nothing for them.
        rig.ask(other, &format!("XDEL {} 5-1", all[1]));
        assert_eq!(rig.take(one), "");
        let id = rig.ask(other, &format!("XADD {} * f new", all[1]));
        let entry = format!("*1 *2 {} *1 *2 {id} *2 $1 f $3 new", bulk(&all[1]));
        assert_eq!(rig.take(one), entry);
        assert_eq!(rig.take(two), entry);
    }
    let waiting = rig.connect(0);
    rig.ask(other, "DEL none");
    assert_eq!(rig.ask(waiting, "XREAD BLOCK 0 STREAMS none +"), "");
    rig.ask(other, "XADD none 7-7 f v");
    assert_eq!(rig.take(waiting), "*1 *2 $4 none *1 *2 $3 7-7 *2 $1 f $1 v");
    (0..3).for_each(|core| rig.with(core, |core| assert!(core.shard.waiting.is_empty() && core.blocked.is_empty())));
}

#[test]
fn what_came_for_one_who_waits_on_several_cores_is_not_taken_by_who_comes_meanwhile() {
    let mut rig = Rig::new(3, &[]);
    let all = keys();
    for key in &all {
        let (first, second, other) = (rig.connect(2), rig.connect(1), rig.connect(0));
        assert_eq!(rig.ask(first, &format!("BLPOP {} 0", all.join(" "))), "");
        assert_eq!(rig.ask(second, &format!("BLPOP {} 0", all.join(" "))), "");
        for words in [["RPUSH", key, "1"].as_slice(), &["LPOP", key], &["RPUSH", key, "2"], &["LPOP", key]] {
            rig.send(other, words);
        }
        rig.settle();
        assert_eq!(rig.take(first), format!("*2 {} $1 1", bulk(key)));
        assert_eq!(rig.take(second), format!("*2 {} $1 2", bulk(key)));
        assert_eq!(rig.take(other), ":1 $-1 :1 $-1");
        (0..3).for_each(|core| rig.with(core, |core| assert!(core.locks.is_empty())));
    }
}

#[test]
fn every_element_reaches_exactly_one_client_whoever_waits_pops_and_leaves() {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut rig = Rig::new(3, &[]);
    let all = keys();
    let clients: Vec<_> = (0..12).map(|number| rig.connect(number % 3)).collect();
    let mut pushed = 0;
    for _ in 0..3000 {
        let at = random.random_range(0..clients.len());
        let key = all[random.random_range(0..all.len())].as_str();
        let mut several: Vec<&str> = all.iter().map(String::as_str).collect();
        several.rotate_left(random.random_range(0..all.len()));
        several.truncate(random.random_range(1..=all.len()));
        let number = format!("<{pushed}>");
        match random.random_range(0..10) {
            0..4 => {
                rig.send(clients[at], &["RPUSH", key, &number]);
                pushed += 1;
            }
            4..6 => rig.send(clients[at], &["LPOP", key]),
            6 => rig.send(clients[at], &["LMPOP", "1", key, "RIGHT"]),
            7 => rig.send(clients[at], &[&["BLPOP"], &several[..], &["0"]].concat()),
            8 => {
                rig.send(clients[at], &[&["BLMPOP", "0", &several.len().to_string()], &several[..], &["LEFT"]].concat())
            }
            _ => {
                for lines in [["MULTI"].as_slice(), &["RPOP", key], &["EXEC"]] {
                    rig.send(clients[at], lines);
                }
            }
        }
        for _ in 0..random.random_range(0..4) {
            rig.pass();
        }
    }
    // Whoever still waits is served, one by one, and what came behind in its pipeline runs.
    let last = rig.connect(0);
    for round in 0.. {
        rig.settle();
        if rig.ask(last, "INFO clients").contains("blocked_clients:0") {
            break;
        }
        assert!(round < 4000, "somebody waits for ever");
        rig.ask(last, &format!("RPUSH {} <{pushed}>", all[round % all.len()]));
        pushed += 1;
    }
    let mut got: String = clients.iter().map(|&client| rig.take(client)).collect();
    for key in &all {
        got.push_str(&rig.ask(last, &format!("LRANGE {key} 0 -1")));
    }
    for number in 0..pushed {
        assert_eq!(got.matches(&format!("<{number}>")).count(), 1, "SEED={seed}: {number}");
    }
    (0..3).for_each(|core| rig.with(core, |core| assert!(core.locks.is_empty() && core.shard.waiting.is_empty())));
}

#[test]
fn a_transaction_over_two_cores_reaches_a_reader_whole() {
    let mut rig = Rig::new(3, &[]);
    let [a, b, ..] = keys();
    let (waiting, other) = (rig.connect(2), rig.connect(0));
    assert_eq!(rig.ask(waiting, &format!("XREAD BLOCK 0 STREAMS {a} {b} $ $")), "");
    for line in ["MULTI", &format!("XADD {a} 1-1 f v"), &format!("XADD {b} 1-1 f v"), "EXEC"] {
        rig.ask(other, line);
    }
    let entry = "*1 *2 $3 1-1 *2 $1 f $1 v";
    assert_eq!(rig.take(waiting), format!("*2 *2 {} {entry} *2 {} {entry}", bulk(&a), bulk(&b)));
}

#[test]
fn a_group_that_goes_ends_the_waits_for_it() {
    let mut rig = Rig::new(3, &[]);
    let all = keys();
    let no_group =
        |key: &str| format!("-NOGROUP No such key '{key}' or consumer group 'g' in XREADGROUP with GROUP option");
    let wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    let other = rig.connect(0);
    for wanted in [vec![all[1].clone()], all[..3].to_vec()] {
        let key = all[1].clone();
        let ends: Vec<(Vec<String>, String)> = vec![
            (vec![format!("XADD {key} 9-9 f v")], String::new()),
            (vec![format!("DEL {key}")], no_group(&key)),
            (vec![format!("SET {key} v")], wrong_type.into()),
            (vec![format!("XGROUP DESTROY {key} g")], no_group(&key)),
            (vec!["FLUSHALL".into()], String::from("-NOGROUP")),
        ];
        for (lines, end) in ends {
            rig.ask(other, &format!("DEL {}", all.join(" ")));
            for key in &wanted {
                rig.ask(other, &format!("XGROUP CREATE {key} g $ MKSTREAM"));
            }
            let waiting = rig.connect(2);
            let ids = vec![">"; wanted.len()].join(" ");
            let request = format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {} {ids}", wanted.join(" "));
            assert_eq!(rig.ask(waiting, &request), "");
            lines.iter().for_each(|line| drop(rig.ask(other, line)));
            let reply = rig.take(waiting);
            match end.as_str() {
                "" => assert_eq!(reply, format!("*1 *2 {} *1 *2 $3 9-9 *2 $1 f $1 v", bulk(&key))),
                "-NOGROUP" => assert!(reply.starts_with(&end), "{reply}"),
                end => assert_eq!(reply, end, "{lines:?}"),
            }
        }
    }
}

#[test]
fn keys_that_come_into_being_in_any_way_wake_who_waits_for_them() {
    let mut rig = Rig::new(3, &[]);
    let all = keys();
    for (index, line) in
        ["RENAME src KEY", "COPY src KEY", "SORT src STORE KEY", "LMOVE src KEY LEFT LEFT", "SWAPDB 0 1", "MOVE KEY 0"]
            .iter()
            .enumerate()
    {
        for wanted in [all[1].clone(), all[1..3].join(" ")] {
            let (waiting, other) = (rig.connect(0), rig.connect(0));
            rig.ask(other, "FLUSHALL");
            rig.ask(other, "RPUSH src 1");
            assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 0")), "", "{line}");
            if index >= 4 {
                rig.ask(other, "SELECT 1");
                rig.ask(other, &format!("RPUSH {} 1", all[1]));
            }
            rig.ask(other, &line.replace("KEY", &all[1]));
            assert_eq!(rig.take(waiting), format!("*2 {} $1 1", bulk(&all[1])), "{line}");
        }
    }
}

#[test]
fn in_a_transaction_no_stream_is_waited_for() {
    let mut rig = Rig::new(3, &[]);
    let all = keys();
    let client = rig.connect(0);
    rig.ask(client, "MULTI");
    rig.ask(client, &format!("XREAD BLOCK 0 STREAMS {} $ $ $ $", all.join(" ")));
    rig.ask(client, &format!("XREAD BLOCK 0 STREAMS {} $", all[1]));
    assert_eq!(rig.ask(client, "EXEC"), "*2 *-1 *-1");
    assert_eq!(rig.ask(client, &format!("XREAD STREAMS {} $ $ $ $", all.join(" "))), "*-1");
    assert_eq!(rig.ask(client, &format!("XREAD BLOCK -1 STREAMS {} $", all[1])), "-ERR timeout is negative");
}

#[test]
fn timeouts_are_decimal_seconds() {
    let bad = Err("ERR timeout is not a float or out of range");
    assert_eq!(parse_timeout(b"0"), Ok(None));
    assert_eq!(parse_timeout(b"1.5"), Ok(Some(1500)));
    assert_eq!(parse_timeout(b"0.0001"), Ok(Some(1)));
    assert_eq!(parse_timeout(b"0x10"), Ok(Some(16_000)));
    assert_eq!(parse_timeout(b"0x7FFFFFFFFFFFFFFF"), Err("ERR timeout is out of range"));
    assert_eq!(parse_timeout(b"-1"), Err("ERR timeout is negative"));
    assert_eq!(parse_timeout(b"1e300"), Err("ERR timeout is out of range"));
    for text in [&b"x"[..], b"", b"nan", b"inf", b"1 "] {
        assert_eq!(parse_timeout(text), bad);
    }
}
