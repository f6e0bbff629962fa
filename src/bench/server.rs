//! Servers that the harness starts and stops itself.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Address, Client, Target, Value};
use super::error::BenchError;
use super::template::words;

/// A command line with `{port}` and `{dir}` in it, such as `redis-server --port {port} --dir {dir}`.
#[derive(Clone, Debug)]
pub struct ServerCommand {
    words: Vec<String>,
}

impl std::str::FromStr for ServerCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains("{port}") {
            return Err(format!("\"{text}\" lacks {{port}}: write redis-server --port {{port}} --dir {{dir}}"));
        }
        match words(text)? {
            words if words.is_empty() => Err("an empty command".into()),
            words => Ok(ServerCommand { words }),
        }
    }
}

/// A running server in a process group of its own. Dropping it kills the group.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub target: Target,
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16, BenchError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| BenchError::io("cannot find a free port", e))?;
    Ok(listener.local_addr().map_err(|e| BenchError::io("cannot find a free port", e))?.port())
}

impl ServerCommand {
    /// Starts the server; it is not ready yet. Its output goes to `server.log` in `dir`.
    pub fn start(&self, port: u16, dir: &Path) -> Result<Server, BenchError> {
        fs::create_dir_all(dir).map_err(|e| BenchError::io(format!("cannot create {}", dir.display()), e))?;
        let fill = |word: &String| word.replace("{port}", &port.to_string()).replace("{dir}", &dir.to_string_lossy());
        let words: Vec<String> = self.words.iter().map(fill).collect();
        let log = dir.join("server.log");
        let open = || File::options().create(true).append(true).open(&log);
        let output = open().and_then(|out| Ok((out.try_clone()?, out)));
        let (out, err) = output.map_err(|e| BenchError::io(format!("cannot write {}", log.display()), e))?;
        let child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            // A group of its own, so that a wrapper script's server dies with it.
            .process_group(0)
            .spawn()
            .map_err(|e| BenchError::io(format!("cannot start {}", words[0]), e))?;
        Ok(Server { child, log, target: Target::new(Address::Tcp(format!("127.0.0.1:{port}"))) })
    }
}

impl Server {
    /// The process that was started.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits until the server answers PING; fails if it exits first or needs longer than `patience`.
    pub fn wait_ready(&mut self, patience: Duration) -> Result<(), BenchError> {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(BenchError::NotReady(format!("it ended with {status}; {}", self.log_tail())));
            }
            let last = match Client::connect(&self.target).and_then(|mut client| client.call(&["PING"])) {
                Ok(Value::Text(text)) if text == b"PONG" => return Ok(()),
                Ok(other) => format!("{other:?}"),
                Err(e) => e.to_string(),
            };
            if begun.elapsed() > patience {
                return Err(BenchError::NotReady(format!("{last} after {patience:?}; {}", self.log_tail())));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGKILL, as a crash of the process; returns when it is gone.
    pub fn kill(&mut self) {
        // SAFETY: a system call without memory; the group is that of our own child, which is not reaped yet or, if it
        // is, still names no other group (pids of live groups are not reused).
        unsafe { libc::kill(-self.pid(), libc::SIGKILL) };
        let _ = self.child.wait();
    }

    /// SIGTERM, then SIGKILL if it has not ended after `patience`. True if it ended by itself with success.
    pub fn stop(&mut self, patience: Duration) -> bool {
        // SAFETY: as in `kill`.
        unsafe { libc::kill(self.pid(), libc::SIGTERM) };
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.success();
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        false
    }

    fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(600)..]).into_owned();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("end of {}:\n  {}", self.log.display(), lines.join("\n  "))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// Removes a directory that the harness made; a failure is not worth more than a word.
pub fn remove_dir(dir: &Path) {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => eprintln!("cannot remove {}: {e}", dir.display()),
        _ => {}
    }
}
