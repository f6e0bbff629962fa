//! Listening sockets.

use super::conn::{Accepted, Peer};
use crate::config::{BindHost, Settings};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// A process that was killed a moment ago may still hold its port: for so long binding is tried again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error(
        "Could not create server TCP listening socket {address}: bind: {error}. If the port is in use by another server, \
         stop that or choose another with --port."
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The unix socket cannot be had.
    #[error("Failed opening Unix socket: bind: {}: {error}", path.display())]
    Unix {
        /// The path.
        path: std::path::PathBuf,
        /// What the system said, or why it is refused.
        error: io::Error,
    },
    /// The name stands for nothing.
    #[error("bind {name}: {error}")]
    Name {
        /// The name.
        name: String,
        /// What the resolver said.
        error: io::Error,
    },
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: Socket,
    /// The path, if it is a unix socket's.
    pub path: Option<Arc<str>>,
    /// Clients that come here want this core: they stay on it.
    pub is_core_port: bool,
}

impl Listener {
    /// Listens on `address`.
    pub fn bind(address: SocketAddr, backlog: u32) -> Result<Listener, ListenError> {
        let started = Instant::now();
        loop {
            match Self::try_bind(address, backlog) {
                Ok(socket) => return Ok(Listener { socket, path: None, is_core_port: false }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && started.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(ListenError::Bind { address, error }),
            }
        }
    }

    fn try_bind(address: SocketAddr, backlog: u32) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&SockAddr::from(address))?;
        socket.listen(backlog.min(i32::MAX as u32) as i32)?;
        Ok(socket)
    }

    /// Listens on every address that `bind` names, at `port`; on none if that is 0. An address marked optional (`-::1`)
    /// may be missing on this machine.
    pub fn bind_all(settings: &Settings, port: u16) -> Result<Vec<Listener>, ListenError> {
        let mut listeners = Vec::new();
        if port == 0 {
            return Ok(listeners);
        }
        for bind in &settings.bind {
            for ip in addresses(&bind.host)? {
                match Listener::bind(SocketAddr::new(ip, port), settings.tcp_backlog) {
                    Ok(listener) => listeners.push(listener),
                    Err(failed) if bind.optional && is_missing_here(&failed) => {}
                    Err(failed) => return Err(failed),
                }
            }
        }
        Ok(listeners)
    }

    /// As [`Listener::bind_all`] for the port of one core.
    pub fn bind_core_port(settings: &Settings, port: u16) -> Result<Vec<Listener>, ListenError> {
        let mut listeners = Self::bind_all(settings, port)?;
        listeners.iter_mut().for_each(|listener| listener.is_core_port = true);
        Ok(listeners)
    }

    /// Makes an accepted descriptor a connection: its peer, and the options that every connection has. The descriptor
    /// is owned from here on.
    pub fn accepted(&self, fd: RawFd, keepalive_s: u32) -> io::Result<Accepted> {
        // SAFETY: the kernel has just handed out this descriptor by accept, and nobody else has it.
        let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(fd) });
        if let Some(path) = &self.path {
            return Ok(Accepted { socket: socket.into(), peer: Peer::Unix(path.clone()) });
        }
        let address = |address: SockAddr| address.as_socket().ok_or(io::ErrorKind::InvalidInput);
        let peer = Peer::Tcp { remote: address(socket.peer_addr()?)?, local: address(socket.local_addr()?)? };
        socket.set_tcp_nodelay(true)?;
        if keepalive_s > 0 {
            let span = Duration::from_secs(keepalive_s as u64);
            let interval = Duration::from_secs((keepalive_s as u64 / 3).max(1));
            let keepalive = socket2::TcpKeepalive::new().with_time(span).with_interval(interval).with_retries(3);
            socket.set_tcp_keepalive(&keepalive)?;
        }
        Ok(Accepted { socket: socket.into(), peer })
    }
}

/// The addresses that a `bind` word stands for.
fn addresses(host: &BindHost) -> Result<Vec<IpAddr>, ListenError> {
    Ok(match host {
        BindHost::AnyV4 => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
        BindHost::AnyV6 => vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
        BindHost::Ip(ip) => vec![*ip],
        BindHost::Name(name) => (name.as_str(), 0)
            .to_socket_addrs()
            .map_err(|error| ListenError::Name { name: name.clone(), error })?
            .map(|address| address.ip())
            .collect(),
    })
}

/// Whether this machine has no such address, or no such family of addresses.
fn is_missing_here(failed: &ListenError) -> bool {
    let ListenError::Bind { error, .. } = failed else { return false };
    matches!(
        error.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::EINVAL)
    )
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
