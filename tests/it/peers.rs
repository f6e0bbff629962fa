//! The other programs that stories need, and the loud word when one is missing.
//!
//! Redis and Valkey: `BASALT_PEERS` names a program that runs `redis-server`, `valkey-server`, `redis-check-aof` … given
//! as its first argument; else `~/.cache/basalt-peers/run` is tried; else they are looked for on PATH. Client
//! libraries: `BASALT_PYTHON` is a python3 that can import redis, `BASALT_NODE_MODULES` a directory that holds ioredis.

use super::ports::free_port;
use super::server::Server;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A way to run `name`, if it is there.
pub fn program(name: &str) -> Option<Command> {
    if let Some(runner) = runner() {
        let mut command = Command::new(runner);
        command.arg(name);
        return Some(command);
    }
    on_path(name).map(Command::new)
}

fn runner() -> Option<PathBuf> {
    if let Some(runner) = std::env::var_os("BASALT_PEERS") {
        return Some(runner.into());
    }
    let usual = PathBuf::from(std::env::var_os("HOME")?).join(".cache/basalt-peers/run");
    usual.exists().then_some(usual)
}

/// A program on PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// The servers at hand that read Basalt's files.
pub fn servers() -> Vec<&'static str> {
    let found: Vec<_> = ["redis-server", "valkey-server"].into_iter().filter(|name| program(name).is_some()).collect();
    if found.is_empty() {
        skipped("neither redis-server nor valkey-server: set BASALT_PEERS or install them");
    }
    found
}

/// Starts a peer on a directory and waits until it serves.
pub fn start(name: &str, dir: &Path, options: &[&str]) -> Server {
    let port = free_port();
    let mut command = program(name).unwrap();
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"]).arg(dir).args(options);
    let mut server = Server::run(command, port, dir);
    server.wait_ready();
    server
}

/// A python3 that can import redis.
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("BASALT_PYTHON").map(PathBuf::from).or_else(|| on_path("python3"))?;
    let works = Command::new(&python).args(["-c", "import redis"]).output().is_ok_and(|output| output.status.success());
    if !works {
        skipped("no python3 with redis-py: set BASALT_PYTHON");
    }
    works.then_some(python)
}

/// The directory that holds ioredis, if node is there.
pub fn ioredis() -> Option<PathBuf> {
    let modules = std::env::var_os("BASALT_NODE_MODULES").map(PathBuf::from);
    let found = modules.filter(|modules| on_path("node").is_some() && modules.join("ioredis").is_dir());
    if found.is_none() {
        skipped("no node with ioredis: set BASALT_NODE_MODULES");
    }
    found
}

/// Says that a story was left out, past the test harness, which swallows what a passing test prints.
pub fn skipped(why: &str) {
    #[allow(clippy::explicit_write, reason = "eprintln! is swallowed too")]
    writeln!(std::io::stderr(), "\n*** SKIPPED: {why} ***\n").unwrap();
}
