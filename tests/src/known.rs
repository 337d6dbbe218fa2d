//! Differences from Envoy that are known and said: `differential/known_differences.tsv`.
//!
//! Three columns: case, section (`*` for all of the case), reason. An entry whose section no
//! longer differs is an error, so that the list only shrinks by being true.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::case::data_directory;
use crate::compare::Difference;
use crate::outcome::Outcome;

/// One known difference.
#[derive(Clone, Debug)]
pub struct Known {
    /// Id of the case.
    pub case: String,
    /// Section, or `*`.
    pub section: String,
    /// Why.
    pub reason: String,
}

impl Known {
    /// Whether it speaks of this section of this case.
    #[must_use]
    pub fn covers(&self, case: &str, section: &str) -> bool {
        self.case == case && (self.section == "*" || self.section == section)
    }
}

/// First line of the file.
const HEADER: &str = "# case\texchange (or *, (stats), (access log NAME))\treason";

fn path() -> PathBuf {
    data_directory().join("known_differences.tsv")
}

/// Writes the list, sorted.
///
/// # Errors
/// If the file cannot be written.
pub fn save(entries: &[Known]) -> io::Result<()> {
    let mut lines: Vec<String> = entries
        .iter()
        .map(|known| format!("{}\t{}\t{}", known.case, known.section, known.reason))
        .collect();
    lines.sort();
    lines.insert(0, HEADER.to_owned());
    fs::write(path(), lines.join("\n") + "\n")
}

/// Without the entries that `outcomes` show to be true no longer; cases that were not run keep
/// theirs.
#[must_use]
pub fn prune(entries: Vec<Known>, outcomes: &[Outcome]) -> Vec<Known> {
    let still_true = |known: &Known| {
        let Some(outcome) = outcomes.iter().find(|outcome| outcome.case == known.case) else {
            return true;
        };
        let differs = |difference: &Difference| known.covers(&outcome.case, &difference.section);
        match outcome.failure {
            Some(_) => known.section == "*",
            None => outcome.differences.iter().any(differs),
        }
    };
    entries.into_iter().filter(still_true).collect()
}

/// With an entry for each difference in `outcomes` that has none: the whole case if it could not
/// be run.
#[must_use]
pub fn accept(mut entries: Vec<Known>, outcomes: &[Outcome], reason: &str) -> Vec<Known> {
    for outcome in outcomes {
        let whole = outcome.failure.iter().map(|_| "*".to_owned());
        let sections = outcome
            .differences
            .iter()
            .map(|difference| difference.section.clone());
        for section in whole.chain(sections) {
            if !entries
                .iter()
                .any(|known| known.covers(&outcome.case, &section))
            {
                entries.push(Known {
                    case: outcome.case.clone(),
                    section,
                    reason: reason.to_owned(),
                });
            }
        }
    }
    entries
}

/// Reads the list.
///
/// # Errors
/// If it cannot be read or a line has not three columns.
pub fn load() -> io::Result<Vec<Known>> {
    let text = fs::read_to_string(path())?;
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [case, section, reason] = columns[..] else {
                return Err(io::Error::other(format!(
                    "known_differences.tsv: not three columns: {line}"
                )));
            };
            Ok(Known {
                case: case.to_owned(),
                section: section.to_owned(),
                reason: reason.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    fn outcome(case: &str, sections: &[&str]) -> Outcome {
        let difference = |section: &&str| Difference {
            section: (*section).to_owned(),
            lines: String::new(),
        };
        Outcome {
            case: case.to_owned(),
            pinned: Report::default(),
            differences: sections.iter().map(difference).collect(),
            failure: None,
        }
    }

    #[test]
    fn accepted_differences_are_listed_and_healed_ones_pruned() {
        let accepted = accept(
            Vec::new(),
            &[outcome("a", &["one", "two"]), outcome("b", &["one"])],
            "why",
        );
        assert_eq!(accepted.len(), 3);
        let left = prune(accepted, &[outcome("a", &["two"])]);
        let ids: Vec<(&str, &str)> = left
            .iter()
            .map(|known| (known.case.as_str(), known.section.as_str()))
            .collect();
        assert_eq!(ids, [("a", "two"), ("b", "one")]);
    }
}
