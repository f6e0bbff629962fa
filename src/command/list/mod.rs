//! Lists.

mod access;
mod blocking;
mod edit;
mod find;
mod mpop;
mod pop;
mod push;
mod read;
mod shift;
#[cfg(test)]
mod tests;

use super::Exec;

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("blmove", Exec::Blocking(blocking::blmove)),
        ("blmpop", Exec::Blocking(blocking::blmpop)),
        ("blpop", Exec::Blocking(blocking::blpop)),
        ("brpop", Exec::Blocking(blocking::brpop)),
        ("brpoplpush", Exec::Blocking(blocking::brpoplpush)),
        ("lindex", Exec::Keyed(read::lindex)),
        ("linsert", Exec::Keyed(edit::linsert)),
        ("llen", Exec::Keyed(read::llen)),
        ("lmove", Exec::Keyed(shift::lmove)),
        ("lmpop", Exec::Keyed(mpop::lmpop)),
        ("lpop", Exec::Keyed(pop::lpop)),
        ("lpos", Exec::Keyed(find::lpos)),
        ("lpush", Exec::Keyed(push::lpush)),
        ("lpushx", Exec::Keyed(push::lpushx)),
        ("lrange", Exec::Keyed(read::lrange)),
        ("lrem", Exec::Keyed(edit::lrem)),
        ("lset", Exec::Keyed(edit::lset)),
        ("ltrim", Exec::Keyed(edit::ltrim)),
        ("rpop", Exec::Keyed(pop::rpop)),
        ("rpoplpush", Exec::Keyed(shift::rpoplpush)),
        ("rpush", Exec::Keyed(push::rpush)),
        ("rpushx", Exec::Keyed(push::rpushx)),
    ]
}
