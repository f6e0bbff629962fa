//! Commands about the server.

mod backup;
mod cluster;
mod commands;
mod config;
mod debug;
mod debug_protocol;
mod flush;
mod info;
mod latency;
mod lolwut;
mod memory;
mod module;
mod monitor;
mod random_key;
mod replication;
mod save;
mod shutdown;
mod slowlog;
mod time;
mod wait;

use super::Exec;

/// The family's handlers.
pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    [
        backup::handlers(),
        cluster::handlers(),
        commands::handlers(),
        config::handlers(),
        latency::handlers(),
        memory::handlers(),
        module::handlers(),
        replication::handlers(),
        slowlog::handlers(),
        vec![
            ("info", Exec::Conn(info::info)),
            ("time", Exec::Conn(time::time)),
            ("save", Exec::Conn(save::save)),
            ("bgsave", Exec::Conn(save::bgsave)),
            ("bgrewriteaof", Exec::Conn(save::bgrewriteaof)),
            ("lastsave", Exec::Conn(time::last_save)),
            ("lolwut", Exec::Conn(lolwut::lolwut)),
            ("debug", Exec::Conn(debug::debug)),
            ("monitor", Exec::Conn(monitor::monitor)),
            ("flushall", Exec::Conn(flush::flush_all)),
            ("flushdb", Exec::Conn(flush::flush_db)),
            ("swapdb", Exec::Conn(flush::swap_db)),
            ("shutdown", Exec::Conn(shutdown::shutdown)),
            ("wait", Exec::Conn(wait::wait)),
            ("waitaof", Exec::Conn(wait::wait_aof)),
            ("randomkey", Exec::Conn(random_key::random_key)),
        ],
    ]
    .concat()
}

#[cfg(test)]
mod tests;
