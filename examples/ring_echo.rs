//! The floor under every figure: a server that sends back what it receives, on the same ring with the same entries as
//! Basalt, and does nothing else. `redis-benchmark` takes the echo of a request for its reply.
//!
//! ```text
//! cargo run --release --example ring_echo -- 7777
//! ```

use basalt::ring::{BufferRing, Completion, Ring, Token, Wait};
use io_uring::opcode;
use io_uring::types::Fd;
use std::collections::HashMap;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A connection: its socket, what is to be sent, and what is being sent.
struct Echo {
    socket: OwnedFd,
    ready: Vec<u8>,
    sending: Vec<u8>,
    in_flight: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).unwrap_or_else(|| "7777".into()).parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let mut ring = Ring::new()?;
    let mut buffers = BufferRing::new(&ring, 0, 256, 16 * 1024)?;
    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build();
    // SAFETY: the entry names no memory.
    unsafe { ring.push(accept, Token::new(Token::ACCEPT, 0))? };
    let mut clients: HashMap<u32, Echo> = HashMap::new();
    let (mut completions, mut dirty) = (Vec::<Completion>::new(), Vec::new());
    loop {
        ring.enter(Wait::AtMostUs(1_000_000))?;
        ring.reap(&mut completions);
        for completion in completions.drain(..) {
            let (slot, _) = completion.token.slot_generation();
            match completion.token.kind() {
                Token::ACCEPT if completion.result >= 0 => {
                    let fd = completion.result;
                    // SAFETY: the kernel has just handed the descriptor out.
                    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
                    socket2::SockRef::from(&socket).set_tcp_nodelay(true)?;
                    let echo = Echo { socket, ready: Vec::new(), sending: Vec::new(), in_flight: false };
                    clients.insert(fd as u32, echo);
                    let receive = opcode::RecvMulti::new(Fd(fd), 0).build();
                    // SAFETY: the kernel writes into the buffer ring only, which outlives the loop.
                    unsafe { ring.push(receive, Token::connection(Token::RECV, fd as u32, 0))? };
                }
                Token::RECV => {
                    if let Some(id) = completion.buffer() {
                        if let Some(client) = clients.get_mut(&slot) {
                            client.ready.extend_from_slice(buffers.filled(id, completion.result.max(0) as usize));
                            dirty.push(slot);
                        }
                        buffers.give(id);
                    }
                    let ended = completion.result == 0;
                    if ended && clients.get(&slot).is_some_and(|client| !client.in_flight) {
                        clients.remove(&slot);
                    } else if !ended && !completion.more() {
                        let receive = opcode::RecvMulti::new(Fd(slot as i32), 0).build();
                        // SAFETY: as above.
                        unsafe { ring.push(receive, Token::connection(Token::RECV, slot, 0))? };
                    }
                }
                Token::SEND => {
                    if let Some(client) = clients.get_mut(&slot) {
                        client.in_flight = false;
                        client.sending.clear();
                        if !client.ready.is_empty() {
                            dirty.push(slot);
                        }
                    }
                }
                _ => {}
            }
        }
        buffers.publish();
        for slot in dirty.drain(..) {
            let Some(client) = clients.get_mut(&slot) else { continue };
            if client.in_flight || client.ready.is_empty() {
                continue;
            }
            std::mem::swap(&mut client.ready, &mut client.sending);
            client.in_flight = true;
            let send =
                opcode::Send::new(Fd(client.socket.as_raw_fd()), client.sending.as_ptr(), client.sending.len() as u32)
                    .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
                    .build();
            // SAFETY: `sending` is not touched until the completion.
            unsafe { ring.push(send, Token::connection(Token::SEND, slot, 0))? };
        }
    }
}
