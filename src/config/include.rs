//! The files that an `include` line names.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::registry::to_path;
use crate::glob;

/// The files that `pattern` names, seen from `base`. With `*`, `?` or `[` in it, those that exist, in the order of their
/// names, and none is no error (an empty conf.d); without, the one file, whether it exists or not.
pub(super) fn files(base: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let path = base.join(to_path(pattern));
    if !has_wildcard(pattern) {
        return vec![path];
    }
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        found = match part {
            Component::Normal(name) if has_wildcard(name.as_bytes()) => {
                found.iter().flat_map(|directory| entries(directory, name.as_bytes())).collect()
            }
            _ => found.into_iter().map(|directory| directory.join(part)).collect(),
        };
    }
    found.retain(|path| path.exists());
    found
}

fn has_wildcard(pattern: &[u8]) -> bool {
    memchr::memchr3(b'*', b'?', b'[', pattern).is_some()
}

/// The entries of `directory` that match, sorted. Hidden ones must be asked for by a leading dot.
fn entries(directory: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> = listing
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| {
            let name = name.as_bytes();
            (!name.starts_with(b".") || pattern.starts_with(b".")) && glob::matches(pattern, name, false)
        })
        .collect();
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}
