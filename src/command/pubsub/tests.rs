use crate::server::testing::Rig;

#[test]
fn messages_reach_subscribers_on_every_core_once() {
    let mut rig = Rig::new(3, &[]);
    let [a, b, c, sender] = [0, 1, 1, 2].map(|core| rig.connect(core));
    assert_eq!(rig.ask(a, "subscribe news sport"), "*3 $9 subscribe $4 news :1 *3 $9 subscribe $5 sport :2");
    assert_eq!(rig.ask(b, "psubscribe n*s"), "*3 $10 psubscribe $3 n*s :1");
    assert!(rig.ask(c, "hello 3").starts_with('%'));
    assert_eq!(rig.ask(c, "subscribe news"), ">3 $9 subscribe $4 news :1");
    assert_eq!(rig.ask(sender, "publish news hello"), ":3");
    assert_eq!(rig.take(a), "*3 $7 message $4 news $5 hello");
    assert_eq!(rig.take(b), "*4 $8 pmessage $3 n*s $4 news $5 hello");
    assert_eq!(rig.take(c), ">3 $7 message $4 news $5 hello");
    assert_eq!(rig.ask(sender, "publish nothing x"), ":0");
    assert_eq!(rig.ask(sender, "pubsub channels"), "*2 $4 news $5 sport");
    assert_eq!(rig.ask(sender, "pubsub channels s*"), "*1 $5 sport");
    assert_eq!(rig.ask(sender, "pubsub numsub news none"), "*4 $4 news :2 $4 none :0");
    assert_eq!(rig.ask(sender, "pubsub numpat"), ":1");
    assert_eq!(
        rig.ask(sender, "pubsub channels a b"),
        "-ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP."
    );
    rig.disconnect(a);
    assert_eq!(rig.ask(sender, "publish news bye"), ":2");
    rig.take(b);
    assert_eq!(rig.ask(b, "punsubscribe"), "*3 $12 punsubscribe $3 n*s :0");
    assert_eq!(rig.ask(sender, "publish news bye"), ":1");
}

#[test]
fn a_resp2_subscriber_may_do_little_else() {
    let mut rig = Rig::new(1, &[]);
    let client = rig.connect(0);
    rig.ask(client, "subscribe a");
    assert_eq!(
        rig.ask(client, "get x"),
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    );
    assert_eq!(rig.ask(client, "ping"), "*2 $4 pong $0");
    assert_eq!(rig.ask(client, "ping hi"), "*2 $4 pong $2 hi");
    assert_eq!(rig.ask(client, "unsubscribe"), "*3 $11 unsubscribe $1 a :0");
    assert_eq!(rig.ask(client, "unsubscribe"), "*3 $11 unsubscribe $-1 :0");
    assert_eq!(rig.ask(client, "ping"), "+PONG");
}

#[test]
fn who_publishes_to_itself_gets_the_reply_first() {
    for cores in [1, 2] {
        let mut rig = Rig::new(cores, &[]);
        let [client, other] = [0, cores - 1].map(|core| rig.connect(core));
        rig.ask(client, "hello 3");
        rig.ask(client, "subscribe a");
        rig.ask(other, "subscribe b");
        assert_eq!(rig.ask(client, "publish a x"), ":1 >3 $7 message $1 a $1 x");
    }
}

#[test]
fn shard_channels_are_a_world_of_their_own() {
    let mut rig = Rig::new(2, &[]);
    let [client, sender] = [0, 1].map(|core| rig.connect(core));
    assert_eq!(rig.ask(client, "ssubscribe a"), "*3 $10 ssubscribe $1 a :1");
    assert_eq!(rig.ask(client, "subscribe a"), "*3 $9 subscribe $1 a :1");
    assert_eq!(rig.ask(sender, "spublish a x"), ":1");
    assert_eq!(rig.take(client), "*3 $8 smessage $1 a $1 x");
    assert_eq!(rig.ask(sender, "publish a y"), ":1");
    assert_eq!(rig.take(client), "*3 $7 message $1 a $1 y");
    assert_eq!(rig.ask(sender, "pubsub shardnumsub a"), "*2 $1 a :1");
    assert_eq!(rig.ask(sender, "pubsub shardchannels"), "*1 $1 a");
}

#[test]
fn subscribers_hear_of_keys_of_other_cores() {
    let mut rig = Rig::new(2, &[("notify-keyspace-events", "KEA")]);
    let [near, far] = [0, 1].map(|core| rig.connect(core));
    rig.ask(near, "subscribe __keyspace@0__:k");
    rig.ask(far, "psubscribe __keyevent@*__:*");
    rig.with(0, |core| {
        core.shard.events.push(crate::shard::Event {
            class: crate::config::events::STRING,
            name: "set",
            db: 0,
            key: b"k".as_slice().into(),
        });
    });
    assert_eq!(rig.take(near), "*3 $7 message $16 __keyspace@0__:k $3 set");
    assert_eq!(rig.take(far), "*4 $8 pmessage $16 __keyevent@*__:* $18 __keyevent@0__:set $1 k");
}

#[test]
fn messages_pass_although_replies_are_off() {
    let mut rig = Rig::new(1, &[]);
    let [client, sender] = [0, 0].map(|core| rig.connect(core));
    rig.ask(client, "client reply off");
    assert_eq!(rig.ask(client, "subscribe a"), "*3 $9 subscribe $1 a :1");
    rig.ask(sender, "publish a x");
    assert_eq!(rig.take(client), "*3 $7 message $1 a $1 x");
    assert_eq!(rig.ask(client, "ping"), "");
    assert_eq!(rig.ask(client, "unsubscribe a"), "*3 $11 unsubscribe $1 a :0");
    assert_eq!(rig.ask(client, "client reply on"), "+OK");
    rig.ask(client, "client reply skip");
    assert_eq!(rig.ask(client, "subscribe b"), "*3 $9 subscribe $1 b :1");
}

/// A command whose keys are brought together from several cores is heard of like any other, and a transaction too.
#[test]
fn subscribers_hear_of_what_several_cores_did() {
    for cores in [1, 3] {
        let mut rig = Rig::new(cores, &[("notify-keyspace-events", "EKAm")]);
        let [listener, client] = [0, cores - 1].map(|core| rig.connect(core));
        rig.ask(client, "mset {a}s 1 {b}s 2");
        for key in ["{a}1", "{b}1", "{c}1"] {
            rig.ask(client, &format!("sadd {key} x y"));
        }
        rig.ask(client, "rpush {a}l 1 2");
        rig.ask(listener, "psubscribe __keyevent@0__:*");
        let heard = |rig: &mut Rig, lines: &[&str]| {
            lines.iter().for_each(|line| drop(rig.ask(client, line)));
            let text = rig.take(listener);
            let events = text.split("*4 ").skip(1).map(|message| {
                let words: Vec<&str> = message.split(' ').collect();
                format!("{} {}", words[5].trim_start_matches("__keyevent@0__:"), words[7])
            });
            let mut events: Vec<String> = events.collect();
            events.sort();
            events.join(", ")
        };
        assert_eq!(heard(&mut rig, &["sinterstore {d}1 {a}1 {b}1 {c}1"]), "sinterstore {d}1");
        assert_eq!(heard(&mut rig, &["lmove {a}l {b}l left right"]), "lpop {a}l, rpush {b}l");
        assert_eq!(heard(&mut rig, &["lmove {a}l {b}l left right"]), "del {a}l, lpop {a}l, rpush {b}l");
        assert_eq!(heard(&mut rig, &["sinter {a}1 {b}none"]), "keymiss {b}none");
        assert_eq!(
            heard(&mut rig, &["multi", "incr {a}s", "srem {b}1 x", "smove {a}1 {b}1 x", "del {c}1", "exec"]),
            "del {c}1, incrby {a}s, sadd {b}1, srem {a}1, srem {b}1"
        );
        assert_eq!(heard(&mut rig, &["multi", "incr {a}s", "flushall", "set {b}n 1", "exec"]), "incrby {a}s, set {b}n");
    }
}
