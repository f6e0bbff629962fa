//! Commands about whole databases, which stand in the log for all cores at once.

use super::client::{Client, Value};
use super::crash::content;
use super::rng::{Rng, seed, setting};
use super::server::{Server, directory};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one client, alone, has done: two databases of keys.
#[derive(Clone, Default)]
struct Model {
    dbs: [BTreeMap<String, String>; 2],
}

impl Model {
    /// Does one random thing, and gives the commands for it.
    fn step(&mut self, rng: &mut Rng, n: u64) -> Vec<Vec<String>> {
        let db = rng.below(2) as usize;
        let words = |line: String| line.split(' ').map(str::to_string).collect::<Vec<_>>();
        let select = words(format!("SELECT {db}"));
        let key = |rng: &mut Rng| format!("k{}", rng.below(30));
        match rng.below(20) {
            0 => {
                self.dbs[db].clear();
                vec![select, words("FLUSHDB".into())]
            }
            1 => {
                self.dbs.iter_mut().for_each(BTreeMap::clear);
                vec![words("FLUSHALL".into())]
            }
            2 | 3 => {
                self.dbs.swap(0, 1);
                vec![words("SWAPDB 0 1".into())]
            }
            4 => {
                // A transaction with a flush between its writes.
                let (before, behind) = (key(rng), key(rng));
                self.dbs[db].clear();
                self.dbs[db].insert(behind.clone(), n.to_string());
                vec![
                    select,
                    words("MULTI".into()),
                    words(format!("SET {before} lost")),
                    words("FLUSHDB".into()),
                    words(format!("SET {behind} {n}")),
                    words("EXEC".into()),
                ]
            }
            5 | 6 => {
                let key = key(rng);
                self.dbs[db].remove(&key);
                vec![select, words(format!("DEL {key}"))]
            }
            7 | 8 => {
                let (one, two) = (key(rng), key(rng));
                self.dbs[db].insert(one.clone(), n.to_string());
                self.dbs[db].insert(two.clone(), n.to_string());
                vec![select, words(format!("MSET {one} {n} {two} {n}"))]
            }
            _ => {
                let key = key(rng);
                self.dbs[db].insert(key.clone(), n.to_string());
                vec![select, words(format!("SET {key} {n}"))]
            }
        }
    }

    fn matches(&self, found: &[(u16, Vec<String>)]) -> bool {
        let wanted = (0u16..2).flat_map(|db| {
            self.dbs[db as usize].iter().map(move |(key, value)| (db, key, format!("{:?}", Value::bulk(value))))
        });
        wanted.clone().count() == found.len()
            && wanted
                .zip(found)
                .all(|((db, key, value), found)| db == found.0 && key == &found.1[0] && value == found.1[3])
    }
}

#[test]
fn flushes_and_swaps_between_writes_survive_kill_9_in_their_order() {
    let mut rng = Rng::new(seed());
    for cores in [1, 2, 4] {
        let dir = directory();
        let mut model = Model::default();
        let mut n = 0;
        for round in 0..setting("ROUNDS", 8).div_ceil(2) {
            let server = Server::start(dir.path(), &format!("--cores {cores} --aof-segment-size 64kb"));
            let mut client = server.client();
            let found = content(&mut client);
            assert!(model.matches(&found), "{cores} cores, round {round}: {found:?}\n{:?}", model.dbs);
            for _ in 0..60 {
                n += 1;
                let commands = model.step(&mut rng, n);
                let replies = client.pipeline(&commands);
                assert!(!replies.iter().any(Value::is_error), "{commands:?}: {replies:?}");
            }
            // One more step, under way when the server is killed: it happened, or it did not.
            let before = model.clone();
            let commands = model.step(&mut rng, n + 1);
            let mut request = Vec::new();
            commands.iter().for_each(|words| super::client::encode(words, &mut request));
            client.send_raw(&request).unwrap();
            std::thread::sleep(Duration::from_micros(rng.below(3_000)));
            server.kill();
            let server = Server::start(dir.path(), "--cores 2 --aof-segment-size 64kb");
            let found = content(&mut server.client());
            if before.matches(&found) {
                model = before;
            } else if !model.matches(&found) {
                panic!("{cores} cores, round {round}: {found:?}\n{:?}\n{commands:?}\n{:?}", before.dbs, model.dbs);
            }
            server.stop();
        }
    }
}

#[test]
fn a_flush_beside_writers_takes_all_or_nothing_of_each_mset() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --aof-segment-size 256kb");
    let port = server.port;
    std::thread::scope(|scope| {
        for writer in 0..3 {
            scope.spawn(move || {
                let mut client = Client::connect(port);
                for n in 0..150 {
                    client.expect(&format!("MSET x{writer} {n} y{writer} {n} z{writer} {n}"), "OK");
                }
            });
        }
        scope.spawn(move || {
            let mut client = Client::connect(port);
            for n in 0..40 {
                client.expect(["FLUSHALL", "SWAPDB 0 1", "SWAPDB 0 1", "FLUSHDB"][n % 4], "OK");
            }
        });
        let mut client = Client::connect(port);
        for _ in 0..200 {
            let values = client.say("MGET x0 y0 z0").items();
            assert!(values.iter().all(|value| value == &values[0]), "{values:?}");
        }
    });
    let before = content(&mut server.client());
    server.kill();
    let server = Server::start(dir.path(), "--cores 2");
    assert_eq!(content(&mut server.client()), before);
}

#[test]
fn flushes_one_after_the_other_end_under_every_policy() {
    for policy in ["everysec", "no", "always"] {
        for cores in [1, 3] {
            let dir = directory();
            let server = Server::start(dir.path(), &format!("--cores {cores} --appendfsync {policy}"));
            for n in 0..12 {
                let mut client = server.client();
                client.expect(&format!("SET k{n} {n}"), "OK");
                client.expect(["FLUSHALL", "FLUSHDB", "SWAPDB 0 1"][n % 3], "OK");
                client.expect(&format!("SET last {n}"), "OK");
            }
            let before = content(&mut server.client());
            server.stop();
            let server = Server::start(dir.path(), "--cores 2");
            assert_eq!(content(&mut server.client()), before, "{policy}, {cores} cores");
        }
    }
}

#[test]
fn a_transaction_that_stops_all_cores_and_changes_nothing_leaves_a_log_that_loads() {
    // SORT's patterns reach keys anywhere, so all cores stand still for it; there is nothing to put into a barrier then.
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 3");
    let mut client = server.client();
    for line in ["RPUSH list a b c", "MSET w_a 3 w_b 2 w_c 1", "MULTI", "SORT list BY w_* GET # GET w_*"] {
        assert!(!client.say(line).is_error(), "{line}");
    }
    assert_eq!(client.say("EXEC").items()[0].clone().items().len(), 6);
    client.expect("SET after 1", "OK");
    drop(client);
    server.kill();
    let server = Server::start(dir.path(), "--cores 3");
    server.client().expect("GET after", "1");
}
