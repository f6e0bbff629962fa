//! A copy of the crate with every change in it, compiled once.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mutate::{self, Mutant, Site};

/// Asked in every changed place. With a file to note hits in, the first of each number is noted.
const SWITCH: &str = r#"
/// Whether this change of the code is on.
#[doc(hidden)]
pub fn mutant(number: u32) -> bool {
    use std::io::Write;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    static ACTIVE: LazyLock<u32> = LazyLock::new(|| std::env::var("MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(u32::MAX));
    static HITS: LazyLock<Option<std::sync::Mutex<std::fs::File>>> = LazyLock::new(|| {
        let path = std::env::var_os("MUTANT_HITS")?;
        std::fs::File::options().create(true).append(true).open(path).ok().map(std::sync::Mutex::new)
    });
    static SEEN: [AtomicBool; 1 << 16] = [const { AtomicBool::new(false) }; 1 << 16];
    if let Some(file) = &*HITS && !SEEN[number as usize].swap(true, Ordering::Relaxed) {
        let _ = file.lock().map(|mut file| writeln!(file, "{number}"));
    }
    *ACTIVE == number
}
"#;

/// A file of the crate and what can be changed in it.
pub struct Source {
    /// From the crate's root.
    pub path: PathBuf,
    text: String,
    sites: Vec<Site>,
    first: u32,
    rendered: Vec<(Range<usize>, Vec<u32>)>,
}

/// The instrumented crate.
pub struct Copy {
    root: PathBuf,
    sources: Vec<Source>,
    /// Changes that do not compile.
    refused: BTreeSet<u32>,
}

impl Copy {
    /// Copies the crate at `from` to `to`, with switches in all files under `places`.
    pub fn make(from: &Path, to: &Path, places: &[String]) -> Copy {
        duplicate(from, to);
        let mut files = Vec::new();
        for place in places {
            find(&from.join(place), &mut files);
        }
        files.sort();
        let only_tests: Vec<PathBuf> = files.iter().flat_map(|file| modules_of_tests(file)).collect();
        files.retain(|file| !only_tests.iter().any(|module| file == &module.with_extension("rs") || file.starts_with(module)));
        let mut sources = Vec::new();
        let mut first = 0;
        for file in files {
            let text = fs::read_to_string(&file).expect("a source file");
            let sites = mutate::sites(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let path = file.strip_prefix(from).expect("under the root").to_path_buf();
            let count: usize = sites.iter().map(|site| site.mutants.len()).sum();
            sources.push(Source { path, text, sites, first, rendered: Vec::new() });
            first += count as u32;
        }
        assert!(first < 1 << 16, "more than the switches have room for");
        let lib = to.join("src/lib.rs");
        let text = fs::read_to_string(from.join("src/lib.rs")).expect("the crate's root");
        fs::write(lib, text + SWITCH).expect("the copy's root");
        Copy { root: to.to_path_buf(), sources, refused: BTreeSet::new() }
    }

    /// All changes that compile, by number.
    pub fn mutants(&self) -> Vec<(u32, &Path, &Mutant)> {
        let mut all = Vec::new();
        for source in &self.sources {
            let mutants = source.sites.iter().flat_map(|site| &site.mutants);
            all.extend((source.first..).zip(mutants).map(|(number, mutant)| (number, source.path.as_path(), mutant)));
        }
        all.retain(|(number, ..)| !self.refused.contains(number));
        all
    }

    /// Compiles the unit tests; leaves out what does not compile. Returns the test binary.
    pub fn build(&mut self) -> PathBuf {
        for _ in 0..40 {
            self.write();
            let output = Command::new("cargo")
                .args(["test", "--lib", "--no-run", "--message-format=json", "--quiet"])
                .current_dir(&self.root)
                .stderr(Stdio::inherit())
                .output()
                .expect("cargo");
            let messages: Vec<serde_json::Value> =
                output.stdout.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
            let binary = messages.iter().filter(|m| m["reason"] == "compiler-artifact" && m["profile"]["test"] == true);
            if let Some(path) = binary.filter_map(|m| m["executable"].as_str()).next_back()
                && output.status.success()
            {
                return PathBuf::from(path);
            }
            let before = self.refused.len();
            for message in messages.iter().filter(|m| m["message"]["level"] == "error") {
                self.refuse(&message["message"]);
            }
            eprintln!("{} changes do not compile", self.refused.len());
            assert!(self.refused.len() > before, "errors that no change explains: {messages:#?}");
        }
        panic!("the changes do not come to compile");
    }

    fn write(&mut self) {
        for source in &mut self.sources {
            let starts: Vec<u32> = source
                .sites
                .iter()
                .scan(source.first, |next, site| {
                    let start = *next;
                    *next += site.mutants.len() as u32;
                    Some(start)
                })
                .collect();
            let number_of = |site: usize, mutant: usize| {
                let number = starts[site] + mutant as u32;
                (!self.refused.contains(&number)).then_some(number)
            };
            let (text, rendered) = mutate::render(&source.text, &source.sites, &number_of);
            source.rendered = rendered;
            let path = self.root.join(&source.path);
            if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                fs::write(path, text).expect("the copy is written");
            }
        }
    }

    /// Leaves out the changes that the compiler's error speaks of: the smallest piece around each place that it names.
    fn refuse(&mut self, message: &serde_json::Value) {
        let places = message["spans"].as_array().into_iter().flatten();
        for span in places.filter(|span| span["is_primary"] == true) {
            let (Some(file), Some(start), Some(end)) =
                (span["file_name"].as_str(), span["byte_start"].as_u64(), span["byte_end"].as_u64())
            else {
                continue;
            };
            let Some(source) = self.sources.iter().find(|source| Path::new(file) == source.path) else { continue };
            let around = source.rendered.iter().filter(|(range, _)| range.start as u64 <= start && end <= range.end as u64);
            if let Some((_, numbers)) = around.min_by_key(|(range, _)| range.len()) {
                self.refused.extend(numbers);
            }
        }
    }
}

/// Copies the files that are not there with the same content, so that little is compiled anew the next time, and removes what is no more.
fn duplicate(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy's directory");
    for entry in fs::read_dir(to).expect("a directory").map(|entry| entry.expect("an entry")) {
        let (copy, is_gone) = (entry.path(), !from.join(entry.file_name()).exists());
        if is_gone && copy.is_dir() {
            fs::remove_dir_all(copy).expect("a directory can be removed");
        } else if is_gone {
            fs::remove_file(copy).expect("a file can be removed");
        }
    }
    for entry in fs::read_dir(from).expect("a directory").map(|entry| entry.expect("an entry")) {
        let (source, name) = (entry.path(), entry.file_name());
        if ["target", ".git", "data", "fuzz", "mutants"].iter().any(|left_out| name == *left_out) {
            continue;
        }
        if source.is_dir() {
            duplicate(&source, &to.join(name));
        } else if fs::read(&source).ok() != fs::read(to.join(&name)).ok() {
            fs::copy(&source, to.join(name)).expect("a file can be copied");
        }
    }
}

fn find(path: &Path, into: &mut Vec<PathBuf>) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path());
        entries.for_each(|entry| find(&entry, into));
    } else if name.ends_with(".rs") {
        into.push(path.to_path_buf());
    }
}

/// The modules in files of their own that a file declares for tests only, without the ending.
fn modules_of_tests(file: &Path) -> Vec<PathBuf> {
    let parsed = syn::parse_file(&fs::read_to_string(file).expect("a source file")).expect("it compiles, so it can be parsed");
    let is_root = file.file_name().is_some_and(|name| name == "mod.rs");
    let directory = if is_root { file.with_file_name("") } else { file.with_extension("") };
    let declared = parsed.items.into_iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && mutate::is_test(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    });
    declared.map(|name| directory.join(name)).collect()
}
