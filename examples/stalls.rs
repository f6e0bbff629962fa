//! The longest single step while collections and the keyspace grow to ten million elements and are freed again.
//!
//! `cargo run --release --example stalls [ELEMENTS]`
//!
//! Steps are measured in CPU time of the thread, kernel included (page faults, mappings), so that other work on the machine does not
//! show: what a client would wait for on a core of its own. `scripts/stalls` measures the same from outside.

use basalt::keyspace::{Keyspace, SlabOptions, Value, hash_key};
use basalt::object::hash::OnUpdate;
use basalt::object::list::End;
use basalt::object::stream::IdRequest;
use basalt::object::{Hash, Limits, List, Object, Set, Stream, ZSet};

/// CPU time of this thread, ns.
fn cpu_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills in a local structure.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The longest steps seen.
#[derive(Default)]
struct Longest {
    nanos: [u64; 3],
    over_100_us: u64,
    steps: u64,
}

impl Longest {
    fn note(&mut self, nanos: u64) {
        self.steps += 1;
        self.over_100_us += (nanos > 100_000) as u64;
        if nanos > self.nanos[2] {
            self.nanos[2] = nanos;
            self.nanos.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// Runs `step` until it says that it is done.
    fn measure(mut step: impl FnMut() -> bool) -> Longest {
        let mut longest = Longest::default();
        let mut last = cpu_nanos();
        loop {
            let done = step();
            let now = cpu_nanos();
            longest.note(now - last);
            last = now;
            if done {
                return longest;
            }
        }
    }

    fn print(&self, what: &str) {
        let [first, second, third] = self.nanos.map(|nanos| nanos / 1000);
        println!("| {what} | {} | {first} µs, {second} µs, {third} µs | {} |", self.steps, self.over_100_us);
    }
}

fn main() {
    let elements: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10_000_000);
    let limits = Limits::default();
    // As the server does (`jemalloc-bg-thread`).
    basalt::observe::set_background_purge(true);
    println!("| step | steps | longest | over 100 µs |\n|---|---|---|---|");
    let mut keyspace = Keyspace::new(1, 1, SlabOptions::default()).expect("address space");
    let mut next = 0;
    Longest::measure(|| {
        let name = format!("key:{next:012}");
        keyspace.db_mut(0).insert(hash_key(name.as_bytes()), name.as_bytes(), Value::Str(name.as_bytes()), None);
        next += 1;
        next == elements
    })
    .print("SET, a new key");
    let mut garbage = keyspace.db_mut(0).clear();
    Longest::measure(|| garbage.free_some(64)).print("FLUSHALL, 64 keys freed");
    for kind in ["hash", "set", "sorted set", "list", "stream"] {
        let first = match kind {
            "hash" => Object::Hash(Hash::new()),
            "set" => Object::Set(Set::for_member(b"member", 1, &limits.set)),
            "sorted set" => Object::ZSet(ZSet::new()),
            "list" => Object::List(List::new()),
            _ => Object::Stream(Box::new(Stream::new())),
        };
        let hash = hash_key(b"k");
        let entry = keyspace.db_mut(0).insert(hash, b"k", Value::Object(Box::new(first)), None);
        let mut next = 0;
        Longest::measure(|| {
            let name = format!("member:{next:09}");
            let name = name.as_bytes();
            match &mut *keyspace.db_mut(0).object_mut(entry) {
                Object::Hash(hash) => drop(hash.set(name, b"value", OnUpdate::KeepExpire, &limits.hash)),
                Object::Set(set) => drop(set.insert(name, &limits.set)),
                Object::ZSet(zset) => drop(zset.insert(name, (next * 7919 % 10_000_019) as f64, limits.zset)),
                Object::List(list) => list.push(End::Back, [name], &limits.list),
                Object::Stream(stream) => stream
                    .log_mut()
                    .append(IdRequest::Auto, &[b"field", name], 1, limits.stream)
                    .map(drop)
                    .unwrap_or(()),
            }
            next += 1;
            next == elements
        })
        .print(&format!("{kind}, a new element"));
        Longest::measure(|| {
            keyspace.db_mut(0).delete(entry, hash);
            true
        })
        .print(&format!("{kind}, DEL"));
        Longest::measure(|| keyspace.graves().free_some(64)).print(&format!("{kind}, 64 allocations freed"));
    }
}
