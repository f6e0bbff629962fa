//! MEMORY: what takes memory, and how much.

use super::info::overview;
use crate::command::answer::{NOT_AN_INTEGER, SYNTAX_ERROR, answer, help, is, ok};
use crate::command::{Exec, Flow};
use crate::net::Conn;
use crate::observe::info::{Overview, human_bytes, overhead_bytes};
use crate::observe::purge;
use crate::resp::{Args, Reply};
use crate::server::{Core, Outcome};
use crate::shard::Cx;

pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("memory|usage", Exec::Keyed(usage)),
        ("memory|stats", Exec::Conn(stats)),
        ("memory|doctor", Exec::Conn(doctor)),
        ("memory|purge", Exec::Conn(purge_all)),
        ("memory|malloc-stats", Exec::Conn(malloc_stats)),
        ("memory|help", Exec::Conn(help)),
    ]
}

/// MEMORY USAGE key [SAMPLES count]. Sizes are kept with the values, so nothing is estimated from samples.
fn usage(cx: &mut Cx<'_>, args: Args<'_>) {
    let mut at = 3;
    while at < args.len() {
        if !is(args.at(at), "samples") || at + 1 == args.len() {
            return cx.reply.error(SYNTAX_ERROR);
        }
        match crate::command::answer::integer(args.at(at + 1)) {
            None => return cx.reply.error(NOT_AN_INTEGER),
            Some(samples) if samples < 0 => return cx.reply.error(SYNTAX_ERROR),
            Some(_) => at += 2,
        }
    }
    match cx.peek(args.at(2)) {
        None => cx.reply.null(),
        Some(found) => {
            let bytes = cx.db().memory_of(found.entry);
            cx.reply.int(bytes as i64);
        }
    }
}

/// MEMORY STATS
fn stats(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let proto = conn.session.proto;
    core.in_task(conn, move |handle| async move {
        let info = overview(&handle, false).await;
        Outcome::write(proto, |reply| write_stats(reply, &info))
    })
}

/// A value of MEMORY STATS.
enum Figure {
    Int(u64),
    Signed(i64),
    Double(f64),
}

fn write_stats(reply: &mut Reply, info: &Overview) {
    use Figure::{Double, Int, Signed};
    let process = info.process;
    let used = info.used_memory();
    let peak = info.everyone.memory_peak.bytes();
    let startup = info.everyone.memory_peak.startup_bytes();
    let overhead = overhead_bytes(info).min(used);
    let (dataset, since_start) = (used - overhead, used.saturating_sub(startup));
    let keys = info.sum(|report| report.databases.iter().map(|db| db.keys).sum());
    let slab_used = info.sum(|report| report.slab.used_bytes as u64);
    let slab_active = info.sum(|report| report.slab.chunk_bytes as u64);
    let slab_held = slab_active + info.sum(|report| report.slab.empty_bytes as u64);
    let (allocated, active, resident) =
        (process.allocated + slab_used, process.active + slab_active, process.resident + slab_held);
    let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let difference = |more: u64, less: u64| Signed(more as i64 - less as i64);
    let figures_before = [
        ("peak.allocated", Int(peak)),
        ("total.allocated", Int(used)),
        ("startup.allocated", Int(startup)),
        ("replication.backlog", Int(0)),
        ("clients.slaves", Int(0)),
        ("clients.normal", Int(info.sum(|report| report.clients.memory))),
        ("cluster.links", Int(0)),
        ("aof.buffer", Int(info.sum(|report| report.log_buffer_bytes))),
        ("snapshot.bytes", Int(info.everyone.saves.current_counts().memory_bytes)),
        ("lua.caches", Int(0)),
        ("functions.caches", Int(0)),
        ("script.VMs", Int(0)),
    ];
    let figures_behind = [
        ("overhead.db.hashtable.lut", Int(info.sum(|report| report.slab.segment_bytes as u64))),
        ("overhead.db.hashtable.rehashing", Int(0)),
        ("db.dict.rehashing.count", Int(0)),
        ("overhead.total", Int(overhead)),
        ("keys.count", Int(keys)),
        ("keys.bytes-per-key", Int(since_start.checked_div(keys).unwrap_or(0))),
        ("dataset.bytes", Int(dataset)),
        ("dataset.percentage", Double((ratio(dataset, since_start) * 100.0).min(100.0))),
        ("peak.percentage", Double(ratio(used, peak) * 100.0)),
        ("allocator.allocated", Int(allocated)),
        ("allocator.active", Int(active)),
        ("allocator.resident", Int(resident)),
        ("allocator.muzzy", Int(0)),
        ("allocator-fragmentation.ratio", Double(ratio(active, allocated))),
        ("allocator-fragmentation.bytes", difference(active, allocated)),
        ("allocator-rss.ratio", Double(ratio(resident, active))),
        ("allocator-rss.bytes", difference(resident, active)),
        ("rss-overhead.ratio", Double(ratio(process.rss, resident))),
        ("rss-overhead.bytes", difference(process.rss, resident)),
        ("fragmentation", Double(ratio(process.rss, used))),
        ("fragmentation.bytes", difference(process.rss, used)),
    ];
    let databases = info.reports.iter().map(|report| report.databases.len()).max().unwrap_or(0);
    let database = |index: usize| {
        let parts = info.reports.iter().filter_map(move |report| report.databases.get(index));
        parts.fold((0, 0, 0), |(keys, table, expiry), db| {
            (keys + db.keys, table + db.table_bytes, expiry + db.expiry_bytes)
        })
    };
    let filled: Vec<_> = (0..databases).map(|index| (index, database(index))).filter(|(_, db)| db.0 > 0).collect();
    reply.map(figures_before.len() + filled.len() + figures_behind.len());
    figures_before.iter().for_each(|figure| write_figure(reply, figure));
    for (index, (_, table, expiry)) in filled {
        reply.bulk(format!("db.{index}").as_bytes());
        reply.map(2);
        reply.bulk(b"overhead.hashtable.main");
        reply.int(table as i64);
        reply.bulk(b"overhead.hashtable.expires");
        reply.int(expiry as i64);
    }
    figures_behind.iter().for_each(|figure| write_figure(reply, figure));
}

fn write_figure(reply: &mut Reply, (name, figure): &(&str, Figure)) {
    reply.bulk(name.as_bytes());
    match *figure {
        Figure::Int(number) => reply.int(number as i64),
        Figure::Signed(number) => reply.int(number),
        Figure::Double(number) => reply.double(number),
    }
}

/// MEMORY DOCTOR
fn doctor(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    /// Below this, bytes, no figure says anything.
    const SMALL: u64 = 5 << 20;
    let proto = conn.session.proto;
    core.in_task(conn, move |handle| async move {
        let info = overview(&handle, false).await;
        let (used, peak, rss) = (info.used_memory(), info.everyone.memory_peak.bytes(), info.process.rss);
        let clients = info.sum(|report| report.clients.memory);
        let connected = info.sum(|report| report.clients.connected).max(1);
        let mut text = String::new();
        if used < SMALL {
            text.push_str(&format!(
                "There is next to nothing in memory ({}): nothing to judge yet.\n",
                human_bytes(used)
            ));
        } else {
            if peak > used / 2 * 3 {
                text.push_str(&format!(
                    "The peak was {}, now {} are in use: freed memory may look like fragmentation for a while.\n",
                    human_bytes(peak),
                    human_bytes(used)
                ));
            }
            if rss > used / 5 * 7 {
                text.push_str(&format!(
                    "{} are held for {} in use: MEMORY PURGE may give some of it back.\n",
                    human_bytes(rss),
                    human_bytes(used)
                ));
            }
            if clients / connected > 200 << 10 {
                text.push_str(&format!(
                    "Connections hold {} each on average: look for large buffers in CLIENT LIST.\n",
                    human_bytes(clients / connected)
                ));
            }
            if text.is_empty() {
                text.push_str("No memory problem was found.\n");
            }
        }
        Outcome::write(proto, |reply| reply.verbatim("txt", text.as_bytes()))
    })
}

/// MEMORY PURGE
fn purge_all(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    purge();
    ok(core, conn)
}

/// MEMORY MALLOC-STATS
fn malloc_stats(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let mut text = Vec::new();
    let printed = tikv_jemalloc_ctl::stats_print::stats_print(&mut text, Default::default());
    if let Err(error) = printed {
        return crate::command::answer::error(core, conn, format!("ERR the allocator gave no statistics: {error}"));
    }
    answer(core, conn, |reply| reply.verbatim("txt", &text))
}
