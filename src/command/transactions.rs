//! The transaction commands; see [`crate::server`] for how a transaction runs.

use super::Exec;
use crate::server::transaction::{discard, exec, multi, unwatch, watch};

/// The family's handlers.
pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("multi", Exec::Conn(multi)),
        ("exec", Exec::Conn(exec)),
        ("discard", Exec::Conn(discard)),
        ("watch", Exec::Conn(watch)),
        ("unwatch", Exec::Conn(unwatch)),
    ]
}
