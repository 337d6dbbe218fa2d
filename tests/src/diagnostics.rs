//! Broken configurations and what must be said about them.
//!
//! `tests/diagnostics/base.yaml` is sound. A case in `tests/diagnostics/*.txt` breaks it:
//!
//! ```text
//! === its name
//! -     type: STRICT_DNS
//! +     type: STRICT_DNSS
//! @ 26:11 | is no value of the enum | did you mean `STRICT_DNS`?
//! Envoy: unknown enum value: 'STRICT_DNSS'
//! ```
//!
//! Lines behind `- ` stand in the base once and are replaced by those behind `+ `. `@ line:column | message |
//! suggestion | note` is an error that must be found, with parts of what it says; no others may be,
//! but for what is not supported. `Envoy:` holds words of the real Envoy 1.40 for the same file, which one of
//! the findings must keep; `Envoy differs:` holds words that none keeps. Without either Envoy takes the file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::corpus::{Finding, Verdict, validate};

/// Where base and cases are.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("diagnostics")
}

/// A broken configuration.
#[derive(Clone, Debug, Default)]
pub struct BrokenConfig {
    /// What is broken.
    pub name: String,
    /// The file.
    pub yaml: String,
    /// Errors that must be found.
    pub marks: Vec<Mark>,
    /// Words of Envoy's that are kept.
    pub envoy: Option<String>,
    /// Whether Envoy takes it.
    pub is_taken_by_envoy: bool,
}

/// An error that must be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// Part of the message.
    pub message: String,
    /// Part of the suggestion.
    pub suggestion: String,
    /// Part of the note.
    pub note: String,
}

/// All cases of all files.
///
/// # Errors
/// If a file cannot be read or an edit does not fit the base.
pub fn load() -> io::Result<Vec<BrokenConfig>> {
    let base = fs::read_to_string(directory().join("base.yaml"))?;
    let mut files: Vec<PathBuf> = fs::read_dir(directory())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path)?;
        let start = format!("\n{text}");
        for case in start.split("\n=== ").skip(1) {
            let case = parse(&base, case)
                .map_err(|fault| io::Error::other(format!("{}: {fault}", path.display())))?;
            cases.push(case);
        }
    }
    Ok(cases)
}

fn parse(base: &str, case: &str) -> Result<BrokenConfig, String> {
    let mut lines = case.lines();
    let name = lines.next().unwrap_or_default().to_owned();
    let mut yaml: Vec<&str> = base.lines().collect();
    let mut config = BrokenConfig {
        is_taken_by_envoy: true,
        ..BrokenConfig::default()
    };
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for line in lines.chain([""]) {
        let removed = line.strip_prefix("- ");
        let ends = !new.is_empty() && !line.starts_with('+');
        if ends || line.is_empty() && !old.is_empty() {
            replace(&mut yaml, &old, &new).map_err(|fault| format!("{name}: {fault}"))?;
            (old, new) = (Vec::new(), Vec::new());
        }
        old.extend(removed);
        if let Some(added) = line.strip_prefix('+') {
            new.push(added.strip_prefix(' ').unwrap_or(added));
        }
        if let Some(text) = line.strip_prefix("@ ") {
            config
                .marks
                .push(mark(text).ok_or_else(|| format!("{name}: no mark: {text}"))?);
        }
        if let Some(words) = line.strip_prefix("Envoy: ") {
            config.envoy = Some(words.to_owned());
        }
        config.is_taken_by_envoy &= !line.starts_with("Envoy");
    }
    config.yaml = yaml.join("\n") + "\n";
    config.name = name;
    Ok(config)
}

fn replace<'t>(yaml: &mut Vec<&'t str>, old: &[&'t str], new: &[&'t str]) -> Result<(), String> {
    let mut places = (0..yaml.len()).filter(|place| yaml[*place..].starts_with(old));
    match (places.next(), places.next(), old) {
        (Some(place), None, [_, ..]) => {
            drop(places);
            yaml.splice(place..place + old.len(), new.iter().copied());
            Ok(())
        }
        _ => Err(format!(
            "these lines do not stand in the base once: {old:?}"
        )),
    }
}

fn mark(text: &str) -> Option<Mark> {
    let mut parts = text.split(" | ").map(str::trim);
    let (line, column) = parts.next()?.split_once(':')?;
    Some(Mark {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
        message: parts.next().unwrap_or("").to_owned(),
        suggestion: parts.next().unwrap_or("").to_owned(),
        note: parts.next().unwrap_or("").to_owned(),
    })
}

impl BrokenConfig {
    /// Runs the binary on it, in `scratch`, and says what is not as it must be.
    ///
    /// # Errors
    /// If the binary cannot be run.
    pub fn faults(&self, nuncio: &Path, scratch: &Path) -> io::Result<Vec<String>> {
        fs::write(scratch.join("broken.yaml"), &self.yaml)?;
        let verdict = validate(nuncio, scratch, "broken.yaml", &[])?;
        Ok(self.compare(&verdict))
    }

    fn compare(&self, verdict: &Verdict) -> Vec<String> {
        let mut faults = Vec::new();
        let mut found: Vec<&Finding> = verdict.faults().collect();
        for mark in &self.marks {
            match found.iter().position(|finding| mark.is_met_by(finding)) {
                Some(place) => drop(found.remove(place)),
                None => faults.push(format!("nobody finds {mark:?}")),
            }
        }
        faults.extend(
            found
                .iter()
                .map(|finding| format!("not expected: {finding:?}")),
        );
        if let Some(words) = &self.envoy
            && !verdict.findings.iter().any(|finding| keeps(finding, words))
        {
            faults.push(format!("Envoy's words are missing: {words}"));
        }
        if self.is_taken_by_envoy && !self.marks.is_empty() {
            faults.push("Envoy takes it".to_owned());
        }
        faults
    }
}

impl Mark {
    fn is_met_by(&self, finding: &Finding) -> bool {
        self.line == finding.line
            && self.column == finding.column
            && finding.message.contains(&self.message)
            && finding.suggestion.contains(&self.suggestion)
            && finding.note.contains(&self.note)
    }
}

fn keeps(finding: &Finding, words: &str) -> bool {
    let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = spaced(words);
    spaced(&finding.envoy).contains(&words) || spaced(&finding.message).contains(&words)
}
