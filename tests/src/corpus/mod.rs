//! Real configurations with Envoy 1.40's verdict on each, and Nuncio's beside it.
//!
//! A corpus is a directory with `verdicts.tsv`: a file's path, `accept` or `reject`, and Envoy's words.
//! `tests/corpus` is one; `cargo run -p nuncio-tests --bin corpus -- --nuncio PATH DIR` takes any other.
//! Each file is validated twice by the real binary, as it is and with `--allow-unsupported`, in the
//! corpus's own directory, as Envoy was.

mod finding;
mod row;
mod table;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use finding::Finding;
pub use row::{Agreement, Envoy, Row, Verdict};
pub use table::render;

/// What Envoy says of a layer of runtime whose directory is not there.
const NO_DIRECTORY: &str = "unable to add filesystem watch for file ";

/// What distributions put in other places, if anywhere: Envoy accepted files that name it where it was.
const OF_DISTRIBUTIONS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The corpus of the repository.
#[must_use]
pub fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Files with Envoy's verdicts; those that Envoy was not asked about are left out, those that it refused for a
/// directory that is there on this machine, and those that it accepted with a file of its system that is not there.
///
/// # Errors
/// If the verdicts cannot be read.
pub fn verdicts(corpus: &Path) -> io::Result<Vec<(String, Envoy)>> {
    let path = corpus.join("verdicts.tsv");
    let text = fs::read_to_string(&path)
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
    let mut all: Vec<_> = text.lines().filter_map(verdict).collect();
    if !Path::new(OF_DISTRIBUTIONS).exists() {
        all.retain(|(file, envoy)| {
            let text = fs::read_to_string(corpus.join(file)).unwrap_or_default();
            *envoy != Envoy::Accepts || !text.contains(OF_DISTRIBUTIONS)
        });
    }
    Ok(all)
}

fn verdict(line: &str) -> Option<(String, Envoy)> {
    let mut columns = line.split('\t');
    let file = columns.next()?.to_owned();
    match columns.next()? {
        "accept" => Some((file, Envoy::Accepts)),
        "reject" => {
            let words = columns.next().unwrap_or("");
            (!is_of_another_machine(words)).then(|| (file, Envoy::Refuses(words.to_owned())))
        }
        _ => None,
    }
}

/// Whether Envoy missed a directory that is there on this machine.
fn is_of_another_machine(words: &str) -> bool {
    let path = words.split_once(NO_DIRECTORY).map(|(_, rest)| rest);
    let path = path.and_then(|rest| rest.split(':').next());
    let directory = path.and_then(|path| Path::new(path).parent());
    directory.is_some_and(Path::exists)
}

/// Asks Nuncio about every file of a corpus.
///
/// # Errors
/// If the binary cannot be run or the verdicts cannot be read.
pub fn compare(corpus: &Path, nuncio: &Path) -> io::Result<Vec<Row>> {
    let nuncio = fs::canonicalize(nuncio)
        .map_err(|error| io::Error::other(format!("{}: {error}", nuncio.display())))?;
    let rows = verdicts(corpus)?.into_iter().map(|(file, envoy)| {
        Ok(Row {
            plain: validate(&nuncio, corpus, &file, &[])?,
            lenient: validate(&nuncio, corpus, &file, &["--allow-unsupported"])?,
            file,
            envoy,
        })
    });
    rows.collect()
}

/// What `--mode validate` says of one file.
///
/// # Errors
/// If the binary cannot be run.
pub fn validate(
    nuncio: &Path,
    directory: &Path,
    file: &str,
    flags: &[&str],
) -> io::Result<Verdict> {
    let output = Command::new(nuncio)
        .args(["--mode", "validate", "--error-format", "json", "-c", file])
        .args(flags)
        .current_dir(directory)
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    Ok(Verdict {
        accepted: output.status.success(),
        findings: stderr.lines().filter_map(Finding::from_json).collect(),
    })
}
