//! The files of the project, without what is built, fetched or found by fuzzing.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that hold nothing of the project's own, by their path from its root.
const SKIPPED: &[&str] = &[
    ".git",
    "target",
    "fuzz/target",
    "fuzz/artifacts",
    "bench/results",
];

/// A file of the project.
pub(crate) struct File {
    /// From the project's root, with `/`.
    pub(crate) path: String,
    /// What it holds, as far as that is UTF-8.
    pub(crate) text: String,
}

impl File {
    /// Whether a program wrote it.
    pub(crate) fn is_generated(&self) -> bool {
        self.path.contains("/generated/")
    }

    /// The crate's directory: `crates/net`, `xtask`.
    pub(crate) fn crate_directory(&self) -> &str {
        let parts = if self.path.starts_with("crates/") {
            2
        } else {
            1
        };
        let end = self
            .path
            .match_indices('/')
            .nth(parts - 1)
            .map_or(0, |(at, _)| at);
        &self.path[..end]
    }
}

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the project")
        .to_owned()
}

/// All files whose names end with one of `endings`, in the order of their paths.
pub(crate) fn files(endings: &[&str]) -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    visit(&root, &root, &mut |path, relative| {
        if endings.iter().any(|ending| relative.ends_with(ending)) {
            let bytes = fs::read(path).expect("a file that was just listed can be read");
            let text = String::from_utf8_lossy(&bytes).into_owned();
            files.push(File {
                path: relative.to_owned(),
                text,
            });
        }
    });
    files.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(
        !files.is_empty(),
        "there are files that end with {endings:?}"
    );
    files
}

/// All Rust files.
pub(crate) fn rust_files() -> Vec<File> {
    files(&[".rs"])
}

/// Fails with all findings at once.
pub(crate) fn assert_none(findings: &[String], what: &str) {
    assert!(
        findings.is_empty(),
        "{what}:\n  {}\n",
        findings.join("\n  ")
    );
}

fn visit(root: &Path, directory: &Path, found: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).expect("a directory of the project can be listed") {
        let path = entry.expect("its entries can be read").path();
        let relative = path.strip_prefix(root).expect("it lies in the project");
        let relative = relative.to_string_lossy().replace('\\', "/");
        if SKIPPED.contains(&relative.as_str()) {
            continue;
        }
        if path.is_dir() {
            visit(root, &path, found);
        } else {
            found(&path, &relative);
        }
    }
}
