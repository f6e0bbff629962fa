//! Files: JSON of the whole report, CSV of the time line, percentile curves in HdrHistogram's text form.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;
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

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
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
    fn class_names_keep_files_apart() {
        assert_eq!(with_name(Path::new("/x/out.hgrm"), "readers"), Path::new("/x/out.readers.hgrm"));
    }
}
