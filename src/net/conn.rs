//! One client's connection: its socket, what it has sent and not yet had executed, its replies, and its state.

use super::outbox::Outbox;
use crate::resp::{OwnedArgs, Parser, Proto};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Where a connection is found: its place on its core, and which of the connections that had this place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnRef {
    /// Place in the core's table.
    pub slot: u32,
    /// Distinguishes connections that had the place one after another.
    pub generation: u32,
}

/// Where a reply goes: a place in the order of a connection's replies, on some core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// The connection's core.
    pub core: u16,
    /// The connection.
    pub conn: ConnRef,
    /// The number that [`Outbox::pending`] gave.
    pub seq: u64,
}

/// What a command needs to know of the connection it runs for; travels with it to other cores.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session {
    /// The client's id, 0 for the server itself.
    pub client: u64,
    /// The selected database.
    pub db: u16,
    /// The protocol of the reply.
    pub proto: Proto,
    /// Leave access times alone (`CLIENT NO-TOUCH`).
    pub no_touch: bool,
    /// Part of MULTI/EXEC or a script: must not block.
    pub in_transaction: bool,
}

/// Something about a connection that takes its commands off the shortest path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Special(u16);

impl Special {
    /// A password is set and has not been given.
    pub const UNAUTHENTICATED: u16 = 1;
    /// Between MULTI and EXEC.
    pub const MULTI: u16 = 2;
    /// Subscribed, in RESP2: few commands are allowed.
    pub const SUBSCRIBED: u16 = 4;
    /// `CLIENT REPLY OFF`.
    pub const REPLY_OFF: u16 = 8;
    /// `CLIENT REPLY SKIP`: the next reply is dropped.
    pub const REPLY_SKIP: u16 = 16;
    /// Receives what MONITOR shows.
    pub const MONITOR: u16 = 32;
    /// Waits for a key that another client is to fill, or for a time.
    pub const WAITING: u16 = 64;
    /// Its next request was shown to monitors already, before it had to be put off.
    pub const SHOWN: u16 = 128;

    /// Whether nothing is special.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of `flags` is set.
    #[inline]
    pub fn has(self, flags: u16) -> bool {
        self.0 & flags != 0
    }

    /// Sets or clears `flags`.
    pub fn set(&mut self, flags: u16, on: bool) {
        if on { self.0 |= flags } else { self.0 &= !flags }
    }
}

/// A connection on its way to the core that will serve it.
pub struct Accepted {
    /// The socket.
    pub socket: OwnedFd,
    /// Where it comes from.
    pub peer: Peer,
}

/// Classes of `client-output-buffer-limit`, in their order in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputClass {
    /// Ordinary clients.
    Normal = 0,
    /// Replicas.
    Replica = 1,
    /// Subscribers.
    PubSub = 2,
}

/// A key watched by WATCH, as its core saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Number of the database.
    pub db: u16,
    /// The key.
    pub key: Box<[u8]>,
    /// When that began, in changes that its core has counted.
    pub version: u64,
    /// The key was not there, or its time was over already.
    pub absent: bool,
}

/// Commands queued between MULTI and EXEC.
#[derive(Debug, Default)]
pub struct Multi {
    /// The commands, each with the number of its row.
    pub queued: Vec<(u16, OwnedArgs)>,
    /// A command was refused while queuing, so that EXEC must refuse all.
    pub aborted: bool,
    /// Bytes queued.
    pub bytes: usize,
}

/// The end of a connection, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closing {
    /// It goes on.
    #[default]
    No,
    /// When all replies have been sent.
    AfterReplies,
    /// At once.
    Now,
}

/// Where the connection comes from.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A TCP client: its address and the one it connected to.
    Tcp {
        /// The client's.
        remote: SocketAddr,
        /// Ours.
        local: SocketAddr,
    },
    /// A client of the unix socket at this path.
    Unix(Arc<str>),
}

impl Peer {
    /// As CLIENT LIST shows it.
    pub fn remote_text(&self) -> String {
        match self {
            Peer::Tcp { remote, .. } => remote.to_string(),
            Peer::Unix(path) => format!("{path}:0"),
        }
    }

    /// Our end, as CLIENT LIST shows it.
    pub fn local_text(&self) -> String {
        match self {
            Peer::Tcp { local, .. } => local.to_string(),
            Peer::Unix(path) => format!("{path}:0"),
        }
    }

    /// Whether it comes from this machine, which protected mode lets in.
    pub fn is_local(&self) -> bool {
        match self {
            Peer::Tcp { remote, .. } => remote.ip().to_canonical().is_loopback(),
            Peer::Unix(_) => true,
        }
    }
}

/// What a client says of itself, and what it subscribed to: rarely looked at, so apart from the rest.
#[derive(Debug, Default)]
pub struct Profile {
    /// `CLIENT SETNAME`.
    pub name: Option<Box<[u8]>>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub lib_name: Box<[u8]>,
    /// `CLIENT SETINFO LIB-VER`.
    pub lib_version: Box<[u8]>,
    /// Channels subscribed to.
    pub channels: HashSet<Box<[u8]>>,
    /// Patterns subscribed to.
    pub patterns: HashSet<Box<[u8]>>,
    /// Sharded channels subscribed to.
    pub shard_channels: HashSet<Box<[u8]>>,
    /// Keys watched.
    pub watched: Vec<Watched>,
    /// `CLIENT NO-EVICT`.
    pub no_evict: bool,
}

/// One connection.
pub struct Conn {
    /// Where it is found.
    pub place: ConnRef,
    /// Its id as clients see it; never used twice.
    pub id: u64,
    /// Its key in the registry of clients.
    pub registered: Option<usize>,
    socket: OwnedFd,
    /// Where it comes from.
    pub peer: Peer,
    /// Session state that travels with commands.
    pub session: Session,
    /// What takes its commands off the shortest path.
    pub special: Special,
    /// The parser, resumable within a request.
    pub parser: Parser,
    /// Received and not executed, from `query_start` on.
    pub query: Vec<u8>,
    /// First byte of `query` not executed.
    pub query_start: usize,
    /// Replies.
    pub outbox: Outbox,
    /// Bytes being sent, and how many of them were.
    pub sending: Vec<u8>,
    /// Sent of `sending`.
    pub sent: usize,
    /// A send is with the kernel.
    pub send_in_flight: bool,
    /// The send under way makes no completion unless it fails.
    pub send_is_quick: bool,
    /// The multishot receive is armed.
    pub receiving: bool,
    /// Commands under way that span cores or wait for something (EXEC and one of its own make two): later requests
    /// wait.
    pub blocked: u32,
    /// The next request must not start before earlier ones are answered.
    pub awaits_drain: bool,
    /// What it waits for is room in the log, or the end of a pause.
    pub awaits_space: bool,
    /// It is in the list of connections with output.
    pub dirty: bool,
    /// Whether and when it ends.
    pub closing: Closing,
    /// Its socket was shut down, so that the kernel lets go of it.
    pub shut: bool,
    /// Queued commands.
    pub multi: Option<Box<Multi>>,
    /// Rarely used state.
    pub profile: Box<Profile>,
    /// When it was accepted, unix ms.
    pub created_ms: u64,
    /// When it last sent something, unix ms.
    pub active_ms: u64,
    /// The last command's row.
    pub last_command: u16,
    /// The command about the connection or the server that runs as a task, to be counted at its end.
    pub under_way: Option<Box<crate::server::UnderWay>>,
    /// Since when the output buffer has been over its soft limit, unix ms; 0 when it is not.
    pub soft_limit_since_ms: u64,
    /// Commands executed.
    pub commands: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

impl Conn {
    /// A connection that was just accepted.
    pub fn new(place: ConnRef, id: u64, registered: Option<usize>, socket: OwnedFd, peer: Peer, now_ms: u64) -> Conn {
        Conn {
            place,
            id,
            registered,
            socket,
            peer,
            session: Session { client: id, ..Session::default() },
            special: Special::default(),
            parser: Parser::new(),
            query: Vec::new(),
            query_start: 0,
            outbox: Outbox::default(),
            sending: Vec::new(),
            sent: 0,
            send_in_flight: false,
            send_is_quick: false,
            receiving: false,
            blocked: 0,
            awaits_drain: false,
            awaits_space: false,
            dirty: false,
            closing: Closing::No,
            shut: false,
            multi: None,
            profile: Box::default(),
            created_ms: now_ms,
            active_ms: now_ms,
            last_command: u16::MAX,
            under_way: None,
            soft_limit_since_ms: 0,
            commands: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// The socket.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Bytes received and not executed.
    pub fn query_bytes(&self) -> usize {
        self.query.len() - self.query_start
    }

    /// Bytes of replies not sent yet.
    pub fn output_bytes(&self) -> usize {
        self.outbox.bytes() + self.sending.len() - self.sent
    }

    /// How many channels and patterns it is subscribed to.
    pub fn subscriptions(&self) -> usize {
        self.profile.channels.len() + self.profile.patterns.len() + self.profile.shard_channels.len()
    }

    /// Whether the kernel still holds memory of this connection, so that it must not be freed.
    pub fn kernel_holds(&self) -> bool {
        self.send_in_flight || self.receiving
    }

    /// The request about the connection or the server that runs at this moment.
    pub fn request(&self) -> Option<crate::resp::Args<'_>> {
        self.under_way.as_ref().map(|under_way| under_way.args())
    }

    /// Memory that this connection holds, bytes.
    pub fn memory(&self) -> usize {
        size_of::<Conn>()
            + size_of::<Profile>()
            + self.query.capacity()
            + self.sending.capacity()
            + self.outbox.memory()
            + self.multi.as_ref().map_or(0, |multi| multi.bytes)
    }
}
