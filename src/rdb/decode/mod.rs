//! The reader: a file or a block of one, record by record.

mod error;
mod input;
mod legacy;
mod stream;
mod value;

use std::io::Read;

pub use error::{DecodeError, Fault};
use input::Input;

use super::encode::Access;
use super::value::Value;
use super::{VERSION_FIELD_TTL, VERSION_VALKEY, opcode};

const BUFFER_BYTES: usize = 256 * 1024;

/// How strictly to read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Look for members and fields that stand twice. Bounds, counts, scores, expiries and streams are always checked.
    pub deep: bool,
    /// Work out and compare the checksum (setting `rdbchecksum`).
    pub checksum: bool,
    /// The longest string accepted, in bytes (setting `proto-max-bulk-len`). Compressed ones end at 2 GiB in any case.
    pub string_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { deep: false, checksum: true, string_bytes_max: 512 << 20 }
    }
}

/// What a file consists of.
#[derive(Debug, PartialEq)]
pub enum Item {
    /// A named field about the file. Unknown names are to be ignored.
    Aux {
        /// Its name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// The following keys belong to this database.
    SelectDb(u32),
    /// A hint of how many keys, and keys with a TTL, the database has.
    ResizeDb {
        /// Keys.
        keys: u64,
        /// Keys with a TTL.
        expires: u64,
    },
    /// A hint of how many keys a slot has.
    SlotInfo {
        /// The slot.
        slot: u64,
        /// Keys.
        keys: u64,
        /// Keys with a TTL.
        expires: u64,
    },
    /// A library of functions: its source with the `#!` line.
    Function(Vec<u8>),
    /// A module's own data, passed over.
    ModuleAux {
        /// The module type's name.
        module: String,
    },
    /// Slots that a Valkey cluster was importing, passed over.
    SlotImport,
    /// A key.
    Key(KeyRecord),
    /// The end of the file.
    Eof(Checksum),
}

/// A key and what belongs to it.
#[derive(Debug, PartialEq)]
pub struct KeyRecord {
    /// The key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Value,
    /// When it expires, in Unix ms. It may have expired already.
    pub expire_ms: Option<i64>,
    /// What eviction knew of it.
    pub access: Access,
}

/// What the checksum at the end said. A wrong one is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It is right.
    Right,
    /// The file was written without one (0), or is older than version 5.
    Absent,
    /// It was not looked at, as [`Options::checksum`] asked.
    Ignored,
}

/// Reads a file, or some blocks of one, from any byte source; buffers by itself.
pub struct Reader<R> {
    input: Input<R>,
    version: u16,
    deep: bool,
    /// Whether the input is a whole file, which ends in EOF.
    whole: bool,
    done: bool,
    expire_ms: Option<i64>,
    access: Access,
    empty_keys: u64,
    /// Context for errors.
    record: Option<u8>,
    key: Option<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    /// Reads the header of a whole file.
    pub fn new(source: R, options: Options) -> Result<Self, DecodeError> {
        let mut reader = Reader::with(source, 0, 0, options, BUFFER_BYTES, true);
        match reader.header() {
            Ok(version) => {
                reader.version = version;
                Ok(reader)
            }
            Err(fault) => Err(reader.error(fault)),
        }
    }

    /// Reads records from the middle of a file of this version, starting at `offset`, until the source ends. The
    /// checksum is the caller's.
    pub fn block(source: R, version: u16, offset: u64, options: Options) -> Self {
        Reader::with(source, version, offset, Options { checksum: false, ..options }, BUFFER_BYTES, false)
    }

    fn with(source: R, version: u16, offset: u64, options: Options, capacity: usize, whole: bool) -> Self {
        Reader {
            input: Input::new(source, capacity, offset, options.checksum, options.string_bytes_max),
            version,
            deep: options.deep,
            whole,
            done: false,
            expire_ms: None,
            access: Access::Unknown,
            empty_keys: 0,
            record: None,
            key: None,
        }
    }

    /// The file's version; [`VERSION_VALKEY`] for Valkey's dialect.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// How many bytes were read, from the file's start.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// How many keys were left out because their value had no elements, as Redis does.
    pub fn empty_keys(&self) -> u64 {
        self.empty_keys
    }

    /// The bytes behind the file's end that are already buffered, and the source: an old AOF goes on there.
    pub fn into_parts(self) -> (Vec<u8>, R) {
        self.input.into_parts()
    }

    /// The next item; `None` behind [`Item::Eof`], or at the end of a block's source. After an error the reader is of
    /// no more use.
    pub fn next_item(&mut self) -> Result<Option<Item>, DecodeError> {
        if self.done {
            return Ok(None);
        }
        match self.item() {
            Ok(item) => {
                self.done = matches!(item, None | Some(Item::Eof(_)));
                Ok(item)
            }
            Err(fault) => {
                self.done = true;
                Err(self.error(fault))
            }
        }
    }

    #[cold]
    fn error(&mut self, fault: Fault) -> DecodeError {
        DecodeError { fault, offset: self.input.mark(), record: self.record, key: self.key.take() }
    }

    fn header(&mut self) -> Result<u16, Fault> {
        let magic: [u8; 9] = self.input.array()?;
        let (digits, valkey) = match &magic {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (&digits[..], false),
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (&digits[..], true),
            _ => return Err(Fault::Magic),
        };
        let mut version = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return Err(Fault::Magic);
            }
            version = version * 10 + u16::from(digit - b'0');
        }
        let known = if valkey { version == VERSION_VALKEY } else { (1..=VERSION_FIELD_TTL).contains(&version) };
        if known { Ok(version) } else { Err(Fault::Version(version)) }
    }

    fn item(&mut self) -> Result<Option<Item>, Fault> {
        loop {
            self.record = None;
            self.key = None;
            if !self.whole && self.input.at_end()? {
                return Ok(None);
            }
            let code = self.input.byte()?;
            self.record = Some(code);
            let input = &mut self.input;
            return Ok(Some(match code {
                opcode::EXPIRETIME => {
                    self.expire_ms = Some(i64::from(i32::from_le_bytes(input.array()?)) * 1000);
                    continue;
                }
                opcode::EXPIRETIME_MS => {
                    self.expire_ms = Some(input.i64_le()?).filter(|expire_ms| *expire_ms != -1);
                    continue;
                }
                opcode::IDLE => {
                    self.access = Access::Idle(input.len()?);
                    continue;
                }
                opcode::FREQ => {
                    self.access = Access::Frequency(input.byte()?);
                    continue;
                }
                opcode::AUX => Item::Aux { name: input.string()?, value: input.string()? },
                opcode::SELECTDB => {
                    let db = input.len()?;
                    Item::SelectDb(u32::try_from(db).map_err(|_| Fault::Database(db))?)
                }
                opcode::RESIZEDB => Item::ResizeDb { keys: input.len()?, expires: input.len()? },
                opcode::SLOT_INFO => Item::SlotInfo { slot: input.len()?, keys: input.len()?, expires: input.len()? },
                opcode::VALKEY_SLOT_IMPORT if self.version == VERSION_VALKEY => {
                    input.skip_string()?;
                    for _ in 0..input.len()? {
                        input.len()?;
                        input.len()?;
                    }
                    Item::SlotImport
                }
                opcode::FUNCTION2 => Item::Function(input.string()?),
                opcode::FUNCTION_PRE_GA => return Err(Fault::FunctionPreGa),
                opcode::MODULE_AUX => self.module_aux()?,
                opcode::EOF => Item::Eof(self.eof()?),
                type_byte => match self.key(type_byte)? {
                    Some(record) => Item::Key(record),
                    None => continue,
                },
            }));
        }
    }

    fn key(&mut self, type_byte: u8) -> Result<Option<KeyRecord>, Fault> {
        let expire_ms = self.expire_ms.take();
        let access = std::mem::take(&mut self.access);
        // The key waits here so that an error can name it.
        self.key = Some(self.input.string()?);
        let value = value::load(&mut self.input, type_byte, self.version, self.deep)?;
        let key = self.key.take().unwrap_or_default();
        match value {
            Some(value) => Ok(Some(KeyRecord { key, value, expire_ms, access })),
            None => {
                self.empty_keys += 1;
                Ok(None)
            }
        }
    }

    fn module_aux(&mut self) -> Result<Item, Fault> {
        let input = &mut self.input;
        let module = value::module_name(input.len()?);
        loop {
            match input.len()? {
                opcode::MODULE_EOF => return Ok(Item::ModuleAux { module }),
                opcode::MODULE_SINT | opcode::MODULE_UINT => {
                    input.len()?;
                }
                opcode::MODULE_FLOAT => {
                    input.array::<4>()?;
                }
                opcode::MODULE_DOUBLE => {
                    input.array::<8>()?;
                }
                opcode::MODULE_STRING => input.skip_string()?,
                part => return Err(Fault::ModulePart(part)),
            }
        }
    }

    fn eof(&mut self) -> Result<Checksum, Fault> {
        if self.version < 5 {
            return Ok(Checksum::Absent);
        }
        let actual = self.input.crc();
        let expected = u64::from_le_bytes(self.input.array()?);
        match actual {
            _ if expected == 0 => Ok(Checksum::Absent),
            None => Ok(Checksum::Ignored),
            Some(actual) if actual == expected => Ok(Checksum::Right),
            Some(actual) => Err(Fault::Checksum { expected, actual }),
        }
    }
}

/// The value in a DUMP payload without its footer.
pub(super) fn load_payload(body: &[u8], version: u16, options: Options) -> Result<Value, DecodeError> {
    let capacity = body.len().min(BUFFER_BYTES);
    let options = Options { checksum: false, ..options };
    let mut reader = Reader::with(body, version, 0, options, capacity, false);
    let value = reader.input.byte().and_then(|type_byte| {
        reader.record = Some(type_byte);
        value::load(&mut reader.input, type_byte, version, reader.deep)?.ok_or(Fault::Empty)
    });
    value.map_err(|fault| reader.error(fault))
}
