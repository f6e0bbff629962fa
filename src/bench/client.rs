//! A blocking connection for everything that is not measured: handshakes, INFO, checks.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::error::BenchError;
use super::tls::{Session, Tls};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `host:port`.
    Tcp(String),
    /// The path of a unix socket.
    Unix(String),
}

impl std::str::FromStr for Address {
    type Err = String;

    /// `host:port`, `host` (port 6379), `port` alone (on 127.0.0.1), or the path of a socket.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty address".to_string());
        }
        if text.contains('/') {
            return Ok(Address::Unix(text.strip_prefix("unix:").unwrap_or(text).to_string()));
        }
        if let Ok(port) = text.parse::<u16>() {
            return Ok(Address::Tcp(format!("127.0.0.1:{port}")));
        }
        match text.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_err() => Err(format!("\"{port}\" in \"{text}\" is not a port")),
            Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
                Err(format!("\"{text}\": write an IPv6 address in brackets, [::1]:6379"))
            }
            Some(_) => Ok(Address::Tcp(text.to_string())),
            None => Ok(Address::Tcp(format!("{text}:6379"))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(text) | Address::Unix(text) => f.write_str(text),
        }
    }
}

impl Address {
    /// The host's name, for its certificate.
    pub fn host(&self) -> &str {
        match self {
            Address::Unix(_) => "localhost",
            Address::Tcp(text) => {
                let host = text.rsplit_once(':').map_or(text.as_str(), |(host, _)| host);
                host.trim_start_matches('[').trim_end_matches(']')
            }
        }
    }

    /// Whether the server runs on this machine, so that its process can be looked at.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Unix(_) => true,
            Address::Tcp(text) => {
                text.to_socket_addrs().is_ok_and(|mut found| found.any(|address| address.ip().is_loopback()))
            }
        }
    }
}

/// A server and how to introduce oneself to it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: Address,
    /// User for AUTH; none for the default user.
    pub user: Option<String>,
    /// Password for AUTH.
    pub password: Option<String>,
    /// Database to SELECT.
    pub database: u32,
    /// Whether to switch to RESP3 with HELLO.
    pub resp3: bool,
    /// TLS, if the server speaks it.
    pub tls: Option<Tls>,
    /// Whether the server is a cluster whose slots say where a key goes.
    pub cluster: bool,
}

impl Target {
    /// The server at `address`, with no password and database 0.
    pub fn new(address: Address) -> Self {
        Target { address, user: None, password: None, database: 0, resp3: false, tls: None, cluster: false }
    }
}

/// How long a connection may take to be made, and a reply to a handshake or check to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket of either kind, blocking, without Nagle's delay.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
}

impl Socket {
    fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path)?)),
            Address::Tcp(text) => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for address in text.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, PATIENCE) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Socket::Tcp(stream));
                        }
                        Err(e) => last = e,
                    }
                }
                Err(last)
            }
        }
    }

    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        match self {
            Socket::Tcp(s) => s.set_read_timeout(patience).and_then(|()| s.set_write_timeout(patience)),
            Socket::Unix(s) => s.set_read_timeout(patience).and_then(|()| s.set_write_timeout(patience)),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Socket::Tcp(s) => s.as_raw_fd(),
            Socket::Unix(s) => s.as_raw_fd(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.read(buffer),
            Socket::Unix(s) => s.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.write(bytes),
            Socket::Unix(s) => s.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reply, kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A simple or bulk string, or any RESP3 scalar as its text.
    Text(Vec<u8>),
    /// An integer.
    Int(i64),
    /// The missing value.
    Nil,
    /// Array, set, map (flattened) or push.
    Array(Vec<Value>),
    /// An error.
    Error(String),
}

impl Value {
    /// The text of a string or integer, for messages and for parsing numbers.
    pub fn text(&self) -> Option<String> {
        match self {
            Value::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Value::Int(n) => Some(n.to_string()),
            _ => None,
        }
    }

    /// A number, sent as an integer or as a string.
    pub fn number(&self) -> Option<i64> {
        self.text().and_then(|text| text.parse().ok())
    }
}

/// One blocking connection.
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    tls: Option<Box<Session>>,
    address: Address,
    buffer: Vec<u8>,
    at: usize,
}

impl Client {
    /// Connects and introduces itself: AUTH, HELLO 3 and SELECT as the target says.
    pub fn connect(target: &Target) -> Result<Self, BenchError> {
        let unreachable = |source| BenchError::Unreachable { address: target.address.to_string(), source };
        let socket = Socket::connect(&target.address).map_err(unreachable)?;
        socket.set_patience(Some(PATIENCE)).map_err(unreachable)?;
        let mut client = Client { socket, tls: None, address: target.address.clone(), buffer: Vec::new(), at: 0 };
        if let Some(tls) = &target.tls {
            let shaken = Session::new(tls, target.address.host()).and_then(|mut session| {
                session.shake_hands(&mut client.socket)?;
                Ok(session)
            });
            let address = target.address.to_string();
            client.tls = Some(Box::new(shaken.map_err(|source| BenchError::Handshake { address, source })?));
        }
        if let Some(password) = &target.password {
            match &target.user {
                Some(user) => client.expect_ok("AUTH", &["AUTH", user, password])?,
                None => client.expect_ok("AUTH", &["AUTH", password])?,
            }
        }
        if target.resp3 {
            client.expect_ok("HELLO 3", &["HELLO", "3"])?;
        }
        if target.database != 0 {
            client.expect_ok("SELECT", &["SELECT", &target.database.to_string()])?;
        }
        Ok(client)
    }

    fn expect_ok(&mut self, name: &'static str, words: &[&str]) -> Result<(), BenchError> {
        match self.call(words)? {
            Value::Error(reply) => Err(BenchError::Refused { address: self.address.to_string(), command: name, reply }),
            _ => Ok(()),
        }
    }

    /// The bare socket for the generator, with no time limit on it. Nothing may be unread.
    pub fn into_socket(self) -> Result<(Socket, Option<Box<Session>>), BenchError> {
        let name = "setting up a connection";
        self.socket.set_patience(None).map_err(|source| BenchError::io(name, source))?;
        Ok((self.socket, self.tls))
    }

    /// Sends one command and takes its reply. An error reply is a [`Value::Error`].
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value, BenchError> {
        let mut request = Vec::new();
        encode(words, &mut request);
        self.send(&request).map_err(|e| self.lost(words, e))?;
        self.receive().map_err(|e| self.lost(words, e))
    }

    fn lost<W: AsRef<[u8]>>(&self, words: &[W], source: io::Error) -> BenchError {
        let name = words.first().map(|w| String::from_utf8_lossy(w.as_ref()).into_owned()).unwrap_or_default();
        BenchError::Lost { address: self.address.to_string(), command: name, source }
    }

    /// Sends encoded requests.
    pub fn send(&mut self, requests: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return self.socket.write_all(requests) };
        tls.encrypt(requests)?;
        let len = tls.records().len();
        self.socket.write_all(tls.records())?;
        tls.sent(len);
        Ok(())
    }

    /// Takes the next reply.
    pub fn receive(&mut self) -> io::Result<Value> {
        loop {
            let mut at = self.at;
            if let Some(value) = parse(&self.buffer, &mut at, 0)? {
                self.at = at;
                if self.at == self.buffer.len() {
                    self.buffer.clear();
                    self.at = 0;
                }
                return Ok(value);
            }
            self.buffer.drain(..std::mem::take(&mut self.at));
            let len = self.buffer.len();
            self.buffer.resize(len + (16 << 10).max(len), 0);
            let got = self.socket.read(&mut self.buffer[len..]);
            self.buffer.truncate(len + *got.as_ref().unwrap_or(&0));
            if got? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            if let Some(tls) = &mut self.tls {
                let records = self.buffer.split_off(len);
                self.buffer.extend_from_slice(tls.decrypt(&records)?);
            }
        }
    }
}

/// Appends a request.
pub fn encode<W: AsRef<[u8]>>(words: &[W], out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(digits.format(words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(b"\r\n$");
        out.extend_from_slice(digits.format(word.as_ref().len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(word.as_ref());
    }
    out.extend_from_slice(b"\r\n");
}

fn parse(buffer: &[u8], at: &mut usize, depth: usize) -> io::Result<Option<Value>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not RESP: {what}"));
    if depth > 32 {
        return Err(bad("nested too deep"));
    }
    let Some(end) = memchr::memchr(b'\n', &buffer[*at..]).map(|i| *at + i) else { return Ok(None) };
    let line = &buffer[*at..end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    *at = end + 1;
    let Some((&kind, rest)) = line.split_first() else { return Err(bad("an empty line")) };
    let number = || std::str::from_utf8(rest).ok().and_then(|n| n.parse::<i64>().ok()).ok_or_else(|| bad("a number"));
    Ok(Some(match kind {
        b'+' | b',' | b'(' | b'#' => Value::Text(rest.to_vec()),
        b'-' => Value::Error(String::from_utf8_lossy(rest).into_owned()),
        b':' => Value::Int(number()?),
        b'_' => Value::Nil,
        b'$' | b'=' | b'!' => {
            let Ok(len) = usize::try_from(number()?) else { return Ok(Some(Value::Nil)) };
            let Some(bytes) = buffer.get(*at..*at + len) else { return Ok(None) };
            if buffer.len() < *at + len + 2 {
                return Ok(None);
            }
            *at += len + 2;
            match kind {
                b'!' => Value::Error(String::from_utf8_lossy(bytes).into_owned()),
                _ => Value::Text(bytes.to_vec()),
            }
        }
        b'*' | b'~' | b'>' | b'%' => {
            let Ok(len) = usize::try_from(number()?) else { return Ok(Some(Value::Nil)) };
            let len = if kind == b'%' { 2 * len } else { len };
            let mut values = Vec::with_capacity(len.min(1024));
            for _ in 0..len {
                match parse(buffer, at, depth + 1)? {
                    Some(value) => values.push(value),
                    None => return Ok(None),
                }
            }
            Value::Array(values)
        }
        _ => return Err(bad(&format!("type {:?}", kind as char))),
    }))
}

/// The fields of an INFO reply.
pub fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_typos_named() {
        assert_eq!("7000".parse(), Ok(Address::Tcp("127.0.0.1:7000".into())));
        assert_eq!("db".parse(), Ok(Address::Tcp("db:6379".into())));
        assert_eq!("/run/x.sock".parse(), Ok(Address::Unix("/run/x.sock".into())));
        assert!("db:port".parse::<Address>().is_err());
        assert!("::1:6379".parse::<Address>().is_err());
    }

    #[test]
    fn a_reply_in_pieces_is_not_mistaken_for_a_whole_one() {
        let whole = b"*3\r\n$2\r\nab\r\n:-7\r\n*1\r\n-ERR x\r\n";
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut], &mut 0, 0).unwrap().is_none(), "cut at {cut}");
        }
        let value = parse(whole, &mut 0, 0).unwrap().unwrap();
        let inner = Value::Array(vec![Value::Error("ERR x".into())]);
        assert_eq!(value, Value::Array(vec![Value::Text(b"ab".to_vec()), Value::Int(-7), inner]));
    }
}
