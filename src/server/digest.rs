//! DEBUG DIGEST and DEBUG DIGEST-VALUE: equal content gives equal digests, however it is encoded and on however many
//! cores it lives. For tests: no protection against anybody who wants two values to look alike.

use super::core::Core;
use crate::keyspace::{Db, EntryRef, ValueRef, hash_key};
use crate::object::Object;
use crate::rdb;

/// What a value, or all keys, come to. Digests of unordered things are added up.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Digest(pub [u64; 3]);

impl Digest {
    /// Of some bytes, in this place of an order (0 where there is none).
    fn of(bytes: &[u8], place: u64) -> Digest {
        Digest([1, 2, 3].map(|lane: u64| {
            // FNV-1a, and the finish of splitmix64, which spreads it over all bits.
            let mut state = 0xcbf2_9ce4_8422_2325 ^ lane.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place;
            for &byte in bytes {
                state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
            state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            state ^ (state >> 31)
        }))
    }

    /// Both together, in no order.
    pub fn plus(self, other: Digest) -> Digest {
        Digest(std::array::from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }

    /// 40 hex digits.
    pub fn hex(self) -> String {
        format!("{:016x}{:016x}{:08x}", self.0[0], self.0[1], self.0[2] as u32)
    }
}

impl Core {
    /// The digest of a key's value; of a missing key, nothing.
    pub(super) fn digest_value(&self, db: u16, key: &[u8]) -> Digest {
        let db = self.shard.db(db);
        let living = db.find(hash_key(key), key).filter(|&entry| self.lives(db, entry));
        living.map(|entry| value_digest(db, entry)).unwrap_or_default()
    }

    /// The digest of all keys of this core.
    pub(super) fn digest_all(&self) -> Digest {
        let mut sum = Digest::default();
        for (number, db) in self.shard.keyspace().dbs().iter().enumerate() {
            db.for_each(|entry| {
                if self.lives(db, entry) {
                    let value = value_digest(db, entry).hex();
                    let key = [value.as_bytes(), db.key(entry)].concat();
                    sum = sum.plus(Digest::of(&key, number as u64 + 1));
                }
            });
        }
        sum
    }

    fn lives(&self, db: &Db, entry: EntryRef) -> bool {
        db.expire_at(entry).is_none_or(|at| at > self.now_ms)
    }
}

fn value_digest(db: &Db, entry: EntryRef) -> Digest {
    let mut sum = Digest::default();
    let mut add = |bytes: &[u8], place: usize| sum = sum.plus(Digest::of(bytes, place as u64));
    match db.value(entry) {
        ValueRef::Int(number) => add(itoa::Buffer::new().format(number).as_bytes(), 0),
        ValueRef::Str(bytes) => add(bytes, 0),
        ValueRef::Object(Object::List(list)) => {
            list.iter().enumerate().for_each(|(at, element)| add(&element.to_bytes(), at + 1));
        }
        ValueRef::Object(Object::Set(set)) => set.iter().for_each(|member| add(&member.to_bytes(), 0)),
        ValueRef::Object(Object::ZSet(zset)) => {
            zset.iter().for_each(|(member, score)| add(&pair(&member.to_bytes(), &score.to_be_bytes()), 0));
        }
        ValueRef::Object(Object::Hash(hash)) => hash.iter().for_each(|field| {
            let value = pair(&field.value.to_bytes(), &field.expire_ms.unwrap_or(0).to_be_bytes());
            add(&pair(&field.field.to_bytes(), &value), 0);
        }),
        value => {
            let mut payload = Vec::new();
            rdb::with_stored(value, |view| rdb::dump(&mut rdb::Encoder::new(false), &mut payload, view));
            add(&payload, 0);
        }
    }
    if let Some(at) = db.expire_at(entry) {
        add(&at.to_be_bytes(), usize::MAX);
    }
    sum
}

/// Two texts as one, so that no other two come to the same.
fn pair(first: &[u8], second: &[u8]) -> Vec<u8> {
    [&(first.len() as u64).to_be_bytes()[..], first, second].concat()
}

#[cfg(test)]
mod tests {
    use super::Digest;
    use crate::server::testing::Rig;
    use crate::shard::slot::core_of_key;

    fn all(rig: &Rig) -> Digest {
        (0..3).map(|core| rig.with(core, |core| core.digest_all())).fold(Digest::default(), Digest::plus)
    }

    #[test]
    fn equal_content_has_equal_digests_and_a_change_shows() {
        let mut rig = Rig::new(3, &[]);
        let client = rig.connect(0);
        let digest = |rig: &Rig, key: &str| {
            rig.with(core_of_key(key.as_bytes(), 3), |core| core.digest_value(0, key.as_bytes()))
        };
        for (key, other, lines) in [
            ("s", "s2", ["SADD s a b c", "SADD s2 c b a"]),
            ("h", "h2", ["HSET h a 1 b 2", "HSET h2 b 2 a 1"]),
            ("z", "z2", ["ZADD z 1 a 2 b", "COPY z z2"]),
            ("l", "l2", ["RPUSH l a b", "COPY l l2"]),
            ("x", "x2", ["XADD x 1-1 f v", "COPY x x2"]),
        ] {
            lines.iter().for_each(|line| drop(rig.ask(client, line)));
            assert_eq!(digest(&rig, key), digest(&rig, other), "{key}");
        }
        for (key, line) in [("s", "SADD s d"), ("h", "HSET h a 2"), ("z", "ZADD z 2 a"), ("l", "LSET l 0 x")] {
            let before = (digest(&rig, key), all(&rig));
            rig.ask(client, line);
            assert_ne!(digest(&rig, key), before.0);
            assert_ne!(all(&rig), before.1);
        }
        assert_eq!(digest(&rig, "none").hex(), "0".repeat(40));
        rig.ask(client, "FLUSHALL");
        assert_eq!(all(&rig), Digest::default());
    }
}
