//! Hashes.

mod access;
mod count;
mod expire;
mod fields;
mod getex;
mod random;
mod read;
mod scan;
mod setex;
#[cfg(test)]
mod tests;
mod ttl;
mod write;

use super::Exec;

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("hdel", Exec::Keyed(write::hdel)),
        ("hexists", Exec::Keyed(read::hexists)),
        ("hexpire", Exec::Keyed(expire::hexpire)),
        ("hexpireat", Exec::Keyed(expire::hexpireat)),
        ("hexpiretime", Exec::Keyed(ttl::hexpiretime)),
        ("hget", Exec::Keyed(read::hget)),
        ("hgetall", Exec::Keyed(read::hgetall)),
        ("hgetdel", Exec::Keyed(getex::hgetdel)),
        ("hgetex", Exec::Keyed(getex::hgetex)),
        ("hincrby", Exec::Keyed(count::hincrby)),
        ("hincrbyfloat", Exec::Keyed(count::hincrbyfloat)),
        ("hkeys", Exec::Keyed(read::hkeys)),
        ("hlen", Exec::Keyed(read::hlen)),
        ("hmget", Exec::Keyed(read::hmget)),
        ("hmset", Exec::Keyed(write::hmset)),
        ("hpersist", Exec::Keyed(ttl::hpersist)),
        ("hpexpire", Exec::Keyed(expire::hpexpire)),
        ("hpexpireat", Exec::Keyed(expire::hpexpireat)),
        ("hpexpiretime", Exec::Keyed(ttl::hpexpiretime)),
        ("hpttl", Exec::Keyed(ttl::hpttl)),
        ("hrandfield", Exec::Keyed(random::hrandfield)),
        ("hscan", Exec::Keyed(scan::hscan)),
        ("hset", Exec::Keyed(write::hset)),
        ("hsetex", Exec::Keyed(setex::hsetex)),
        ("hsetnx", Exec::Keyed(write::hsetnx)),
        ("hstrlen", Exec::Keyed(read::hstrlen)),
        ("httl", Exec::Keyed(ttl::httl)),
        ("hvals", Exec::Keyed(read::hvals)),
    ]
}
