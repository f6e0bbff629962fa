//! Mutation testing: how many small changes of the code no unit test notices.
//!
//! A tool that compiles the crate once for each change needs a minute for each; this one compiles all of them at once, each behind a
//! switch (mutant schemata: Untch, Offutt, Harrold, 1993), sees which tests come by which change, and runs those.
//! The changes are those of cargo-mutants: a body replaced by a value, an operator by another, a negation, an arm or a guard taken out.

mod copy;
mod judge;
mod mutate;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use judge::{Judge, Verdict, each};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut path = || PathBuf::from(arguments.next().expect("usage: basalt-mutants CRATE WORK PLACE…"));
    let (from, work) = (path(), path());
    let places: Vec<String> = arguments.collect();
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<usize>().ok());
    let jobs = number("JOBS").unwrap_or(2);

    let mut copy = copy::Copy::make(&from, &work.join("crate"), &places);
    eprintln!("{} changes; compiling", copy.mutants().len());
    let binary = copy.build();
    let mut mutants = copy.mutants();
    if let Some(every) = number("EVERY") {
        let offset = number("OFFSET").unwrap_or(0);
        mutants = mutants.into_iter().skip(offset).step_by(every).collect();
    }
    eprintln!("{} changes compile; looking which tests come by them", mutants.len());
    let judge = Judge::observe(binary, &work.join("crate"), jobs);

    let known = if std::env::var_os("AGAIN").is_some() { killed_before(&work) } else { HashMap::new() };
    let mut seen = HashMap::<String, usize>::new();
    let known: Vec<Option<String>> = mutants
        .iter()
        .map(|(_, path, mutant)| {
            let key = key(&path.display().to_string(), &mutant.function, &mutant.what);
            let nth = seen.entry(key.clone()).or_default();
            *nth += 1;
            known.get(&(key, *nth)).cloned()
        })
        .collect();
    let report = Mutex::new(File::create(work.join("report.tsv")).expect("the report"));
    let counts = Mutex::new([0usize; 3]);
    each(mutants.len(), jobs, |index| {
        let (number, path, mutant) = mutants[index];
        let verdict = known[index].clone().map_or_else(|| judge.judge(number), Verdict::Killed);
        let (word, by, count) = match &verdict {
            Verdict::Killed(by) => ("killed", by.as_str(), 0),
            Verdict::Survived => ("survived", "", 1),
            Verdict::Unreached => ("unreached", "", 2),
        };
        let place = format!("{}:{}", path.display(), mutant.line);
        let what = mutant.what.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = format!("{word}\t{place}\t{}\t{what}\t{by}\t{number}", mutant.function);
        let mut counts = counts.lock().expect("no thread panicked");
        counts[count] += 1;
        let done: usize = counts.iter().sum();
        writeln!(report.lock().expect("no thread panicked"), "{line}").expect("the report");
        if verdict != Verdict::Killed(by.to_string()) {
            println!("{word:9} {place} {}: {what}", mutant.function);
        }
        if done % 100 == 0 {
            eprintln!("{done} of {}: {} killed, {} survived, {} unreached", mutants.len(), counts[0], counts[1], counts[2]);
        }
    });
    let [killed, survived, unreached] = *counts.lock().expect("no thread panicked");
    let all = killed + survived + unreached;
    println!(
        "{all} changes: {killed} killed ({:.1}%), {survived} survived, {unreached} come by no test; all in {}",
        100.0 * killed as f64 / all.max(1) as f64,
        work.join("report.tsv").display()
    );
}

fn key(path: &str, function: &str, what: &str) -> String {
    format!("{path}\t{function}\t{}", what.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The changes that the last run found noticed, and by which test: by what they are and which of several alike. Good as long as only
/// tests were added since.
fn killed_before(work: &std::path::Path) -> HashMap<(String, usize), String> {
    let text = std::fs::read_to_string(work.join("report.tsv")).unwrap_or_default();
    let mut lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    lines.retain(|fields| fields.len() == 6);
    lines.sort_by_key(|fields| fields[5].parse::<u32>().unwrap_or(0));
    let mut seen = HashMap::<String, usize>::new();
    let mut killed = HashMap::new();
    for fields in lines {
        let path = fields[1].rsplit_once(':').map_or(fields[1], |(path, _)| path);
        let key = key(path, fields[2], fields[3]);
        let nth = seen.entry(key.clone()).or_default();
        *nth += 1;
        if fields[0] == "killed" {
            killed.insert((key, *nth), fields[4].to_string());
        }
    }
    killed
}
