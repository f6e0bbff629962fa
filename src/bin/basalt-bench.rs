//! `basalt-bench`: the latency harness. See `docs/BENCHMARKING.md`.

fn main() -> std::process::ExitCode {
    basalt::bench::main()
}
