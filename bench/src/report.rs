//! The tables on standard output and the JSON file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::bars::{self, Verdict};
use crate::json::Json;
use crate::machine;
use crate::measure::Bench;
use crate::proxies::Kind;
use crate::samples::{self, Metric, Samples};

const TITLE_WIDTH: usize = 42;
const COLUMN_WIDTH: usize = 12;

/// Pairs whose ratio is printed.
const PAIRS: [(Kind, Kind); 7] = [
    (Kind::Nuncio, Kind::Envoy),
    (Kind::Nuncio, Kind::Haproxy),
    (Kind::Nuncio, Kind::Nginx),
    (Kind::Haproxy, Kind::Envoy),
    (Kind::Nginx, Kind::Envoy),
    (Kind::Nuncio, Kind::Relay),
    (Kind::Haproxy, Kind::Relay),
];
const RATIOS: [Metric; 10] = [
    samples::H1.per_cpu_second,
    samples::H2.per_cpu_second,
    samples::POST.per_cpu_second,
    samples::LARGE.per_cpu_second,
    samples::PACED.per_cpu_second,
    samples::OBSERVED.per_cpu_second,
    samples::TLS.per_cpu_second,
    samples::HANDSHAKES.per_cpu_second,
    samples::TCP.per_cpu_second,
    samples::BULK.per_cpu_second,
];

/// Prints medians and ratios.
pub(crate) fn print(bench: &Bench) {
    let samples = &bench.samples;
    let kinds: Vec<Kind> = bench.proxies.iter().map(|proxy| proxy.kind).collect();
    println!("\n{}", machine::description());
    for proxy in &bench.proxies {
        println!("{:<8} {}", proxy.kind.name(), proxy.version);
    }
    let names = kinds.iter().map(|kind| kind.name().to_owned());
    println!("\n{}", row("median", names));
    for metric in samples::ALL {
        let medians = kinds.iter().map(|kind| samples.median(metric, *kind));
        print_row(metric.title, medians.collect(), metric.decimals);
    }
    if RATIOS.iter().any(|metric| samples.has(*metric)) {
        let heads = pairs(&kinds).map(|(of, to)| format!("{}/{}", short(of), short(to)));
        println!("\n{}", row("ratio in the same round, median", heads));
    }
    for metric in RATIOS {
        let ratios = pairs(&kinds).map(|(of, to)| samples.ratio(metric, of, to));
        print_row(metric.title, ratios.collect(), 2);
    }
    for note in &samples.notes {
        println!("note: {note}");
    }
}

/// Prints every bar's outcome; returns whether all were passed.
pub(crate) fn print_bars(samples: &Samples) -> bool {
    println!("\nbars");
    let outcomes = bars::check(samples);
    for outcome in &outcomes {
        println!("{:<13} {}", outcome.verdict.word(), outcome.text);
    }
    outcomes
        .iter()
        .all(|outcome| outcome.verdict == Verdict::Pass)
}

fn pairs(kinds: &[Kind]) -> impl Iterator<Item = (Kind, Kind)> {
    PAIRS
        .into_iter()
        .filter(|(of, to)| kinds.contains(of) && kinds.contains(to))
}

fn short(kind: Kind) -> &'static str {
    kind.name().get(..3).unwrap_or(kind.name())
}

fn print_row(title: &str, values: Vec<Option<f64>>, decimals: usize) {
    if values.iter().all(Option::is_none) {
        return;
    }
    let cells = values
        .into_iter()
        .map(|value| value.map_or_else(|| "-".into(), |value| format!("{value:.decimals$}")));
    println!("{}", row(title, cells));
}

fn row(title: &str, cells: impl Iterator<Item = String>) -> String {
    let mut line = format!("{title:<TITLE_WIDTH$}");
    for cell in cells {
        line.push_str(&format!("{cell:>COLUMN_WIDTH$}"));
    }
    line
}

/// Writes everything that was measured to a new file in `folder`.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_json(bench: &Bench, folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let path = folder.join(format!("{seconds}.json"));
    fs::write(&path, format!("{}\n", to_json(bench, seconds)))?;
    Ok(path)
}

fn to_json(bench: &Bench, seconds: u64) -> Json {
    let proxies = bench.proxies.iter().map(|proxy| {
        Json::Object(vec![
            ("name", Json::Text(proxy.kind.name().into())),
            ("version", Json::Text(proxy.version.clone())),
        ])
    });
    let samples = bench.samples.all.iter().map(|sample| {
        Json::Object(vec![
            ("metric", Json::Text(sample.metric.key.into())),
            ("proxy", Json::Text(sample.kind.name().into())),
            ("round", Json::Number(sample.round.into())),
            ("value", Json::Number(sample.value)),
        ])
    });
    let bars = bars::check(&bench.samples).into_iter().map(|outcome| {
        Json::Object(vec![
            ("bar", Json::Text(outcome.text)),
            ("verdict", Json::Text(outcome.verdict.word().into())),
        ])
    });
    let notes = bench.samples.notes.iter().cloned().map(Json::Text);
    Json::Object(vec![
        ("unix_seconds", Json::Number(seconds as f64)),
        ("machine", Json::Text(machine::description())),
        ("proxies", Json::List(proxies.collect())),
        ("samples", Json::List(samples.collect())),
        ("bars", Json::List(bars.collect())),
        ("notes", Json::List(notes.collect())),
    ])
}
