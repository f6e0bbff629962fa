//! Sorted sets. Ranges of any kind become ranges of ranks first ([`range`]); what a range is then wanted for, a reply,
//! a count, a removal or a new key, is the same for all of them.

pub(super) mod add;
mod blocking;
mod combine;
mod options;
mod pop;
mod random;
mod range;
mod read;
mod remove;
mod scan;
pub(super) mod score;
mod source;
#[cfg(test)]
mod tests;
pub(super) mod value;

use super::Exec;

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("bzmpop", Exec::Blocking(blocking::bzmpop)),
        ("bzpopmax", Exec::Blocking(blocking::bzpopmax)),
        ("bzpopmin", Exec::Blocking(blocking::bzpopmin)),
        ("zadd", Exec::Keyed(add::zadd)),
        ("zcard", Exec::Keyed(read::zcard)),
        ("zcount", Exec::Keyed(read::zcount)),
        ("zdiff", Exec::Keyed(combine::zdiff)),
        ("zdiffstore", Exec::Keyed(combine::zdiffstore)),
        ("zincrby", Exec::Keyed(add::zincrby)),
        ("zinter", Exec::Keyed(combine::zinter)),
        ("zintercard", Exec::Keyed(combine::zintercard)),
        ("zinterstore", Exec::Keyed(combine::zinterstore)),
        ("zlexcount", Exec::Keyed(read::zlexcount)),
        ("zmpop", Exec::Keyed(pop::zmpop)),
        ("zmscore", Exec::Keyed(read::zmscore)),
        ("zpopmax", Exec::Keyed(pop::zpopmax)),
        ("zpopmin", Exec::Keyed(pop::zpopmin)),
        ("zrandmember", Exec::Keyed(random::zrandmember)),
        ("zrange", Exec::Keyed(range::zrange)),
        ("zrangebylex", Exec::Keyed(range::zrangebylex)),
        ("zrangebyscore", Exec::Keyed(range::zrangebyscore)),
        ("zrangestore", Exec::Keyed(range::zrangestore)),
        ("zrank", Exec::Keyed(read::zrank)),
        ("zrem", Exec::Keyed(remove::zrem)),
        ("zremrangebylex", Exec::Keyed(remove::zremrangebylex)),
        ("zremrangebyrank", Exec::Keyed(remove::zremrangebyrank)),
        ("zremrangebyscore", Exec::Keyed(remove::zremrangebyscore)),
        ("zrevrange", Exec::Keyed(range::zrevrange)),
        ("zrevrangebylex", Exec::Keyed(range::zrevrangebylex)),
        ("zrevrangebyscore", Exec::Keyed(range::zrevrangebyscore)),
        ("zrevrank", Exec::Keyed(read::zrevrank)),
        ("zscan", Exec::Keyed(scan::zscan)),
        ("zscore", Exec::Keyed(read::zscore)),
        ("zunion", Exec::Keyed(combine::zunion)),
        ("zunionstore", Exec::Keyed(combine::zunionstore)),
    ]
}
