//! Files: JSON of the whole report, CSV of the time line, percentile curves in HdrHistogram's text form.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Serialize;

use super::error::BenchError;
use super::report::RunReport;
use super::run::Measured;

/// Writes `value` as JSON. All times are in ns unless their names say otherwise.
pub fn json(path: &Path, value: &impl Serialize) -> Result<(), BenchError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| BenchError::io(format!("cannot encode {}", path.display()), e.into()))?;
    write(path, &(text + "\n"))
}

/// Writes the time line: a row for each step and class.
pub fn csv(path: &Path, report: &RunReport) -> Result<(), BenchError> {
    let mut out = "class,at_s,warmup,replies_per_s,errors,p50_ns,p99_ns,p99.9_ns,max_ns,annotations\n".to_string();
    let annotations = report.server.as_ref().map(|s| s.annotations.as_slice()).unwrap_or_default();
    for class in &report.classes {
        let step_s = class.timeline.get(1).map_or(f64::INFINITY, |step| step.at_s);
        for s in &class.timeline {
            let happened = annotations.iter().filter(|a| a.at_s >= s.at_s && a.at_s < s.at_s + step_s);
            let happened = happened.map(|a| a.what.replace('"', "\"\"")).collect::<Vec<_>>().join("; ");
            let warmup = u8::from(s.at_s < report.warmup_s);
            let _ = writeln!(
                out,
                "\"{}\",{:.3},{warmup},{:.1},{},{},{},{},{},\"{happened}\"",
                class.name, s.at_s, s.replies_per_s, s.errors, s.p50, s.p99, s.p999, s.max
            );
        }
    }
    write(path, &out)
}

/// Writes the response times of each class as percentile curves, in microseconds. With several classes the name of the
/// class goes before the extension.
pub fn hgrm(path: &Path, measured: &Measured) -> Result<(), BenchError> {
    for (class, record) in measured.report.classes.iter().zip(&measured.records) {
        let path = match measured.report.classes.len() {
            1 => path.to_path_buf(),
            _ => with_name(path, &class.name),
        };
        write(&path, &curve(&record.response))?;
    }
    Ok(())
}

fn with_name(path: &Path, name: &str) -> PathBuf {
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}.{name}{extension}"))
}

/// The text form that HdrHistogram's plotters read
/// (<https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>), values in microseconds.
pub fn curve(histogram: &Histogram<u64>) -> String {
    let mut out = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let us = |ns: f64| ns / 1e3;
    let mut total = 0;
    for step in histogram.iter_quantiles(5) {
        total += step.count_since_last_iteration();
        let (value, quantile) = (us(step.value_iterated_to() as f64), step.quantile_iterated_to());
        let _ = if quantile < 1.0 {
            writeln!(out, "{value:12.3} {quantile:2.12} {total:10} {:14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(out, "{value:12.3} {quantile:2.12} {total:10}")
        };
    }
    let (mean, deviation) = (us(histogram.mean()), us(histogram.stdev()));
    let _ = writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let (max, count) = (us(histogram.max() as f64), histogram.len());
    let _ = writeln!(out, "#[Max     = {max:12.3}, Total count    = {count:12}]");
    let (buckets, halves) = (histogram.buckets(), 2048);
    let _ = writeln!(out, "#[Buckets = {buckets:12}, SubBuckets     = {halves:12}]");
    out
}

/// Writes an HdrHistogram interval log (version 1.3, <https://github.com/HdrHistogram/HdrHistogram>): the response times
/// of each step of the time line in ns, tagged with the class. Maxima in its third column are in ms.
pub fn interval_log(path: &Path, measured: &Measured) -> Result<(), BenchError> {
    let failed =
        |what: String| BenchError::io(format!("cannot encode {}", path.display()), std::io::Error::other(what));
    let started = UNIX_EPOCH + Duration::from_millis(measured.report.started_unix_ms);
    let (mut out, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&format!("basalt-bench {}, values in ns", measured.report.version))
        .with_base_time(started)
        .with_start_time(started)
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut out, &mut serializer)
        .map_err(|e| failed(e.to_string()))?;
    for (class, record) in measured.report.classes.iter().zip(&measured.records) {
        // A tag ends at a comma or a blank.
        let name = class.name.replace([',', ' ', '\r', '\n'], "_");
        let tag = Tag::new(&name).ok_or_else(|| failed(format!("{name} is no tag")))?;
        for (step, interval) in class.timeline.iter().zip(&record.timeline) {
            let length = Duration::from_nanos(record.interval_ns());
            log.write_histogram(&interval.response, Duration::from_secs_f64(step.at_s), length, Some(tag))
                .map_err(|e| failed(e.to_string()))?;
        }
    }
    drop(log);
    fs::write(path, &out).map_err(|e| BenchError::io(format!("cannot write {}", path.display()), e))
}

/// Writes a text.
pub fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(|e| BenchError::io(format!("cannot write {}", path.display()), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_ends_at_the_maximum_and_counts_everything() {
        let mut histogram = super::super::record::histogram();
        (1..=1000u64).for_each(|i| histogram.record(i * 1000).unwrap());
        let text = curve(&histogram);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|l| !l.starts_with('#'))
            .map(|l| l.split_whitespace().map(|w| w.parse().unwrap()).collect())
            .collect();
        let last = &rows[rows.len() - 1];
        assert_eq!((last[1], last[2]), (1.0, 1000.0));
        assert!((last[0] - 1000.0).abs() < 1.0);
        assert!(rows.windows(2).all(|w| w[0][0] <= w[1][0] && w[0][1] <= w[1][1]));
    }

    #[test]
    fn an_interval_log_reads_back_with_its_tags_and_counts() {
        use hdrhistogram::serialization::Deserializer;
        use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

        use super::super::record::{Recorder, Sample, Window};

        let report = super::super::report::tests::sample_run();
        let mut recorder = Recorder::new(Window { from: 0, to: 5_000_000_000 }, 500_000_000);
        for i in 0..5000u64 {
            let sent = i * 1_000_000;
            recorder.reply(Sample { intended: sent, sent, done: sent + 250_000 }, None, false);
        }
        let records = vec![recorder.clone(), recorder];
        let file = tempfile::NamedTempFile::new().unwrap();
        interval_log(file.path(), &Measured { report, records, lost: None }).unwrap();
        let bytes = fs::read(file.path()).unwrap();
        let (mut counts, mut decoder) = (std::collections::BTreeMap::<String, u64>::new(), Deserializer::new());
        for entry in IntervalLogIterator::new(&bytes) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let text = interval.tag();
                let raw = base64_decode(interval.encoded_histogram());
                let histogram: Histogram<u64> = decoder.deserialize(&mut raw.as_slice()).unwrap();
                assert!(histogram.max() < 300_000);
                *counts.entry(text.unwrap().as_str().to_string()).or_default() += histogram.len();
            }
        }
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("readers".into(), 5000), ("writers".into(), 5000)]);
    }

    fn base64_decode(text: &str) -> Vec<u8> {
        let digit = |c: u8| match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0);
        for c in text.bytes().filter(|&c| c != b'=') {
            bits = bits << 6 | u32::from(digit(c));
            held += 6;
            if held >= 8 {
                held -= 8;
                out.push((bits >> held) as u8);
            }
        }
        out
    }

    #[test]
    fn class_names_keep_files_apart() {
        assert_eq!(with_name(Path::new("/x/out.hgrm"), "readers"), Path::new("/x/out.readers.hgrm"));
    }
}
