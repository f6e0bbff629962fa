//! What a completion belongs to, packed into the 64 bits that the kernel hands back.

/// A kind and its payload: `kind` in the top 8 bits, a connection's slot (24 bits) and generation (32 bits), or a
/// 56-bit number, below.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Token(u64);

impl Token {
    /// Completions that nobody waits for.
    pub const IGNORE: u8 = 0;
    /// A listener's multishot accept; payload: the listener's index.
    pub const ACCEPT: u8 = 1;
    /// A connection's multishot receive.
    pub const RECV: u8 = 2;
    /// A connection's send.
    pub const SEND: u8 = 3;
    /// An operation of the log; payload: the log's own token.
    pub const LOG: u8 = 4;
    /// Another core rang: look at the mesh.
    pub const BELL: u8 = 5;
    /// The ring's timer.
    pub const TIMER: u8 = 6;
    /// A thread that is no core rang: look into the mailbox.
    pub const OUTSIDE: u8 = 8;
    /// A write of a snapshot; payload: the writer's own token.
    pub const SNAPSHOT: u8 = 7;

    /// A token of `kind` with a payload of 56 bits.
    pub const fn new(kind: u8, payload: u64) -> Token {
        debug_assert!(payload < 1 << 56);
        Token((kind as u64) << 56 | payload)
    }

    /// A connection's token.
    #[inline]
    pub const fn connection(kind: u8, slot: u32, generation: u32) -> Token {
        Token::new(kind, (slot as u64) << 32 | generation as u64)
    }

    /// The kind: one of the constants above.
    #[inline]
    pub const fn kind(self) -> u8 {
        (self.0 >> 56) as u8
    }

    /// The payload.
    #[inline]
    pub const fn payload(self) -> u64 {
        self.0 & ((1 << 56) - 1)
    }

    /// Slot and generation of a connection's token.
    #[inline]
    pub const fn slot_generation(self) -> (u32, u32) {
        ((self.payload() >> 32) as u32, self.0 as u32)
    }

    /// As the kernel carries it.
    #[inline]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// From what the kernel handed back.
    #[inline]
    pub const fn from_raw(raw: u64) -> Token {
        Token(raw)
    }
}
