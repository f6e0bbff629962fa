//! The unix socket that `unixsocket` names.

use super::listener::{ListenError, Listener};
use crate::config::Settings;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A listening unix socket; its file is removed when this is dropped.
#[derive(Debug)]
pub struct UnixSocketFile(Box<Path>);

impl Listener {
    /// Listens on the path that the settings name, if they do.
    ///
    /// # Errors
    /// The path is taken by another server or by something that is no socket, or the system refuses it.
    pub fn bind_unix(settings: &Settings) -> Result<Option<(Listener, UnixSocketFile)>, ListenError> {
        let Some(path) = &settings.unixsocket else { return Ok(None) };
        let failed = |error| ListenError::Unix { path: path.clone(), error };
        clear_the_way(path).map_err(failed)?;
        let socket = Self::try_bind_unix(path, settings).map_err(failed)?;
        let name = path.to_string_lossy().into_owned().into();
        let listener = Listener { socket, path: Some(name), is_core_port: false };
        Ok(Some((listener, UnixSocketFile(path.as_path().into()))))
    }

    fn try_bind_unix(path: &Path, settings: &Settings) -> io::Result<Socket> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        socket.listen(settings.tcp_backlog.min(i32::MAX as u32) as i32)?;
        if let Some(group) = &settings.unixsocketgroup {
            std::os::unix::fs::chown(path, None, Some(group_id(group)?))?;
        }
        if settings.unixsocketperm != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(settings.unixsocketperm))?;
        }
        Ok(socket)
    }
}

/// Removes the socket that a server left behind when it was killed. One that answers is another server's, and what is no
/// socket is somebody's file.
fn clear_the_way(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"))
        }
        Ok(_) if UnixStream::connect(path).is_ok() => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another server listens there: stop it or choose another path",
        )),
        Ok(_) => fs::remove_file(path),
    }
}

/// The number of a group, given by name or by number.
fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    let groups = fs::read_to_string("/etc/group")?;
    let line = groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == group);
    line.and_then(|fields| fields.get(2)?.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no group named {group}")))
}

impl Drop for UnixSocketFile {
    fn drop(&mut self) {
        tracing::info!("Removing the unix socket file.");
        let _ = fs::remove_file(&self.0);
    }
}
