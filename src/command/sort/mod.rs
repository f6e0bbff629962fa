//! SORT and SORT_RO: the elements of a list, set or sorted set in order, or what keys named after them hold.
//!
//! Which keys BY and GET reach is known only once the elements are. Over several cores the coordinator therefore asks
//! [`reached_keys`] and brings those values along.

mod options;
mod order;
mod pattern;
mod run;
#[cfg(test)]
mod tests;

use super::Exec;

pub use run::reached_keys;

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[("sort", Exec::Reaching(run::sort)), ("sort_ro", Exec::Reaching(run::sort_ro))]
}
