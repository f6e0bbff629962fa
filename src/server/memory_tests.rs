//! `maxmemory`: what is evicted, what is refused, and whose memory it is.

use super::testing::{Client, Rig};
use crate::shard::slot;

/// Bytes that a string of this length takes beside its key, about.
const VALUE: usize = 400;

/// A server whose keys may hold so many bytes, under a policy.
fn rig(cores: usize, policy: &str, key_bytes: u64) -> (Rig, Client) {
    let mut rig = Rig::new(cores, &[("maxmemory-policy", policy), ("maxmemory-samples", "10")]);
    let client = rig.connect(0);
    limit(&mut rig, client, key_bytes);
    (rig, client)
}

fn limit(rig: &mut Rig, client: Client, key_bytes: u64) {
    // What else is in use was measured when the server was made, and is not measured again in these tests.
    let bytes = rig.everyone.memory_peak.startup_bytes() + key_bytes;
    assert_eq!(rig.ask(client, &format!("config set maxmemory {bytes}")), "+OK");
}

fn held(rig: &Rig, core: usize) -> u64 {
    rig.with(core, |core| core.shard.keyspace().memory_bytes() as u64)
}

fn set(rig: &mut Rig, client: Client, key: &str) -> String {
    rig.ask(client, &format!("set {key} {}", "v".repeat(VALUE)))
}

/// A key with this prefix that lives on this core.
fn key_on(core: usize, cores: usize, prefix: &str) -> String {
    (0..).map(|n| format!("{prefix}{n}")).find(|key| slot::core_of_key(key.as_bytes(), cores) == core).unwrap()
}

#[test]
fn keys_stay_within_the_limit_under_every_policy_that_evicts() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let (mut rig, client) = rig(1, policy, 300_000);
        for number in 0..3_000 {
            assert_eq!(set(&mut rig, client, &format!("key:{number}")), "+OK", "{policy}");
        }
        assert!((200_000..300_000 + 1_000).contains(&held(&rig, 0)), "{policy}: {}", held(&rig, 0));
        let evicted = rig.with(0, |core| core.shard.stats.evicted);
        assert!((2_000..3_000).contains(&evicted), "{policy}: {evicted}");
        assert_eq!(rig.ask(client, "dbsize"), format!(":{}", 3_000 - evicted));
    }
}

#[test]
fn volatile_policies_take_only_keys_with_an_expiry_time_and_refuse_when_none_is_left() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let (mut rig, client) = rig(1, policy, 300_000);
        for number in 0..200 {
            assert_eq!(set(&mut rig, client, &format!("stays:{number}")), "+OK");
        }
        for number in 0..2_000 {
            let request = format!("set goes:{number} {} ex 10000", "v".repeat(VALUE));
            assert_eq!(rig.ask(client, &request), "+OK", "{policy}");
        }
        for number in 0..200 {
            assert_eq!(rig.ask(client, &format!("exists stays:{number}")), ":1", "{policy}");
        }
        let mut refused = 0;
        for number in 200..1_000 {
            let reply = set(&mut rig, client, &format!("stays:{number}"));
            refused += (reply == "-OOM command not allowed when used memory > 'maxmemory'.") as u32;
        }
        assert!(refused > 100, "{policy}: {refused}");
        let evicted = rig.with(0, |core| core.shard.stats.evicted);
        assert_eq!(evicted, 2_000, "{policy}");
    }
}

#[test]
fn the_key_nearest_to_its_end_goes_first() {
    let (mut rig, client) = rig(1, "volatile-ttl", 300_000);
    for number in 0..400 {
        // The later they are set the sooner they end.
        rig.ask(client, &format!("set key:{number} {} ex {}", "v".repeat(VALUE), 100_000 - 100 * number));
    }
    limit(&mut rig, client, 100_000);
    let there: Vec<bool> = (0..400).map(|n| rig.ask(client, &format!("exists key:{n}")) == ":1").collect();
    let kept = there.iter().filter(|&&is| is).count();
    assert!((100..300).contains(&kept), "{kept}");
    assert!(there[..kept].iter().all(|&is| is), "a key went before one that ends sooner");
}

#[test]
fn what_is_read_stays_and_what_is_not_goes() {
    for policy in ["allkeys-lru", "allkeys-lfu"] {
        let (mut rig, client) = rig(1, policy, 400_000);
        for number in 0..300 {
            set(&mut rig, client, &format!("warm:{number}"));
        }
        for round in 1..=5 {
            rig.with(0, |core| core.shard.set_now(core.now_ms + round * 20_000));
            for number in 0..300 {
                let reply = rig.ask(client, &format!("get warm:{number}"));
                assert!(reply.starts_with('$') && reply != "$-1", "{policy}");
            }
        }
        for number in 0..2_000 {
            set(&mut rig, client, &format!("cold:{number}"));
            if number % 100 == 0 {
                rig.with(0, |core| core.shard.set_now(core.shard.now_ms() + 1_000));
            }
            let warm = number % 300;
            rig.ask(client, &format!("get warm:{warm}"));
        }
        let kept = (0..300).filter(|n| rig.ask(client, &format!("exists warm:{n}")) == ":1").count();
        assert!(kept > 270, "{policy}: only {kept} of 300 keys that were read are there");
    }
}

#[test]
fn without_eviction_only_what_needs_memory_is_refused() {
    const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";
    let (mut rig, client) = rig(1, "noeviction", 100_000);
    set(&mut rig, client, "first");
    rig.ask(client, "rpush list a b");
    let mut number = 0;
    while set(&mut rig, client, &format!("key:{number}")) == "+OK" {
        number += 1;
    }
    for refused in ["set k v", "incr n", "lpush list x", "hset h f v", "xadd s * f v", "lmove list other left left"] {
        assert_eq!(rig.ask(client, refused), OOM, "{refused}");
    }
    for allowed in ["get first", "exists first", "lpop list", "expire first 100", "ping", "config get maxmemory-policy"]
    {
        assert!(!rig.ask(client, allowed).starts_with('-'), "{allowed}");
    }
    // A transaction is refused as a whole, and only if it needs memory.
    for (queued, reply) in
        [("get first", "*1"), ("set k v", "-EXECABORT Transaction discarded because of: OOM command")]
    {
        limit(&mut rig, client, 1_000_000);
        assert_eq!(rig.ask(client, "multi"), "+OK");
        assert_eq!(rig.ask(client, queued), "+QUEUED");
        let other = rig.connect(0);
        limit(&mut rig, other, 50_000);
        let answered = rig.ask(client, "exec");
        assert!(answered.starts_with(reply), "{queued}: {answered}");
    }
    // What would be queued takes memory too.
    assert_eq!(rig.ask(client, "multi"), "+OK");
    assert_eq!(rig.ask(client, "get first"), OOM);
    assert!(rig.ask(client, "exec").starts_with("-EXECABORT"));
    for gone in 0..number {
        rig.ask(client, &format!("del key:{gone}"));
    }
    assert_eq!(set(&mut rig, client, "key"), "+OK", "there is room again");
    assert_eq!(rig.ask(client, "config set maxmemory 0"), "+OK");
    for number in 0..1_000 {
        assert_eq!(set(&mut rig, client, &format!("key:{number}")), "+OK");
    }
}

#[test]
fn a_write_over_several_cores_is_refused_on_all_of_them_before_its_first_effect() {
    let (mut rig, client) = rig(3, "noeviction", 200_000);
    let keys: Vec<String> = (0..3).map(|core| key_on(core, 3, "k")).collect();
    let mut number = 0;
    while set(&mut rig, client, &format!("fill{number}{{{}}}", keys[2])) == "+OK" {
        number += 1;
    }
    let value = "v".repeat(100_000);
    let reply = rig.ask(client, &format!("mset {} {value} {} {value} {} {value}", keys[0], keys[1], keys[2]));
    assert!(reply.starts_with("-OOM"), "{reply}");
    for key in &keys {
        assert_eq!(rig.ask(client, &format!("exists {key}")), ":0", "half of a refused write is there");
    }
    assert_eq!(rig.ask(client, "multi"), "+OK");
}

#[test]
fn the_limit_goes_to_the_core_that_has_the_data() {
    let (mut rig, client) = rig(4, "allkeys-lru", 400_000);
    let tag = key_on(3, 4, "t");
    for number in 0..3_000 {
        assert_eq!(set(&mut rig, client, &format!("{{{tag}}}{number}")), "+OK");
    }
    let there = held(&rig, 3);
    assert!((350_000..401_000).contains(&there), "the core with all the keys holds {there} bytes");
}

#[test]
fn a_core_without_anything_to_evict_waits_for_one_that_has() {
    let (mut rig, client) = rig(2, "volatile-lru", 300_000);
    let (here, there) = (key_on(0, 2, "h"), key_on(1, 2, "t"));
    for number in 0..3_000 {
        rig.ask(client, &format!("set {{{there}}}{number} {} ex 10000", "v".repeat(VALUE)));
    }
    rig.with(1, |core| core.balance_memory());
    // Nothing here has an expiry time; the other core makes room.
    for number in 0..100 {
        rig.send(client, &["set", &format!("{{{here}}}{number}"), &"v".repeat(VALUE)]);
        let mut reply = rig.take(client);
        for _ in 0..3 {
            if reply.is_empty() {
                (0..2).for_each(|core| rig.with(core, |core| core.go_on_waiting()));
                reply = rig.take(client);
            }
        }
        assert_eq!(reply, "+OK", "write {number}");
    }
    assert!(held(&rig, 0) > 40_000 && held(&rig, 0) + held(&rig, 1) < 310_000);
}

#[test]
fn keys_that_a_transaction_holds_are_not_evicted() {
    let (mut rig, client) = rig(1, "allkeys-random", 1_000_000);
    for number in 0..100 {
        set(&mut rig, client, &format!("key:{number}"));
    }
    let keys: Vec<_> = (0..100).map(|n| crate::shard::locks::LockKey::new(0, format!("key:{n}").as_bytes())).collect();
    let mode = crate::shard::locks::Mode::Shared;
    rig.with(0, |core| assert!(core.locks.try_acquire(&keys, mode)));
    limit(&mut rig, client, 1);
    assert_eq!(rig.ask(client, "dbsize"), ":100", "a key went that a transaction has read");
    rig.with(0, |core| core.unlock(&keys, mode));
    rig.settle();
    assert_eq!(rig.ask(client, "dbsize"), ":0");
}

#[test]
fn nothing_is_evicted_for_the_sake_of_what_was_flushed() {
    let (mut rig, client) = rig(1, "allkeys-random", 600_000);
    for number in 0..1_000 {
        set(&mut rig, client, &format!("key:{number}"));
    }
    assert_eq!(rig.with(0, |core| core.shard.stats.evicted), 0);
    rig.with(0, |core| core.shard.flush(None));
    for number in 0..1_000 {
        rig.send(client, &["set", &format!("new:{number}"), &"v".repeat(VALUE)]);
    }
    rig.take(client);
    assert_eq!(rig.with(0, |core| core.shard.stats.evicted), 0);
    assert_eq!(rig.ask(client, "dbsize"), ":1000");
}

#[test]
fn an_evicted_key_is_told_to_those_who_listen_and_who_watch() {
    let (mut rig, client) = rig(1, "allkeys-random", 1_000_000);
    let listener = rig.connect(0);
    rig.ask(client, "config set notify-keyspace-events Ee");
    rig.ask(listener, "subscribe __keyevent@0__:evicted");
    rig.take(listener);
    set(&mut rig, client, "k");
    assert_eq!(rig.ask(client, "watch k"), "+OK");
    let other = rig.connect(0);
    limit(&mut rig, other, 1);
    rig.settle();
    let heard = rig.take(listener);
    assert!(heard.ends_with("__keyevent@0__:evicted $1 k"), "{heard}");
    limit(&mut rig, other, 1_000_000);
    assert_eq!(rig.ask(client, "multi"), "+OK");
    assert_eq!(rig.ask(client, "ping"), "+QUEUED");
    assert_eq!(rig.ask(client, "exec"), "*-1", "a watched key was evicted and the transaction ran");
}

#[test]
fn the_largest_clients_are_closed_first() {
    let mut rig = Rig::new(2, &[("maxmemory-clients", "2mb")]);
    let (small, large, exempt) = (rig.connect(0), rig.connect(1), rig.connect(1));
    assert_eq!(rig.ask(exempt, "client no-evict on"), "+OK");
    for client in [large, exempt] {
        rig.ask(client, "multi");
        for _ in 0..3 {
            rig.ask(client, &format!("set k {}", "v".repeat(1 << 20)));
        }
    }
    for _ in 0..3 {
        (0..2).for_each(|core| rig.with(core, |core| core.balance_memory()));
    }
    assert!(rig.is_closing(large));
    assert!(!rig.is_closing(small) && !rig.is_closing(exempt));
    assert_eq!(rig.with(1, |core| core.stats.evicted_clients), 1);
}

/// A core that holds no key is over no share of anything: it let one write in where there was room for none.
#[test]
fn where_nothing_fits_every_core_refuses_also_one_without_keys() {
    let mut rig = Rig::new(2, &[]);
    let clients = [0, 1].map(|core| rig.connect(core));
    assert_eq!(rig.ask(clients[0], "config set maxmemory 1"), "+OK");
    for client in clients {
        for key in ["a", "b", "c", "d"] {
            assert!(rig.ask(client, &format!("set {key} 1")).starts_with("-OOM "));
        }
        assert_eq!(rig.ask(client, "multi"), "+OK");
        assert!(rig.ask(client, "set a 1").starts_with("-OOM "));
        assert!(rig.ask(client, "exec").starts_with("-EXECABORT "));
    }
    assert_eq!(rig.ask(clients[1], "config set maxmemory 0"), "+OK");
    assert_eq!(rig.ask(clients[0], "mset a 1 b 2 c 3 d 4"), "+OK");
}
