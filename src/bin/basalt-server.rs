//! The server: takes a configuration file and `--directive value` arguments as `redis-server` does.
//!
//! Exit codes: 0 after a clean end; 1 when the configuration is wrong or the server cannot start; 2 when a core failed
//! while serving.

use basalt::config::{Config, Settings};
use basalt::observe::server_log;
use basalt::server::{StartError, block_signals, detach, serve};
use std::process::ExitCode;

const HELP: &str = "\
Usage: basalt-server [/path/to/redis.conf] [options] [-]
       basalt-server - (read config from stdin)
       basalt-server -v or --version
       basalt-server -h or --help

Examples:
       basalt-server                         serves on port 6379, durable data in ./data
       basalt-server /etc/redis/redis.conf
       basalt-server --port 7777 --appendfsync everysec
       basalt-server --cores 2 --dir /var/lib/basalt";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|arg| arg.to_str()) {
        Some("-v" | "--version") => {
            println!("Basalt server v={} bits=64", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Some("-h" | "--help") => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    block_signals();
    let config = match Config::from_args(args, &mut std::io::stdin()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(1);
        }
    };
    let settings = Settings::from(&config);
    if let Err(error) = detach(&settings) {
        eprintln!("Can't go on in the background: {error}");
        return ExitCode::from(1);
    }
    if let Err(error) = server_log::start(&settings) {
        eprintln!("Can't open the log file: {error}");
        return ExitCode::from(1);
    }
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            // With a log file, whoever started the server by hand sees nothing otherwise.
            eprintln!("{error}");
            ExitCode::from(if matches!(error, StartError::Failed(_)) { 2 } else { 1 })
        }
    }
}
