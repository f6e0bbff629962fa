//! Commands about the connection.

mod auth;
mod hello;
mod identity;
mod kill;
mod list;
mod ping;
mod reset;
mod tracking;

use super::Exec;
use super::answer::help;

/// The family's handlers.
pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("auth", Exec::Conn(auth::auth)),
        ("hello", Exec::Conn(hello::hello)),
        ("ping", Exec::Conn(ping::ping)),
        ("echo", Exec::Conn(ping::echo)),
        ("quit", Exec::Conn(ping::quit)),
        ("select", Exec::Conn(ping::select)),
        ("reset", Exec::Conn(reset::reset)),
        ("client|help", Exec::Conn(help)),
        ("client|id", Exec::Conn(identity::id)),
        ("client|getname", Exec::Conn(identity::getname)),
        ("client|setname", Exec::Conn(identity::setname)),
        ("client|setinfo", Exec::Conn(identity::setinfo)),
        ("client|capa", Exec::Conn(identity::capa)),
        ("client|no-evict", Exec::Conn(identity::no_evict)),
        ("client|no-touch", Exec::Conn(identity::no_touch)),
        ("client|reply", Exec::Conn(identity::reply)),
        ("client|info", Exec::Conn(list::info)),
        ("client|list", Exec::Conn(list::list)),
        ("client|kill", Exec::Conn(kill::kill)),
        ("client|pause", Exec::Conn(kill::pause)),
        ("client|unpause", Exec::Conn(kill::unpause)),
        ("client|unblock", Exec::Conn(kill::unblock)),
        ("client|getredir", Exec::Conn(tracking::getredir)),
        ("client|tracking", Exec::Conn(tracking::tracking)),
        ("client|trackinginfo", Exec::Conn(tracking::trackinginfo)),
        ("client|caching", Exec::Conn(tracking::caching)),
    ]
}

#[cfg(test)]
mod tests;
