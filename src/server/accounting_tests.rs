use super::testing::Rig;
use crate::shard::slot::core_of_key;

/// A key of each core of a rig with two.
fn keys() -> [String; 2] {
    [0, 1].map(|core| (0..).map(|n| format!("k{n}")).find(|key| core_of_key(key.as_bytes(), 2) == core).unwrap())
}

/// The commands in the slow log, oldest first, each with its client's name in front.
fn slow(rig: &Rig) -> Vec<String> {
    let line = |entry: crate::observe::SlowEntry| {
        let words: Vec<_> = entry.args.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        format!("{}: {}", String::from_utf8_lossy(&entry.name), words.join(" "))
    };
    let entries = rig.everyone.slowlog.newest(usize::MAX).into_iter().map(line).collect::<Vec<_>>();
    rig.everyone.slowlog.reset();
    entries.into_iter().rev().collect()
}

#[test]
fn a_slow_command_is_noted_wherever_it_ran() {
    let mut rig = Rig::new(2, &[("slowlog-log-slower-than", "0")]);
    rig.allow_debug();
    let [here, there] = keys();
    let client = rig.connect(0);
    rig.ask(client, "CLIENT SETNAME me");
    slow(&rig);
    for request in [
        format!("SET {here} 1"),
        format!("SET {there} 1"),
        format!("MGET {here} {there}"),
        format!("MSET {here} 1 {there} 2"),
        format!("LCS {here} {there}"),
        "DBSIZE".to_string(),
        "DEBUG SLEEP 0".to_string(),
        "CONFIG SET maxclients 100".to_string(),
    ] {
        assert!(!rig.ask(client, &request).starts_with('-'), "{request}");
        assert_eq!(slow(&rig), [format!("me: {request}")]);
    }
}

#[test]
fn of_a_transaction_its_commands_are_noted_and_not_itself() {
    let mut rig = Rig::new(2, &[("slowlog-log-slower-than", "0")]);
    rig.allow_debug();
    let [here, there] = keys();
    let client = rig.connect(0);
    rig.ask(client, "CLIENT SETNAME me");
    for steps in [
        vec![format!("SET {here} 1"), "PING".into()],
        vec![format!("SET {there} 1")],
        vec![format!("MGET {here} {there}"), "DEBUG SLEEP 0".into(), format!("GET {here}")],
        vec!["FLUSHALL".into(), "DBSIZE".into()],
    ] {
        rig.ask(client, "MULTI");
        steps.iter().for_each(|step| assert_eq!(rig.ask(client, step), "+QUEUED"));
        slow(&rig);
        assert!(rig.ask(client, "EXEC").starts_with('*'));
        let mut noted = slow(&rig);
        let mut steps: Vec<String> = steps.into_iter().map(|step| format!("me: {step}")).collect();
        noted.sort();
        steps.sort();
        assert_eq!(noted, steps);
    }
}

#[test]
fn who_waits_is_noted_when_served_and_not_for_the_time_of_waiting() {
    let mut rig = Rig::new(2, &[("slowlog-log-slower-than", "0")]);
    let [here, there] = keys();
    for wanted in [here.clone(), there.clone(), format!("{here} {there}")] {
        let (waiting, other) = (rig.connect(0), rig.connect(1));
        slow(&rig);
        assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 0")), "");
        assert_eq!(slow(&rig), [""; 0]);
        // Far longer than any try takes.
        std::thread::sleep(std::time::Duration::from_millis(300));
        rig.ask(other, &format!("RPUSH {there} 1"));
        rig.ask(other, &format!("RPUSH {here} 1"));
        assert!(rig.take(waiting).starts_with("*2"));
        let found = rig.everyone.slowlog.newest(10);
        let pops: Vec<_> = found.iter().filter(|entry| entry.args[0] == b"BLPOP").collect();
        assert_eq!(pops.len(), 1);
        rig.ask(other, "FLUSHALL");
    }
    let info = rig.with(0, |core| core.report(false));
    let blpop = crate::command::spec::find(b"blpop").unwrap();
    let stats = &info.stats.by_command[blpop.id.index()];
    assert_eq!(stats.calls, 3);
    assert!(stats.nanos < 3 * 300_000_000, "{} ns, of which the waits took 900 ms", stats.nanos);
}

#[test]
fn a_command_that_has_to_come_again_is_counted_once() {
    let mut rig = Rig::new(2, &[]);
    let [_, there] = keys();
    let client = rig.connect(0);
    // The second waits until the first is answered.
    rig.send(client, &["GET", &there]);
    rig.send(client, &["CLIENT", "LIST"]);
    assert!(rig.take(client).contains("cmd=client|list"));
    let list = crate::command::spec::find(b"client").unwrap().subcommand(b"list").unwrap();
    let calls = |rig: &Rig| rig.with(0, |core| core.report(false).stats.by_command[list.id.index()].calls);
    assert_eq!(calls(&rig), 1);
}
