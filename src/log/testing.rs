//! What the tests of the log share.

use std::path::PathBuf;
use std::sync::Arc;

use super::Directory;
use crate::storage::SimFs;

/// A log's directory `/d` on a simulated disk, its files called `a`.
pub(super) fn directory(fs: &SimFs) -> Directory {
    Directory {
        fs: Arc::new(fs.clone()),
        data_dir: PathBuf::from("/"),
        dirname: "d".to_string(),
        filename: "a".to_string(),
    }
}
