//! A Basalt process of a test's own.

use super::client::Client;
use super::ports::free_port;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a start or a stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server with a password says to strangers.
const NOAUTH: &str = "NOAUTH Authentication required.";

/// A directory on a real disk, removed when dropped.
pub fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("it-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The server's binary.
pub fn binary() -> PathBuf {
    std::env::var_os("BASALT_SERVER").map_or_else(|| env!("CARGO_BIN_EXE_basalt-server").into(), PathBuf::from)
}

/// A command line of words without blanks.
pub fn command(dir: &Path, port: u16, options: &str) -> Command {
    let mut command = Command::new(binary());
    command.args(["--port", &port.to_string(), "--dir"]).arg(dir);
    // Small segments: filling large ones takes longer than most stories.
    if !options.contains("--aof-segment-size") {
        command.args(["--aof-segment-size", "1mb"]);
    }
    command.args(options.split_whitespace());
    command
}

/// A running server, killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts a server and waits until it serves.
    pub fn start(dir: &Path, options: &str) -> Server {
        let mut server = Server::spawn(dir, options);
        server.wait_ready();
        server
    }

    /// Starts a server and does not wait.
    pub fn spawn(dir: &Path, options: &str) -> Server {
        let port = free_port();
        Server::run(command(dir, port, options), port, dir)
    }

    /// Runs any command line that serves RESP on `port`.
    pub fn run(mut command: Command, port: u16, dir: &Path) -> Server {
        let log = dir.join(format!("log-{port}.txt"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Server { child, port, log }
    }

    /// Waits until it answers and has loaded its data.
    pub fn wait_ready(&mut self) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            if let Ok(mut client) = Client::try_connect(self.port)
                && client.try_call(&["PING"]).is_ok_and(|reply| ["PONG", NOAUTH].contains(&reply.text().as_str()))
            {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "not ready after {PATIENCE:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -9`, and its end awaited.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: the process is a child that was not waited for, so the id is still its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// From now on the kernel takes no byte of its behind the first `bytes` of any file.
    pub fn limit_file_size(&self, bytes: u64) {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: the process is a child that was not waited for, so the id is still its own; the old limit is not asked for.
        let result = unsafe { libc::prlimit(self.child.id() as i32, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    /// A clean stop by SIGTERM, which must succeed.
    pub fn stop(mut self) {
        self.signal(libc::SIGTERM);
        let status = self.wait();
        assert!(status.success(), "stopped with {status}:\n{}", self.log());
    }

    /// Its end.
    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("still running after {PATIENCE:?}:\n{}", self.log());
    }

    /// A start that must fail by itself: its exit code and what it said.
    pub fn fails(mut self) -> (i32, String) {
        let status = self.wait();
        let code = status.code().unwrap_or_else(|| panic!("ended by signal {:?}:\n{}", status.signal(), self.log()));
        (code, self.log())
    }

    /// Resident memory, bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the server on port {} ---\n{}", self.port, self.log());
        }
    }
}
