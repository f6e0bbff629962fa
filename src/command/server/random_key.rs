//! RANDOMKEY: a key of any core, each with nearly the same chance.

use crate::command::Flow;
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{Core, Finding, Outcome, Query};
use rand::RngExt;

/// RANDOMKEY
pub fn random_key(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let session = conn.session;
    core.in_task(conn, move |handle| async move {
        let db = session.db;
        let mut sizes: Vec<u64> = handle.ask_all(|| Query::Size { db }).await.iter().map(Finding::count).collect();
        loop {
            let total: u64 = sizes.iter().sum();
            if total == 0 {
                return Outcome::write(session.proto, |reply| reply.null());
            }
            let mut chosen = rand::rng().random_range(0..total);
            let core = sizes.iter().position(|&size| {
                let here = chosen < size;
                chosen = chosen.saturating_sub(size);
                here
            });
            let core = core.unwrap_or(0);
            if let Finding::Name(Some(key), gate) = handle.find_out(core, Query::RandomKey { db }).await {
                return Outcome::write(session.proto, |reply| reply.bulk(&key)).behind(gate.into_iter().collect());
            }
            // All that it has is expired, or gone since.
            sizes[core] = 0;
        }
    })
}
