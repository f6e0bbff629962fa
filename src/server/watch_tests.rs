use super::testing::{Client, Rig};
use crate::shard::slot::core_of_key;

/// Whether those who WATCH the keys see `change` as one.
fn is_seen(rig: &mut Rig, client: Client, keys: &str, change: &str) -> bool {
    assert_eq!(rig.ask(client, &format!("WATCH {keys}")), "+OK");
    let reply = rig.ask(client, change);
    assert!(!reply.starts_with('-'), "{change}: {reply}");
    rig.ask(client, "MULTI");
    rig.ask(client, "PING");
    match rig.ask(client, "EXEC").as_str() {
        "*-1" => true,
        "*1 +PONG" => false,
        other => panic!("{change}: {other}"),
    }
}

/// Redis tells those who watch a stream of its entries, not of its groups.
#[test]
fn what_happens_to_consumer_groups_is_no_change_to_who_watches_the_stream() {
    for cores in [1, 2] {
        let mut rig = Rig::new(cores, &[]);
        let of_core = |core: usize| {
            (0..).map(|n| format!("k{n}")).find(|key| core_of_key(key.as_bytes(), cores) == core).unwrap()
        };
        let (x, y) = (of_core(0), of_core(cores - 1));
        let client = rig.connect(0);
        for key in [&x, &y] {
            for id in 1..=4 {
                rig.ask(client, &format!("XADD {key} {id}-1 f v"));
            }
        }
        let keys = format!("{x} {y}");
        for (change, expected) in [
            (format!("XGROUP CREATE {x} g 0"), false),
            (format!("XGROUP CREATE {x} h 0"), false),
            (format!("XGROUP SETID {x} g 0"), false),
            (format!("XGROUP CREATECONSUMER {x} g d"), false),
            (format!("XREADGROUP GROUP g c COUNT 2 STREAMS {x} >"), false),
            (format!("XACK {x} g 1-1"), false),
            (format!("XCLAIM {x} g d 0 2-1"), false),
            (format!("XAUTOCLAIM {x} g c 0 0"), false),
            (format!("XGROUP DELCONSUMER {x} g d"), false),
            (format!("XGROUP DESTROY {x} h"), false),
            (format!("XSETID {x} 9-9"), false),
            (format!("XDEL {x} 7-7"), false),
            (format!("XTRIM {x} MAXLEN 100"), false),
            (format!("XDEL {x} 1-1"), true),
            (format!("XTRIM {x} MAXLEN 2"), true),
            (format!("XADD {x} 10-1 f v"), true),
        ] {
            assert_eq!(is_seen(&mut rig, client, &keys, &change), expected, "{change}, {cores} cores");
        }
        if x != y {
            // Over cores the streams are brought together, and what was changed is sent home whole.
            rig.ask(client, &format!("XGROUP CREATE {y} g 0"));
            let read = format!("XREADGROUP GROUP g c COUNT 1 STREAMS {x} {y} > >");
            assert!(!is_seen(&mut rig, client, &keys, &read));
            assert!(rig.ask(client, &format!("XPENDING {y} g")).starts_with("*4 :1"));
        }
        assert!(is_seen(&mut rig, client, "new", "XGROUP CREATE new g 0 MKSTREAM"));
    }
}

/// PFCOUNT keeps what it has counted in the value: a change like any other, once.
#[test]
fn pfcount_changes_the_value_when_it_has_to_count() {
    for cores in [1, 2] {
        let mut rig = Rig::new(cores, &[]);
        let client = rig.connect(0);
        for key in ["a", "b", "c", "d"] {
            rig.ask(client, &format!("PFADD {key} x y z"));
            let bytes = rig.ask(client, &format!("STRLEN {key}"));
            assert!(is_seen(&mut rig, client, key, &format!("PFCOUNT {key}")), "{cores} cores");
            assert!(!is_seen(&mut rig, client, key, &format!("PFCOUNT {key}")), "{cores} cores");
            assert_eq!(rig.ask(client, &format!("STRLEN {key}")), bytes);
            // Also within a transaction.
            rig.ask(client, &format!("PFADD {key} more"));
            rig.ask(client, "MULTI");
            rig.ask(client, &format!("PFCOUNT {key}"));
            assert_eq!(rig.ask(client, "EXEC"), "*1 :4");
            assert!(!is_seen(&mut rig, client, key, &format!("PFCOUNT {key}")), "{cores} cores");
        }
    }
}
