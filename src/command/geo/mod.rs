//! Positions: sorted sets whose scores are geohashes.

mod add;
mod arguments;
mod options;
mod read;
mod reply;
mod search;
#[cfg(test)]
mod tests;

use super::Exec;

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("geoadd", Exec::Keyed(add::geoadd)),
        ("geodist", Exec::Keyed(read::geodist)),
        ("geohash", Exec::Keyed(read::geohash)),
        ("geopos", Exec::Keyed(read::geopos)),
        ("georadius", Exec::Keyed(search::georadius)),
        ("georadius_ro", Exec::Keyed(search::georadius_ro)),
        ("georadiusbymember", Exec::Keyed(search::georadiusbymember)),
        ("georadiusbymember_ro", Exec::Keyed(search::georadiusbymember_ro)),
        ("geosearch", Exec::Keyed(search::geosearch)),
        ("geosearchstore", Exec::Keyed(search::geosearchstore)),
    ]
}
