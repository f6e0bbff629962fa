//! Pages: one file with style and charts inside, readable without scripts and without network, in light and dark.

mod compare;
mod overview;
mod plot;
mod run;
mod sweep;
mod timeline;

use std::fmt::Write as _;

use super::document::Document;
use plot::escape;

/// A page of several outcomes, each with a title of its own (or none).
pub fn page(title: &str, text: &str, parts: &[(String, Document)]) -> String {
    let mut body = format!("<header><h1>{}</h1>\n", escape(title));
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let _ = writeln!(body, r#"<p class="soft">{}</p>"#, escape(paragraph.trim()));
    }
    let named: Vec<(String, &Document)> = parts
        .iter()
        .map(|(name, part)| if name.is_empty() { (part.title(), part) } else { (name.clone(), part) })
        .collect();
    if named.len() > 1 {
        let link =
            |(i, (name, _)): (usize, &(String, &Document))| format!(r##"<a href="#part{i}">{}</a>"##, escape(name));
        let _ = writeln!(body, "<nav>{}</nav>", named.iter().enumerate().map(link).collect::<String>());
    }
    body += "</header>\n";
    body += &overview::section(&named);
    for (i, (name, part)) in named.iter().enumerate() {
        let _ = writeln!(body, r#"<section id="part{i}">"#);
        if named.len() > 1 || !title.contains(name.as_str()) {
            let _ = writeln!(body, "<h2>{}</h2>", escape(name));
        }
        body += &match part {
            Document::Run(report) => run::section(report),
            Document::Sweep(report) => sweep::section(report),
            Document::Compare(report) => compare::section(report),
        };
        body += "</section>\n";
    }
    let style = include_str!("style.css");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\
         <footer>{FOOTER} Made by basalt-bench {}.</footer>\n</main>\n</body>\n</html>\n",
        escape(title),
        env!("CARGO_PKG_VERSION"),
    )
}

const FOOTER: &str = "Response time runs from the moment a request was meant to leave, service time from the moment it \
    left; lateness is the difference, the generator's own fault. A run whose generator was late is marked invalid.";

/// Points of a curve for the percentile axis.
fn curve_points(curve: &[(f64, u64)]) -> impl Iterator<Item = (f64, Option<f64>)> + '_ {
    curve.iter().map(|&(quantile, ns)| (plot::nines(quantile), Some(ns as f64)))
}

/// The times that decide the vertical axis: without the very fastest, which would take half of it.
fn visible(curve: &[(f64, u64)]) -> impl Iterator<Item = f64> + '_ {
    curve.iter().filter(|point| point.0 > 0.1).map(|point| point.1 as f64)
}

/// Reasons and notes as a list.
fn remarks(invalid: &[String], notes: &[String]) -> String {
    if invalid.is_empty() && notes.is_empty() {
        return String::new();
    }
    let mut out = String::from(r#"<ul class="notes">"#);
    for reason in invalid {
        let _ = write!(out, r#"<li class="invalid">Invalid: {}</li>"#, escape(reason));
    }
    for note in notes {
        let _ = write!(out, r#"<li class="soft">{}</li>"#, escape(note));
    }
    out + "</ul>\n"
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::sample_comparison;
    use super::super::report::tests::sample_run;
    use super::super::sweep::tests::sample_sweep;
    use super::*;

    /// Every element is closed in the order it was opened.
    fn assert_well_formed(page: &str) {
        let mut open: Vec<&str> = Vec::new();
        let mut rest = page.split_once("<body>").unwrap().1.split_once("</body>").unwrap().0;
        while let Some((_, tag)) = rest.split_once('<') {
            let (tag, after) = tag.split_once('>').unwrap();
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') && !tag.starts_with('!') {
                open.push(tag.split_whitespace().next().unwrap());
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn a_page_stands_alone_and_is_whole() {
        let parts = [
            ("One <run>".to_string(), Document::Run(sample_run())),
            (String::new(), Document::Sweep(sample_sweep())),
            ("First".to_string(), Document::Compare(sample_comparison())),
            ("Second".to_string(), Document::Compare(sample_comparison())),
        ];
        let page = page("Title & more", "A paragraph.\n\nAnother.", &parts);
        assert_well_formed(&page);
        for absent in ["<script", "http://", "https://", "@import", "url(", "NaN", "inf\"", "One <run>"] {
            assert!(!page.contains(absent), "{absent}");
        }
        for present in ["prefers-color-scheme: dark", "One &lt;run&gt;", "99.9%", "BGSAVE", "noise", "<svg"] {
            assert!(page.contains(present), "{present}");
        }
    }

    #[test]
    fn a_run_without_a_single_reply_still_makes_a_page() {
        let mut run = sample_run();
        for class in &mut run.classes {
            class.response.curve.clear();
            class.timeline.clear();
        }
        run.server = None;
        let page = page("t", "", &[(String::new(), Document::Run(run))]);
        assert_well_formed(&page);
        assert!(!page.contains("NaN"));
    }
}
