//! The comparison as a table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Agreement, Envoy, Row};

/// Counts, then each disagreement with its reasons, then what is not supported and in how many files.
#[must_use]
pub fn render(rows: &[Row]) -> String {
    let mut out = String::new();
    let count = |agreement| {
        rows.iter()
            .filter(|row| row.agreement() == agreement)
            .count()
    };
    let leniently = rows.iter().filter(|row| row.agrees_leniently()).count();
    let lines = [
        ("files", rows.len()),
        ("agree", count(Agreement::Agrees)),
        ("refused as unsupported", count(Agreement::Unsupported)),
        (
            "the same, and Envoy refuses too",
            count(Agreement::RefusedAnyway),
        ),
        ("disagree", count(Agreement::Disagrees)),
        ("agree with --allow-unsupported", leniently),
        ("disagree with --allow-unsupported", rows.len() - leniently),
    ];
    for (name, number) in lines {
        let _ = writeln!(out, "{number:>5}  {name}");
    }
    section(&mut out, "disagree", rows, |row| {
        row.agreement() == Agreement::Disagrees
    });
    section(&mut out, "disagree with --allow-unsupported", rows, |row| {
        !row.agrees_leniently()
    });
    unsupported(&mut out, rows);
    out
}

fn section(out: &mut String, title: &str, rows: &[Row], wanted: impl Fn(&Row) -> bool) {
    let mut chosen = rows.iter().filter(|row| wanted(row)).peekable();
    if chosen.peek().is_some() {
        let _ = writeln!(out, "\n{title}:");
    }
    for row in chosen {
        let envoy = match &row.envoy {
            Envoy::Accepts => "accepts",
            Envoy::Refuses(words) => words,
        };
        let _ = writeln!(out, "  {}\n    Envoy: {envoy}", row.file);
        for fault in row.plain.faults().take(5) {
            let _ = writeln!(out, "    Nuncio: {}: {}", fault.line, fault.message);
        }
        for fault in row.lenient.faults().take(5) {
            let _ = writeln!(
                out,
                "    Nuncio (--allow-unsupported): {}: {}",
                fault.line, fault.message
            );
        }
    }
}

fn unsupported(out: &mut String, rows: &[Row]) {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        let mut named: Vec<&str> = row.plain.unsupported().collect();
        named.sort_unstable();
        named.dedup();
        for what in named {
            *files.entry(what).or_default() += 1;
        }
    }
    let mut by_count: Vec<_> = files.into_iter().collect();
    by_count.sort_by_key(|(what, count)| (std::cmp::Reverse(*count), *what));
    let _ = writeln!(out, "\nnot supported yet, and in how many files:");
    for (what, count) in by_count {
        let _ = writeln!(out, "{count:>5}  {what}");
    }
}
