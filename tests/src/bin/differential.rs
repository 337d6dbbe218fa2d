//! Pins the differential suite and runs it against either proxy; see the crate's documentation.
#![forbid(unsafe_code)]

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nuncio_tests::case::{CaseFile, load_cases};
use nuncio_tests::known::{self, Known};
use nuncio_tests::not_yet::{self, NotYet};
use nuncio_tests::outcome::Outcome;
use nuncio_tests::side::Side;
use nuncio_tests::suite::{compare_all, pin_all};
use nuncio_tests::tally::Tally;

const USAGE: &str = "usage:
  differential pin [--envoy PATH] [--filter TEXT] [--jobs N]
  differential run --against envoy|nuncio [--envoy PATH] [--nuncio PATH] [--filter TEXT] [--jobs N] [--brief]
  differential list [--filter TEXT]
  differential prune [--nuncio PATH] [--filter TEXT]
  differential accept --reason TEXT [--nuncio PATH] [--filter TEXT]
  differential defer [--nuncio PATH] [--filter TEXT]

prune takes off known_differences.tsv what no longer differs, and off not_yet.tsv what is supported
now; accept puts on the first what differs, defer on the second what Nuncio refuses as not supported.

--envoy defaults to $ENVOY; --nuncio to $NUNCIO_BIN, then to `nuncio` beside this program.";

struct Arguments {
    command: String,
    against: Side,
    envoy: Option<PathBuf>,
    nuncio: Option<PathBuf>,
    filter: String,
    jobs: usize,
    brief: bool,
    reason: String,
}

fn main() -> ExitCode {
    let outcome = parse(env::args().skip(1)).and_then(|arguments| {
        let cases = load_cases(&arguments.filter)?;
        match arguments.command.as_str() {
            "pin" => pin(&arguments, &cases),
            "run" => run(&arguments, &cases),
            "list" => {
                list(&cases);
                Ok(true)
            }
            "prune" | "accept" | "defer" => rewrite_lists(&arguments, &cases),
            other => Err(io::Error::other(format!("no command {other:?}\n{USAGE}"))),
        }
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> io::Result<Arguments> {
    let mut arguments = Arguments {
        command: words.next().unwrap_or_default(),
        against: Side::Nuncio,
        envoy: env::var_os("ENVOY").map(PathBuf::from),
        nuncio: env::var_os("NUNCIO_BIN").map(PathBuf::from),
        filter: String::new(),
        jobs: 2,
        brief: false,
        reason: String::new(),
    };
    while let Some(word) = words.next() {
        if word == "--brief" {
            arguments.brief = true;
            continue;
        }
        let value = words
            .next()
            .ok_or_else(|| io::Error::other(format!("{word} needs a value\n{USAGE}")))?;
        match word.as_str() {
            "--against" if value == "envoy" => arguments.against = Side::Envoy,
            "--against" if value == "nuncio" => arguments.against = Side::Nuncio,
            "--envoy" => arguments.envoy = Some(value.into()),
            "--nuncio" => arguments.nuncio = Some(value.into()),
            "--filter" => arguments.filter = value,
            "--reason" => arguments.reason = value,
            "--jobs" => arguments.jobs = value.parse().map_err(io::Error::other)?,
            _ => {
                return Err(io::Error::other(format!(
                    "what is {word} {value}?\n{USAGE}"
                )));
            }
        }
    }
    Ok(arguments)
}

fn envoy(arguments: &Arguments) -> io::Result<&Path> {
    let path = arguments.envoy.as_deref();
    path.ok_or_else(|| io::Error::other("say where Envoy is: --envoy PATH or $ENVOY"))
}

fn nuncio(arguments: &Arguments) -> io::Result<PathBuf> {
    let path = match &arguments.nuncio {
        Some(path) => path.clone(),
        None => env::current_exe()?.with_file_name("nuncio"),
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(io::Error::other(format!(
        "no binary at {}: build it, or give --nuncio PATH",
        path.display()
    )))
}

fn list(cases: &[CaseFile]) {
    for case in cases {
        println!(
            "{:<40} {:>3}  {}",
            case.id,
            case.case.exchanges.len(),
            case.case.proves
        );
    }
    let exchanges: usize = cases.iter().map(|case| case.case.exchanges.len()).sum();
    println!("{} cases, {exchanges} exchanges", cases.len());
}

fn pin(arguments: &Arguments, cases: &[CaseFile]) -> io::Result<bool> {
    let mut good = true;
    for (case, result) in pin_all(cases, envoy(arguments)?, arguments.jobs) {
        match result {
            Ok(true) => println!("{case}: written"),
            Ok(false) => println!("{case}: unchanged"),
            Err(error) => {
                good = false;
                println!("{case}: FAILED: {error}");
            }
        }
    }
    Ok(good)
}

fn run(arguments: &Arguments, cases: &[CaseFile]) -> io::Result<bool> {
    let (binary, known, not_yet) = match arguments.against {
        Side::Envoy => (envoy(arguments)?.to_owned(), Vec::new(), Vec::new()),
        Side::Nuncio => (nuncio(arguments)?, known::load()?, not_yet::load()?),
    };
    let outcomes = compare_all(cases, arguments.against, &binary, arguments.jobs);
    for outcome in &outcomes {
        if !print_if_not_yet(outcome, &not_yet) {
            print_outcome(outcome, &known, arguments.brief);
        }
    }
    let tally = Tally::new(cases, &outcomes, &known, &not_yet);
    println!("\n{tally}");
    Ok(tally.unexpected == 0)
}

fn rewrite_lists(arguments: &Arguments, cases: &[CaseFile]) -> io::Result<bool> {
    let outcomes = compare_all(cases, Side::Nuncio, &nuncio(arguments)?, arguments.jobs);
    let waiting = not_yet::load()?;
    let count = waiting.len();
    let mut waiting = not_yet::prune(waiting, &outcomes);
    println!("{} supported now", count - waiting.len());
    if arguments.command == "defer" {
        let left = waiting.len();
        waiting = not_yet::add(waiting, &outcomes);
        println!("{} not supported yet", waiting.len() - left);
    }
    not_yet::save(&waiting)?;
    let refused = |outcome: &Outcome| waiting.iter().any(|entry| entry.case == outcome.case);
    let outcomes: Vec<Outcome> = outcomes
        .into_iter()
        .filter(|outcome| !refused(outcome))
        .collect();
    let before = known::load()?;
    let count = before.len();
    let mut after = known::prune(before, &outcomes);
    println!("{} taken off", count - after.len());
    if arguments.command == "accept" {
        if arguments.reason.is_empty() {
            return Err(io::Error::other(format!("accept needs --reason\n{USAGE}")));
        }
        let left = after.len();
        after = known::accept(after, &outcomes, &arguments.reason);
        println!("{} put on", after.len() - left);
    }
    known::save(&after)?;
    Ok(true)
}

/// Prints a case that is on the list of what is not supported yet; false for any other.
fn print_if_not_yet(outcome: &Outcome, not_yet: &[NotYet]) -> bool {
    let Some(entry) = not_yet.iter().find(|entry| entry.case == outcome.case) else {
        return false;
    };
    if not_yet::is_refused(outcome) {
        println!("not yet {}: {}", outcome.case, entry.what);
        return true;
    }
    println!(
        "FAILED  {}: it is on not_yet.tsv, but is not refused as not supported",
        outcome.case
    );
    outcome.failure.is_some()
}

fn print_outcome(outcome: &Outcome, known: &[Known], brief: bool) {
    if let Some(failure) = &outcome.failure {
        match known.iter().find(|known| known.covers(&outcome.case, "*")) {
            Some(known) => println!("known   {}: {}", outcome.case, known.reason),
            None => println!("FAILED  {}: {failure}", outcome.case),
        }
        return;
    }
    if outcome.differences.is_empty() {
        println!(
            "equal   {} ({} sections)",
            outcome.case,
            outcome.pinned.sections.len()
        );
        return;
    }
    for difference in &outcome.differences {
        let reason = known
            .iter()
            .find(|known| known.covers(&outcome.case, &difference.section));
        match reason {
            Some(known) => println!(
                "known   {} / {}: {}",
                outcome.case, difference.section, known.reason
            ),
            None => println!("DIFFERS {} / {}", outcome.case, difference.section),
        }
        if reason.is_none() && !brief {
            print!("{}", shorten(&difference.lines));
        }
    }
}

/// Changed lines with two lines around them.
fn shorten(diff: &str) -> String {
    const AROUND: usize = 2;
    let lines: Vec<&str> = diff.lines().collect();
    let changed = |line: &&str| line.starts_with("  - ") || line.starts_with("  + ");
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let near = &lines[index.saturating_sub(AROUND)..lines.len().min(index + AROUND + 1)];
        if near.iter().any(changed) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}
