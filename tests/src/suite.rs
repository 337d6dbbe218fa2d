//! Runs many cases, several at a time.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::case::CaseFile;
use crate::compare::differences;
use crate::outcome::Outcome;
use crate::privileges::has_net_admin;
use crate::report::Report;
use crate::run;
use crate::side::Side;

/// Runs each case `jobs` at a time and compares it with its pin. Results come in the cases' order.
#[must_use]
pub fn compare_all(cases: &[CaseFile], side: Side, binary: &Path, jobs: usize) -> Vec<Outcome> {
    in_parallel(cases, jobs, |case| match compare_one(case, side, binary) {
        Ok(outcome) => outcome,
        Err(error) => Outcome {
            case: case.id.clone(),
            pinned: Report::default(),
            differences: Vec::new(),
            failure: Some(error.to_string()),
        },
    })
}

fn compare_one(case: &CaseFile, side: Side, binary: &Path) -> io::Result<Outcome> {
    let text = fs::read_to_string(case.pin_path()).map_err(|error| {
        io::Error::other(format!("no pin {}: {error}", case.pin_path().display()))
    })?;
    let pinned = Report::from_text(&text);
    if case.case.needs_net_admin && !has_net_admin() {
        eprintln!("{}: left out, it needs CAP_NET_ADMIN", case.id);
        return Ok(Outcome {
            case: case.id.clone(),
            pinned: Report::default(),
            differences: Vec::new(),
            failure: None,
        });
    }
    let seen = run::run(&case.case, side, binary, Some(&pinned))?;
    Ok(Outcome {
        case: case.id.clone(),
        differences: differences(&pinned, &seen),
        pinned,
        failure: None,
    })
}

/// Runs each case against Envoy and writes its pin. Gives the ids of cases whose pin changed, and
/// errors by id.
#[must_use]
pub fn pin_all(cases: &[CaseFile], envoy: &Path, jobs: usize) -> Vec<(String, io::Result<bool>)> {
    in_parallel(cases, jobs, |case| {
        let pin = || -> io::Result<bool> {
            let text = run::run(&case.case, Side::Envoy, envoy, None)?.to_text();
            let changed =
                fs::read_to_string(case.pin_path()).ok().as_deref() != Some(text.as_str());
            if changed {
                fs::write(case.pin_path(), text)?;
            }
            Ok(changed)
        };
        (case.id.clone(), pin())
    })
}

fn in_parallel<T: Send>(
    cases: &[CaseFile],
    jobs: usize,
    work: impl Fn(&CaseFile) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    let result = work(case);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
