//! Which tests notice a change.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A unit test, as it is without any change.
#[derive(Debug, Clone)]
pub struct Test {
    name: String,
    takes: Duration,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This test failed, or did not end.
    Killed(String),
    /// Tests that come by it all pass.
    Survived,
    /// No test comes by it.
    Unreached,
}

/// The tests of one binary, and which changes each comes by.
pub struct Judge {
    binary: PathBuf,
    root: PathBuf,
    reached: HashMap<u32, Vec<Test>>,
}

impl Judge {
    /// Runs each test by itself, with no change, and notes what it comes by.
    pub fn observe(binary: PathBuf, root: &Path, jobs: usize) -> Judge {
        let list = Command::new(&binary).args(["--list", "--format=terse"]).output().expect("the test binary");
        let names: Vec<String> =
            String::from_utf8_lossy(&list.stdout).lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_string())).collect();
        let mut judge = Judge { binary, root: root.to_path_buf(), reached: HashMap::new() };
        let found = Mutex::new(HashMap::<u32, Vec<Test>>::new());
        each(names.len(), jobs, |index| {
            let name = &names[index];
            let hits = root.join(format!("hits-{index}"));
            let _ = fs::remove_file(&hits);
            let start = Instant::now();
            let passed = judge.run(name, ("MUTANT_HITS", hits.as_os_str().to_str().expect("a path in UTF-8")), Duration::from_secs(900));
            let test = Test { name: name.clone(), takes: start.elapsed() };
            let numbers = fs::read_to_string(&hits).unwrap_or_default();
            let _ = fs::remove_file(&hits);
            if !passed {
                eprintln!("left out, since it fails without any change: {name}");
                return;
            }
            let mut found = found.lock().expect("no thread panicked");
            for number in numbers.lines().filter_map(|line| line.parse().ok()) {
                found.entry(number).or_default().push(test.clone());
            }
        });
        judge.reached = found.into_inner().expect("no thread panicked");
        judge.reached.values_mut().for_each(|tests| tests.sort_by_key(|test| test.takes));
        judge
    }

    /// Runs the tests that come by the change, the quickest first, until one fails.
    pub fn judge(&self, number: u32) -> Verdict {
        let Some(tests) = self.reached.get(&number) else { return Verdict::Unreached };
        let active = number.to_string();
        for test in tests {
            if !self.run(&test.name, ("MUTANT", &active), test.takes * 8 + Duration::from_secs(10)) {
                return Verdict::Killed(test.name.clone());
            }
        }
        Verdict::Survived
    }

    /// Whether the test passes within this time.
    fn run(&self, name: &str, (key, value): (&str, &str), longest: Duration) -> bool {
        let mut child = Command::new(&self.binary)
            .args(["--exact", name])
            .env(key, value)
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the test binary runs");
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return status.success();
            }
            if start.elapsed() > longest {
                child.kill().expect("a child");
                child.wait().expect("a child");
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Does it for each of `count`, in so many threads.
pub fn each(count: usize, jobs: usize, what: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    what(index);
                }
            });
        }
    });
}
