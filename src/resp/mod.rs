//! RESP2 and RESP3: the request parser and the reply writer.
//!
//! Requests arrive as arrays of bulk strings or as inline lines; the parser finds the arguments without copying them
//! and [`Args`] gives a command its view of them. Replies are written by [`Reply`] straight into the connection's
//! output buffer. The protocol is described at <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

mod args;
mod parser;
mod reply;

pub use args::{Args, OwnedArgs, Span};
pub use parser::{Parsed, Parser, ProtocolError, RequestLimits};
pub use reply::{Proto, Reply, write_command};
