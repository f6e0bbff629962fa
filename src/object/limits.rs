//! The settings that decide on encodings, of all types together.

use super::{hash, list, set, stream, zset};
use crate::config::Settings;

/// When each type changes its encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Lists.
    pub list: list::Thresholds,
    /// Sets.
    pub set: set::Thresholds,
    /// Hashes.
    pub hash: hash::Thresholds,
    /// Sorted sets.
    pub zset: zset::ZSetLimits,
    /// Streams.
    pub stream: stream::StreamLimits,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Limits {
        Limits {
            list: list::Thresholds { listpack_size_max: settings.list_max_listpack_size },
            set: set::Thresholds {
                intset_entries_max: settings.set_max_intset_entries as usize,
                listpack_entries_max: settings.set_max_listpack_entries as usize,
                listpack_value_bytes_max: settings.set_max_listpack_value as usize,
            },
            hash: hash::Thresholds {
                listpack_entries_max: settings.hash_max_listpack_entries as usize,
                listpack_value_bytes_max: settings.hash_max_listpack_value as usize,
            },
            zset: zset::ZSetLimits {
                max_listpack_entries: settings.zset_max_listpack_entries as usize,
                max_listpack_value: settings.zset_max_listpack_value as usize,
            },
            stream: stream::StreamLimits {
                node_max_bytes: settings.stream_node_max_bytes as usize,
                node_max_entries: u64::from(settings.stream_node_max_entries),
            },
        }
    }
}
