//! The loader against what Envoy 1.40 says: small broken bootstraps with its exact words, and the corpus
//! of real ones.

use std::path::{Path, PathBuf};

use nuncio_config::bootstrap::{Input, load};
use nuncio_config::report::Style;

/// Runs of white space as one space: Envoy scatters more of them at random.
fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn mismatch(yaml: &str, verdict: &str) -> Option<String> {
    let outcome = load(&Input {
        yaml: Some(yaml.to_owned()),
        ..Input::default()
    });
    let taken = verdict == "OK" || verdict.starts_with("accepted by the loader");
    match outcome {
        Ok(_) if taken => None,
        Ok(_) => Some(format!("taken, but Envoy says: {verdict}")),
        Err(refusal) if taken => Some(format!("refused: {}", refusal.render(Style::Plain))),
        Err(refusal) => {
            let texts: Vec<&str> = refusal
                .diagnostics
                .iter()
                .filter_map(|found| found.envoy.as_deref())
                .collect();
            let same = texts
                .iter()
                .any(|text| single_spaced(text) == single_spaced(verdict));
            (!same).then(|| format!("Envoy says: {verdict}\nbut these are: {texts:#?}"))
        }
    }
}

#[test]
fn broken_bootstraps_are_refused_in_envoys_words_and_odd_ones_taken() {
    let pinned = include_str!("verdicts/bootstraps.txt");
    let mut checked = 0;
    let mut wrong = Vec::new();
    for case in pinned.split("\n\n").skip(1) {
        let mut lines = case.trim_end().lines();
        let (Some(name), Some(yaml), Some(verdict)) = (lines.next(), lines.next(), lines.next())
        else {
            panic!("a case has three lines: {case}");
        };
        checked += 1;
        wrong.extend(mismatch(yaml, verdict).map(|why| format!("{name}: {why}")));
    }
    assert!(checked >= 50);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The corpus stands beside the checkout or above it; a fresh clone has none.
fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    root.join("verdicts.tsv").exists().then_some(root)
}

#[test]
fn every_bootstrap_of_the_corpus_that_envoy_takes_can_be_read() {
    let Some(root) = corpus() else {
        println!("skipped: there is no corpus beside the checkout");
        return;
    };
    let verdicts = std::fs::read_to_string(root.join("verdicts.tsv")).expect("readable");
    let accepted = verdicts.lines().filter_map(|line| {
        let mut columns = line.split('\t');
        let (file, verdict) = (columns.next()?, columns.next()?);
        (verdict == "accept").then_some(file)
    });
    let mut refused = Vec::new();
    let mut checked = 0;
    for file in accepted {
        checked += 1;
        let path = root.join(file).display().to_string();
        if let Err(refusal) = load(&Input {
            path: Some(path),
            ..Input::default()
        }) {
            refused.push(refusal.render(Style::Plain));
        }
    }
    assert!(checked > 100);
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
