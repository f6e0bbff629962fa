//! What can go wrong in the harness, worded for the person at the terminal.

use std::io;

/// A failure of the harness or of the server under it. The text says what to do where there is something to do.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No connection could be made.
    #[error("cannot reach the server at {address}: {source}")]
    Unreachable {
        /// Where the harness tried to connect.
        address: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A connection was made, and TLS did not come about on it.
    #[error("TLS with the server at {address} failed: {source}")]
    Handshake {
        /// The server.
        address: String,
        /// What went wrong.
        source: io::Error,
    },
    /// AUTH, SELECT or HELLO was answered with an error.
    #[error("the server at {address} refused {command}: {reply}")]
    Refused {
        /// The server.
        address: String,
        /// The command, without its secrets.
        command: &'static str,
        /// The server's error text.
        reply: String,
    },
    /// The connection ended or broke while a reply was due.
    #[error("lost the connection to {address} while waiting for {command}: {source}")]
    Lost {
        /// The server.
        address: String,
        /// What was asked.
        command: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Bytes that are not RESP.
    #[error("the server's reply is not RESP: {0}")]
    Protocol(#[from] super::reply::ProtocolError),
    /// A reply of the right form and the wrong content.
    #[error("unexpected reply to {command}: {reply}")]
    Unexpected {
        /// What was asked.
        command: String,
        /// What came, abridged.
        reply: String,
    },
    /// A workload, distribution, rate or other setting that cannot be understood.
    #[error("{0}")]
    Workload(String),
    /// io_uring could not be set up.
    #[error("cannot set up io_uring ({step}): {source}")]
    Ring {
        /// Which step failed.
        step: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file could not be written or a process not started.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A server that the harness started did not become ready.
    #[error("the server did not become ready: {0}")]
    NotReady(String),
}

impl BenchError {
    /// Names the attempt that ended in `source`.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        BenchError::Io { what: what.into(), source }
    }

    /// A setting that cannot be understood.
    pub fn workload(text: impl Into<String>) -> Self {
        BenchError::Workload(text.into())
    }
}
