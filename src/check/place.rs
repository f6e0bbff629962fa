//! What a path leads to.

use super::CheckError;
use crate::log::Directory;
use crate::storage::RealFs;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What there is to check.
#[derive(Debug)]
pub enum Place {
    /// A log's directory.
    Log(Directory),
    /// An RDB file.
    Rdb(PathBuf),
    /// A file of commands, perhaps with an RDB image in front.
    Commands(PathBuf),
    /// One segment of Basalt's.
    Segment(PathBuf),
    /// A base of commands of Basalt's.
    Base(PathBuf),
}

impl Place {
    /// Looks at a path: a directory (the log's own, or one with it inside), a manifest, or a file.
    pub fn of(path: &Path) -> Result<Place, CheckError> {
        let path = path.canonicalize().map_err(CheckError::io("find", path))?;
        if path.is_dir() {
            return Ok(Place::Log(log_directory(&path)?));
        }
        if path.extension().is_some_and(|extension| extension == "manifest") {
            let parent = path.parent().unwrap_or(Path::new("/"));
            return Ok(Place::Log(log_directory(parent)?));
        }
        let mut head = [0; 32];
        let mut file = File::open(&path).map_err(CheckError::io("open", &path))?;
        let mut read = 0;
        while read < head.len() {
            match file.read(&mut head[read..]).map_err(CheckError::io("read", &path))? {
                0 => break,
                more => read += more,
            }
        }
        let head = &head[..read];
        let is_aof = path.extension().is_some_and(|extension| extension == "aof");
        Ok(if head.starts_with(b"#basalt-segment ") {
            Place::Segment(path)
        } else if head.starts_with(b"#basalt-base ") {
            Place::Base(path)
        } else if is_aof || head.starts_with(b"*") || head.starts_with(b"#") {
            Place::Commands(path)
        } else {
            Place::Rdb(path)
        })
    }
}

/// The log in a directory, or in the one directory inside it that holds a log.
fn log_directory(dir: &Path) -> Result<Directory, CheckError> {
    let none = "there is no manifest and no segment in this directory, so it is no log of Basalt, Redis or Valkey";
    if let Some(filename) = filename(dir)? {
        let dirname = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let data_dir = dir.parent().unwrap_or(Path::new("/")).to_path_buf();
        return Ok(Directory { fs: Arc::new(RealFs), data_dir, dirname, filename });
    }
    let inside = std::fs::read_dir(dir).map_err(CheckError::io("list", dir))?;
    let mut logs = Vec::new();
    for entry in inside.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Backups that this program or the server made, and history, lie next to the log.
        if entry.path().is_dir()
            && name != "backupdir"
            && !name.contains(".before-")
            && !name.contains(".temp-")
            && !name.ends_with(".history")
        {
            logs.extend(filename(&entry.path())?.map(|filename| (name, filename)));
        }
    }
    match logs.len() {
        1 => {
            let (dirname, filename) = logs.swap_remove(0);
            Ok(Directory { fs: Arc::new(RealFs), data_dir: dir.to_path_buf(), dirname, filename })
        }
        0 => Err(CheckError::Refused(none.to_string())),
        _ => {
            Err(CheckError::Refused("there is more than one log in this directory: name the one that is meant".into()))
        }
    }
}

/// The log's file name, told from its manifest or, without one, from a segment.
fn filename(dir: &Path) -> Result<Option<String>, CheckError> {
    let names = std::fs::read_dir(dir).map_err(CheckError::io("list", dir))?;
    let mut names: Vec<_> = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let of_manifest = names.iter().find_map(|name| {
        let stem = name.strip_suffix(".manifest")?;
        (!stem.starts_with("temp-")).then(|| stem.to_string())
    });
    let of_segment = || {
        names.iter().find_map(|name| {
            let stem = name.strip_suffix(".incr.aof")?;
            let (stem, number) = stem.rsplit_once('.')?;
            number.parse::<u64>().ok().map(|_| stem.to_string())
        })
    };
    Ok(of_manifest.or_else(of_segment))
}
