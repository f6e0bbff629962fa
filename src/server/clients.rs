//! This core's part in CLIENT LIST, INFO and KILL.

use super::core::Core;
use crate::command::spec;
use crate::net::{Closing, Conn, Peer, Special};
use crate::resp::Args;
use std::fmt::Write;

/// A kind of client, as CLIENT LIST TYPE and CLIENT KILL TYPE name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    /// An ordinary one.
    Normal,
    /// The server that this one replicates.
    Master,
    /// A server that replicates this one.
    Replica,
    /// One that has subscribed to something.
    PubSub,
}

impl ClientType {
    /// By its name, in any case.
    pub fn by_name(name: &[u8]) -> Option<ClientType> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        match () {
            () if is("normal") => Some(ClientType::Normal),
            () if is("slave") || is("replica") => Some(ClientType::Replica),
            () if is("pubsub") => Some(ClientType::PubSub),
            () if is("master") => Some(ClientType::Master),
            () => None,
        }
    }

    fn of(conn: &Conn) -> ClientType {
        if conn.subscriptions() > 0 { ClientType::PubSub } else { ClientType::Normal }
    }
}

/// Which clients are meant: those that match everything that is given.
#[derive(Clone, Debug, Default)]
pub struct ClientFilter {
    /// Of this kind.
    pub kind: Option<ClientType>,
    /// With one of these numbers.
    pub ids: Option<Vec<u64>>,
    /// From this address.
    pub address: Option<Vec<u8>>,
    /// To this local address.
    pub local_address: Option<Vec<u8>>,
    /// At least so many seconds old.
    pub age_s_min: Option<u64>,
    /// All but this one.
    pub except: Option<u64>,
    /// Do not close this one, but count it: it asked, and still gets its answer.
    pub asking: Option<u64>,
}

impl ClientFilter {
    /// Whether a connection is meant.
    pub fn selects(&self, conn: &Conn, now_ms: u64) -> bool {
        self.kind.is_none_or(|kind| kind == ClientType::of(conn))
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&conn.id))
            && self.address.as_ref().is_none_or(|address| conn.peer.remote_text().as_bytes() == &address[..])
            && self.local_address.as_ref().is_none_or(|address| conn.peer.local_text().as_bytes() == &address[..])
            && self.age_s_min.is_none_or(|age| now_ms.saturating_sub(conn.created_ms) / 1000 >= age)
            && self.except != Some(conn.id)
    }
}

impl Core {
    /// A line about each client that is meant.
    pub(super) fn describe_clients(&self, filter: &ClientFilter) -> Vec<(u64, String)> {
        let selected = self.conns.iter().filter(|conn| filter.selects(conn, self.now_ms));
        selected.map(|conn| (conn.id, describe_client(conn, self.now_ms, conn.request()))).collect()
    }

    /// Closes the clients that are meant; returns how many.
    pub(super) fn kill_clients(&mut self, filter: &ClientFilter) -> u64 {
        let now_ms = self.now_ms;
        let doomed: Vec<_> = self
            .conns
            .iter()
            .filter(|conn| conn.closing == Closing::No && filter.selects(conn, now_ms))
            .map(|conn| (conn.place, conn.id))
            .collect();
        for &(at, id) in &doomed {
            if filter.asking != Some(id) {
                self.close(at);
            }
        }
        doomed.len() as u64
    }
}

/// A client as CLIENT LIST shows it, without the line's end. `request`: what it runs at this moment.
pub(crate) fn describe_client(conn: &Conn, now_ms: u64, request: Option<Args>) -> String {
    // The request that runs counts as read and not yet done with, as in Redis.
    let mut bytes = Vec::new();
    if let Some(request) = request {
        crate::resp::write_command(&mut bytes, request.iter());
    }
    let words: usize = request.iter().flat_map(|request| request.iter()).map(<[u8]>::len).sum();
    let held = conn.outbox.held_replies();
    let multi = conn.multi.as_deref().filter(|_| conn.special.has(Special::MULTI));
    let (queued, multi_bytes) = multi.map_or((-1, 0), |multi| (multi.queued.len() as i64, multi.bytes));
    let name = String::from_utf8_lossy(conn.profile.name.as_deref().unwrap_or_default());
    let command = match conn.last_command {
        u16::MAX => "NULL",
        number => spec::CommandId(number).spec().name,
    };
    let mut line = String::with_capacity(400);
    let _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name={name} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={queued} \
         watch={} qbuf={} qbuf-free={} argv-mem={words} multi-mem={multi_bytes} rbs={} rbp={} obl={} oll={} omem={} \
         tot-mem={} events={} cmd={command} user=default redir=-1 resp={} lib-name={} lib-ver={}",
        conn.id,
        conn.peer.remote_text(),
        conn.peer.local_text(),
        conn.fd(),
        now_ms.saturating_sub(conn.created_ms) / 1000,
        now_ms.saturating_sub(conn.active_ms) / 1000,
        flags(conn),
        conn.session.db,
        conn.profile.channels.len(),
        conn.profile.patterns.len(),
        conn.profile.shard_channels.len(),
        conn.profile.watched.len(),
        bytes.len() + conn.query_bytes(),
        conn.query.capacity() - conn.query.len(),
        conn.sending.capacity(),
        conn.sending.len(),
        conn.output_bytes(),
        held,
        if held > 0 { conn.outbox.memory() } else { 0 },
        conn.memory(),
        if conn.output_bytes() > 0 { "rw" } else { "r" },
        if conn.session.proto.is_resp3() { 3 } else { 2 },
        String::from_utf8_lossy(&conn.profile.lib_name),
        String::from_utf8_lossy(&conn.profile.lib_version),
    );
    line
}

/// The letters of what is special about a client.
fn flags(conn: &Conn) -> String {
    let letters = [
        ('O', conn.special.has(Special::MONITOR)),
        ('P', conn.subscriptions() > 0),
        ('x', conn.special.has(Special::MULTI)),
        ('b', conn.special.has(Special::WAITING)),
        ('d', conn.multi.as_ref().is_some_and(|multi| multi.aborted)),
        ('c', conn.closing == Closing::AfterReplies),
        ('A', conn.closing == Closing::Now),
        ('U', matches!(conn.peer, Peer::Unix(_))),
        ('e', conn.profile.no_evict),
        ('T', conn.session.no_touch),
    ];
    let shown: String = letters.iter().filter(|(_, set)| *set).map(|(letter, _)| *letter).collect();
    if shown.is_empty() { "N".into() } else { shown }
}
