//! Nuncio against what the real Envoy did: every case of the differential suite.
//!
//! `DIFFERENTIAL_FILTER=text` runs only cases whose id contains the text. The binary is
//! `$NUNCIO_BIN`, or else built here, into the directory that this test was built into.
#![forbid(unsafe_code)]

use std::env;
use std::fmt::Write as _;

use nuncio_tests::binary::nuncio;
use nuncio_tests::case::load_cases;
use nuncio_tests::known;
use nuncio_tests::not_yet;
use nuncio_tests::side::Side;
use nuncio_tests::suite::compare_all;

/// How many cases run at once: they wait for one another's ends more than they work.
const JOBS: usize = 4;

#[test]
fn nuncio_does_what_envoy_does() {
    let filter = env::var("DIFFERENTIAL_FILTER").unwrap_or_default();
    let cases = load_cases(&filter).expect("all cases can be read");
    let known = known::load().expect("the list of known differences can be read");
    let waiting = not_yet::load().expect("the list of what is not supported yet can be read");
    let outcomes = compare_all(&cases, Side::Nuncio, &nuncio(), JOBS);
    let mut complaints = String::new();
    for outcome in &outcomes {
        if waiting.iter().any(|entry| entry.case == outcome.case) {
            if not_yet::is_refused(outcome) {
                continue;
            }
            let _ = writeln!(
                complaints,
                "{} is not refused as not supported yet: take it off not_yet.tsv",
                outcome.case
            );
        }
        if let Some(failure) = &outcome.failure {
            let excused = known
                .iter()
                .any(|known| known.case == outcome.case && known.section == "*");
            if !excused {
                let _ = writeln!(complaints, "{} could not be run: {failure}", outcome.case);
            }
            continue;
        }
        for difference in &outcome.differences {
            if !known
                .iter()
                .any(|known| known.covers(&outcome.case, &difference.section))
            {
                let _ = writeln!(
                    complaints,
                    "{} / {}\n{}",
                    outcome.case, difference.section, difference.lines
                );
            }
        }
        for entry in known.iter().filter(|entry| entry.case == outcome.case) {
            if !outcome
                .differences
                .iter()
                .any(|difference| entry.covers(&outcome.case, &difference.section))
            {
                let _ = writeln!(
                    complaints,
                    "{} / {} no longer differs: take it off known_differences.tsv",
                    entry.case, entry.section
                );
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "differs from the pinned Envoy:\n{complaints}"
    );
}

#[test]
fn every_case_has_a_pin_with_its_exchanges_and_every_known_difference_a_case() {
    let cases = load_cases("").expect("all cases can be read");
    for case in &cases {
        let text = std::fs::read_to_string(case.pin_path()).unwrap_or_default();
        let pin = nuncio_tests::report::Report::from_text(&text);
        for exchange in &case.case.exchanges {
            assert!(
                pin.section(&exchange.name).is_some(),
                "{}: {} has no pin",
                case.id,
                exchange.name
            );
        }
    }
    for entry in known::load().expect("the list of known differences can be read") {
        let case = cases.iter().find(|case| case.id == entry.case);
        assert!(
            case.is_some(),
            "known_differences.tsv names {}, which is no case",
            entry.case
        );
    }
    for entry in not_yet::load().expect("the list of what is not supported yet can be read") {
        let case = cases.iter().find(|case| case.id == entry.case);
        assert!(
            case.is_some(),
            "not_yet.tsv names {}, which is no case",
            entry.case
        );
    }
}
