//! A small RESP client that never waits for ever.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a reply may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A reply.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Nil,
    Int(i64),
    /// `+`, `,`, `#`, `(` and their like: a line.
    Line(String),
    Error(String),
    Bulk(Vec<u8>),
    /// Arrays, sets and pushes; a map is an array of twice its length.
    Array(Vec<Value>),
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Int(n) => write!(f, ":{n}"),
            Value::Line(text) => write!(f, "+{text}"),
            Value::Error(text) => write!(f, "-{text}"),
            Value::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Value::Array(items) => f.debug_list().entries(items).finish(),
        }
    }
}

impl Value {
    pub fn ok() -> Value {
        Value::Line("OK".into())
    }

    pub fn bulk(text: impl AsRef<[u8]>) -> Value {
        Value::Bulk(text.as_ref().to_vec())
    }

    /// Text of a line, bulk, error or number, as a person would read it.
    pub fn text(&self) -> String {
        match self {
            Value::Nil => "(nil)".into(),
            Value::Int(n) => n.to_string(),
            Value::Line(text) | Value::Error(text) => text.clone(),
            Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Array(items) => items.iter().map(Value::text).collect::<Vec<_>>().join(" "),
        }
    }

    pub fn int(&self) -> i64 {
        self.text().parse().unwrap_or_else(|_| panic!("a number was expected: {self:?}"))
    }

    pub fn items(self) -> Vec<Value> {
        if let Value::Array(items) = self { items } else { panic!("an array was expected: {self:?}") }
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }
}

/// A connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    /// Tells kinds of replies apart that otherwise look alike: maps, sets, pushes, doubles, booleans, the nulls. An
    /// element in front, or the sign of a line, then says which.
    pub shapes: bool,
}

/// A request in RESP.
pub fn encode<W: AsRef<[u8]>>(words: &[W], out: &mut Vec<u8>) {
    write!(out, "*{}\r\n", words.len()).unwrap();
    for word in words {
        write!(out, "${}\r\n", word.as_ref().len()).unwrap();
        out.extend(word.as_ref());
        out.extend(b"\r\n");
    }
}

impl Client {
    pub fn connect(port: u16) -> Client {
        Client::try_connect(port).unwrap()
    }

    pub fn try_connect(port: u16) -> io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::with_capacity(1 << 16, stream), shapes: false })
    }

    /// The socket itself.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<()> {
        let mut request = Vec::new();
        encode(words, &mut request);
        self.send_raw(&request)
    }

    /// One command of any words, and its reply.
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Value {
        self.try_call(words).unwrap_or_else(|error| {
            let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word.as_ref())).collect();
            panic!("no reply to {words:?}: {error}")
        })
    }

    pub fn try_call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<Value> {
        self.send(words)?;
        self.read()
    }

    /// One command of words without blanks, and its reply.
    pub fn say(&mut self, line: &str) -> Value {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// The same, and the reply must be this text.
    pub fn expect(&mut self, line: &str, reply: &str) {
        assert_eq!(self.say(line).text(), reply, "{line}");
    }

    /// Many commands in one write, and all replies.
    pub fn pipeline<W: AsRef<[u8]>>(&mut self, commands: &[Vec<W>]) -> Vec<Value> {
        let mut request = Vec::new();
        commands.iter().for_each(|words| encode(words, &mut request));
        // Written by another thread: replies must be read meanwhile, or both sides stand still with full buffers.
        let mut socket = self.socket().try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || socket.write_all(&request).unwrap());
            commands.iter().map(|_| self.read().unwrap()).collect()
        })
    }

    pub fn read(&mut self) -> io::Result<Value> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.strip_suffix(b"\r\n").ok_or_else(|| bad(&line))?;
        let rest = String::from_utf8_lossy(&text[1..]).into_owned();
        let length = || rest.parse::<i64>().map_err(|_| bad(&line));
        if self.shapes {
            match (text[0], rest.as_str()) {
                (b',' | b'#' | b'(', _) => return Ok(Value::Line(String::from_utf8_lossy(text).into_owned())),
                (b'_', _) | (b'*', "-1") => return Ok(Value::Line(format!("null {}", text[0] as char))),
                (b'%' | b'~' | b'>', _) => {
                    let count = if text[0] == b'%' { 2 * length()? } else { length()? };
                    let mut items = vec![Value::Line((text[0] as char).into())];
                    for _ in 0..count {
                        items.push(self.read()?);
                    }
                    return Ok(Value::Array(items));
                }
                _ => {}
            }
        }
        Ok(match text[0] {
            b'+' | b',' | b'#' | b'(' => Value::Line(rest),
            b'-' => Value::Error(rest),
            b':' => Value::Int(length()?),
            b'_' => Value::Nil,
            b'$' | b'=' => match length()? {
                -1 => Value::Nil,
                length => {
                    let mut bytes = vec![0; length as usize + 2];
                    self.stream.read_exact(&mut bytes)?;
                    bytes.truncate(length as usize);
                    Value::Bulk(bytes)
                }
            },
            b'*' | b'~' | b'>' => match length()? {
                -1 => Value::Nil,
                length => Value::Array((0..length).map(|_| self.read()).collect::<io::Result<_>>()?),
            },
            b'%' => Value::Array((0..2 * length()?).map(|_| self.read()).collect::<io::Result<_>>()?),
            _ => return Err(bad(&line)),
        })
    }

    /// True if the server has closed the connection; what it still sent is read away.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

fn bad(line: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a reply: {:?}", String::from_utf8_lossy(line)))
}
