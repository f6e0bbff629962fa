//! The server: takes a configuration file and `--directive value` arguments as `redis-server` does.

use basalt::config::Config;
use std::process::ExitCode;

fn main() -> ExitCode {
    basalt::server::block_signals();
    let config = match Config::from_args(std::env::args_os().skip(1), &mut std::io::stdin()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(1);
        }
    };
    tracing_subscriber::fmt().init();
    match basalt::server::serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(1)
        }
    }
}
