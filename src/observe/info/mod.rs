//! INFO: what monitoring systems read of the server, in Redis's fields.
//!
//! Fields that have no meaning here, above all those about forks, stay at 0: exporters parse them.

mod clients;
mod commands;
mod cores;
mod keyspace;
mod memory;
mod persistence;
mod server;
mod stats;
mod text;

pub use memory::overhead_bytes;
pub use text::human_bytes;

use super::{ProcessMemory, Stats, ThreadTime, unix_us};
use crate::config::Settings;
use crate::server::{CoreReport, Everyone};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use text::Section;

/// The version of Redis whose commands these are: clients choose their commands by it.
pub const REDIS_VERSION: &str = "7.4.1";

/// How the server presents itself: alone, or as a cluster of its cores.
pub fn mode(settings: &Settings) -> &'static str {
    if settings.cluster_core_ports { "cluster" } else { "standalone" }
}

/// Everything that INFO shows, gathered.
pub struct Overview {
    /// What all cores share.
    pub everyone: Arc<Everyone>,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// Each core's report.
    pub reports: Vec<CoreReport>,
    /// All counters added up.
    pub total: Stats,
    /// Distinct channels, patterns and shard channels with subscribers.
    pub channels: [u64; 3],
    /// The configuration file, if there is one.
    pub config_file: String,
    /// Memory of the process.
    pub process: ProcessMemory,
    /// CPU time of the process.
    pub cpu: ThreadTime,
    /// Now, unix µs.
    pub now_us: u64,
}

impl Overview {
    /// Made of the cores' reports; `channels` are the distinct ones.
    pub fn new(
        everyone: Arc<Everyone>,
        settings: Arc<Settings>,
        reports: Vec<CoreReport>,
        channels: [u64; 3],
    ) -> Overview {
        let mut total = Stats::default();
        reports.iter().for_each(|report| total.add(&report.stats));
        for report in &reports {
            everyone.memory.core(report.core).slab.store(report.slab.used_bytes as u64, Ordering::Relaxed);
        }
        let config_file = {
            let config = everyone.config.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            config.file().map_or_else(String::new, |path| path.display().to_string())
        };
        let process = ProcessMemory::now();
        everyone.memory_peak.note(everyone.used_memory(&process));
        Overview {
            everyone,
            settings,
            reports,
            total,
            channels,
            config_file,
            process,
            cpu: ThreadTime::of_process(),
            now_us: unix_us(),
        }
    }

    fn now_s(&self) -> u64 {
        self.now_us / 1_000_000
    }

    /// Bytes in use.
    pub fn used_memory(&self) -> u64 {
        self.everyone.used_memory(&self.process)
    }

    /// Adds something up over the cores.
    pub fn sum(&self, of: impl Fn(&CoreReport) -> u64) -> u64 {
        self.reports.iter().map(of).sum()
    }

    fn max(&self, of: impl Fn(&CoreReport) -> u64) -> u64 {
        self.reports.iter().map(of).max().unwrap_or(0)
    }
}

/// One section: its name, whether INFO without arguments shows it, and what writes it.
type Writer = fn(&Overview, &mut Section);

const DEFAULT: bool = true;
const ON_REQUEST: bool = false;

const SECTIONS: [(&str, bool, Writer); 14] = [
    ("Server", DEFAULT, server::server),
    ("Clients", DEFAULT, clients::clients),
    ("Memory", DEFAULT, memory::memory),
    ("Persistence", DEFAULT, persistence::persistence),
    ("Stats", DEFAULT, stats::stats),
    ("Replication", DEFAULT, server::replication),
    ("CPU", DEFAULT, server::cpu),
    ("Modules", DEFAULT, |_, _| {}),
    ("Commandstats", ON_REQUEST, commands::command_stats),
    ("Errorstats", DEFAULT, commands::error_stats),
    ("Latencystats", ON_REQUEST, commands::latency_stats),
    ("Cluster", DEFAULT, server::cluster),
    ("Keyspace", DEFAULT, keyspace::keyspace),
    ("Cores", ON_REQUEST, cores::cores),
];

/// Which sections a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection([bool; SECTIONS.len()]);

impl Selection {
    /// Of the words behind INFO; none means the default.
    pub fn of<'a>(words: impl ExactSizeIterator<Item = &'a [u8]>) -> Selection {
        let mut selected = [false; SECTIONS.len()];
        let mut choose = |chosen: &dyn Fn(&str, bool) -> bool| {
            for (place, (name, default, _)) in selected.iter_mut().zip(&SECTIONS) {
                *place |= chosen(name, *default);
            }
        };
        if words.len() == 0 {
            choose(&|_, default| default);
        }
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => choose(&|_, default| default),
                // As in Redis, modules are no part of "all".
                b"all" => choose(&|name, _| name != "Modules"),
                b"everything" => choose(&|_, _| true),
                b"module_list" => choose(&|name, _| name == "Modules"),
                word => choose(&|name, _| name.as_bytes().eq_ignore_ascii_case(word)),
            }
        }
        Selection(selected)
    }

    /// Whether the latencies of commands are asked for, which are large.
    pub fn needs_latencies(&self) -> bool {
        SECTIONS.iter().zip(self.0).any(|((name, ..), selected)| selected && *name == "Latencystats")
    }
}

/// The text of INFO.
pub fn render(overview: &Overview, selection: &Selection) -> String {
    let mut text = String::with_capacity(8 * 1024);
    for ((name, _, write), selected) in SECTIONS.iter().zip(selection.0) {
        if selected {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            write(overview, &mut Section::begin(&mut text, name));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(words: &[&str]) -> Vec<&'static str> {
        let selection = Selection::of(words.iter().map(|word| word.as_bytes()));
        SECTIONS.iter().zip(selection.0).filter(|(_, on)| *on).map(|((name, ..), _)| *name).collect()
    }

    #[test]
    fn sections_are_those_that_redis_gives() {
        assert_eq!(sections(&[]), sections(&["default"]));
        assert!(!sections(&[]).contains(&"Commandstats") && sections(&[]).contains(&"Keyspace"));
        assert_eq!(sections(&["all"]).len(), SECTIONS.len() - 1);
        assert_eq!(sections(&["Everything"]).len(), SECTIONS.len());
        assert_eq!(sections(&["cpu", "CLIENTS", "nosuch"]), ["Clients", "CPU"]);
        assert!(sections(&["nosuch"]).is_empty());
    }
}
