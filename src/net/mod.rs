//! Listeners, connections and the registry of clients.

mod conn;
mod listener;
mod outbox;
mod registry;
mod table;
mod unix_socket;

pub use conn::{
    Accepted, Closing, Conn, ConnRef, Multi, OutputClass, Peer, Profile, ReplyTo, Session, Special, Watched,
};
pub use listener::{ListenError, Listener};
pub use outbox::{Gate, Outbox};
pub use registry::{ClientRecord, Registry};
pub use table::ConnTable;
pub use unix_socket::UnixSocketFile;
