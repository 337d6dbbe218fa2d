//! Cases that Nuncio refuses as not supported yet, in `differential/not_yet.tsv`.
//!
//! Such a case must be refused with these words; one that is not is supported now, and its entry
//! must be taken off.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::case::data_directory;
use crate::outcome::Outcome;

/// What Nuncio says of it.
const REFUSAL: &str = "not supported by Nuncio yet";

/// First line of the file.
const HEADER: &str = "# case\twhat is not supported";

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// Id of the case.
    pub case: String,
    /// What is missing.
    pub what: String,
}

/// Whether a case failed because Nuncio refuses its config.
#[must_use]
pub fn is_refused(outcome: &Outcome) -> bool {
    outcome
        .failure
        .as_ref()
        .is_some_and(|failure| failure.contains(REFUSAL))
}

fn path() -> PathBuf {
    data_directory().join("not_yet.tsv")
}

/// Reads the list.
///
/// # Errors
/// If it cannot be read or a line has not two columns.
pub fn load() -> io::Result<Vec<NotYet>> {
    let text = fs::read_to_string(path())?;
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| match line.split_once('\t') {
            Some((case, what)) => Ok(NotYet {
                case: case.to_owned(),
                what: what.to_owned(),
            }),
            None => Err(io::Error::other(format!(
                "not_yet.tsv: not two columns: {line}"
            ))),
        })
        .collect()
}

/// Writes the list, sorted.
///
/// # Errors
/// If the file cannot be written.
pub fn save(entries: &[NotYet]) -> io::Result<()> {
    let mut lines: Vec<String> = entries
        .iter()
        .map(|entry| format!("{}\t{}", entry.case, entry.what))
        .collect();
    lines.sort();
    lines.insert(0, HEADER.to_owned());
    fs::write(path(), lines.join("\n") + "\n")
}

/// Without the cases that `outcomes` show to be supported; cases that were not run keep theirs.
#[must_use]
pub fn prune(entries: Vec<NotYet>, outcomes: &[Outcome]) -> Vec<NotYet> {
    let still = |entry: &NotYet| {
        let outcome = outcomes.iter().find(|outcome| outcome.case == entry.case);
        outcome.is_none_or(is_refused)
    };
    entries.into_iter().filter(still).collect()
}

/// With the cases of `outcomes` that are refused.
#[must_use]
pub fn add(mut entries: Vec<NotYet>, outcomes: &[Outcome]) -> Vec<NotYet> {
    for outcome in outcomes.iter().filter(|outcome| is_refused(outcome)) {
        if !entries.iter().any(|entry| entry.case == outcome.case) {
            entries.push(NotYet {
                case: outcome.case.clone(),
                what: first_refusal(outcome),
            });
        }
    }
    entries
}

/// Nuncio's first words on what it does not support.
fn first_refusal(outcome: &Outcome) -> String {
    let failure = outcome.failure.as_deref().unwrap_or_default();
    let line = failure.lines().find(|line| line.contains(REFUSAL));
    let before = line.and_then(|line| line.split(REFUSAL).next());
    let said = before.unwrap_or_default().trim();
    let said = said.rsplit("error: ").next().unwrap_or_default();
    said.trim_end_matches(" is").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    fn outcome(case: &str, failure: Option<&str>) -> Outcome {
        Outcome {
            case: case.to_owned(),
            pinned: Report::default(),
            differences: Vec::new(),
            failure: failure.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_refused_is_listed_until_it_is_supported() {
        let refusal = "its last words:\nerror: field `x` of `y` is not supported by Nuncio yet";
        let listed = add(Vec::new(), &[outcome("a", Some(refusal))]);
        assert_eq!(listed[0].what, "field x of y");
        assert_eq!(
            prune(listed.clone(), &[outcome("a", Some(refusal))]),
            listed
        );
        assert!(prune(listed, &[outcome("a", None)]).is_empty());
    }

    #[test]
    fn another_failure_is_no_refusal() {
        assert!(add(Vec::new(), &[outcome("a", Some("no upstream"))]).is_empty());
    }
}
