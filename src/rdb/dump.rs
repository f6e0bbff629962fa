//! What DUMP gives and RESTORE takes: type, value, version (u16 LE), CRC-64/REDIS of all before it (u64 LE).

use super::decode::{DecodeError, Options, load_payload};
use super::encode::Encoder;
use super::value::Value;
use super::view::ValueView;
use super::{VERSION_FIELD_TTL, VERSION_VALKEY, crc};

const FOOTER_BYTES: usize = 10;

/// Why a payload was refused.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// Too short for its footer, of a version that is not known, or with a wrong checksum. RESTORE answers
    /// `ERR DUMP payload version or checksum are wrong`.
    #[error("DUMP payload version or checksum are wrong")]
    VersionOrChecksum,
    /// The value itself is broken. RESTORE answers `ERR Bad data format`.
    #[error("bad data format: {0}")]
    Data(#[from] DecodeError),
}

/// Appends the payload for `value`.
pub fn dump(encoder: &mut Encoder, out: &mut Vec<u8>, value: ValueView<'_>) {
    let start = out.len();
    let version = value.version();
    out.push(value.type_byte());
    encoder.value(out, value);
    out.extend_from_slice(&version.to_le_bytes());
    let crc = crc::checksum(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// The value in a payload of any version up to 12 or of Valkey 9's, checked in depth.
pub fn parse_dump(payload: &[u8]) -> Result<Value, DumpError> {
    let Some(body_len) = payload.len().checked_sub(FOOTER_BYTES) else {
        return Err(DumpError::VersionOrChecksum);
    };
    let (body, footer) = payload.split_at(body_len);
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    let expected = crc::checksum(&payload[..body_len + 2]).to_le_bytes();
    if (version > VERSION_FIELD_TTL && version != VERSION_VALKEY) || footer[2..] != expected {
        return Err(DumpError::VersionOrChecksum);
    }
    Ok(load_payload(body, version, Options { deep: true, ..Options::default() })?)
}
