//! The size and the look of single files.

use crate::tree::{File, assert_none, rust_files};

const MOST_LINES_OF_A_FILE: usize = 1000;
const MOST_LINES_OF_A_FUNCTION: usize = 70;

/// Longer functions that stay for a reason: file and name.
const LONG_FUNCTIONS: &[(&str, &str)] = &[
    // A table of closures, one a command, which rustfmt spreads over many lines.
    ("crates/contract/src/formatter/commands.rs", "time"),
];

/// Tests that say in their names alone what they are about.
const SILENT: &[&str] = &[
    "crates/contract/src/headers/tests.rs",
    "crates/upstream/src/config/tests.rs",
    "crates/upstream/src/discovery/tests.rs",
];

#[test]
fn files_are_short_enough_to_read() {
    let long: Vec<_> = own_files()
        .filter(|file| file.text.lines().count() >= MOST_LINES_OF_A_FILE)
        .map(|file| format!("{}: {} lines", file.path, file.text.lines().count()))
        .collect();
    assert_none(&long, "files of 1000 lines or more");
}

#[test]
fn functions_are_short_enough_to_read() {
    let mut long = Vec::new();
    let mut excused = 0;
    // A test may be a long table of cases.
    for file in own_files().filter(|file| !file.path.contains("/tests")) {
        let source = file
            .text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or("");
        for (name, lines) in functions(source) {
            if lines <= MOST_LINES_OF_A_FUNCTION {
                continue;
            }
            if LONG_FUNCTIONS.contains(&(file.path.as_str(), name.as_str())) {
                excused += 1;
            } else {
                long.push(format!("{}: {name} has {lines} lines", file.path));
            }
        }
    }
    assert_none(
        &long,
        "functions of more than 70 lines, comments and empty lines aside",
    );
    assert_eq!(
        excused,
        LONG_FUNCTIONS.len(),
        "an exception excepts nothing"
    );
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<_> = own_files()
        .filter(|file| !file.text.starts_with("//! ") && !SILENT.contains(&file.path.as_str()))
        .map(|file| file.path)
        .collect();
    assert_none(&silent, "files that do not open with `//!`");
}

#[test]
fn every_crate_forbids_unsafe_code() {
    let roots = ["/src/lib.rs", "/src/main.rs"];
    let open: Vec<_> = own_files()
        .filter(|file| {
            roots
                .iter()
                .any(|root| file.path == format!("{}{root}", file.crate_directory()))
        })
        .filter(|file| !file.text.contains("#![forbid(unsafe_code)]"))
        .map(|file| file.path)
        .collect();
    assert_none(&open, "crates without `#![forbid(unsafe_code)]`");
}

#[test]
fn functions_are_measured_without_comments_and_with_their_tails() {
    let source = "fn a() {\n    // why\n\n    b();\n    c();\n}\n\nfn one() {}\n";
    assert_eq!(functions(source), [("a".to_owned(), 2)]);
}

fn own_files() -> impl Iterator<Item = File> {
    rust_files().into_iter().filter(|file| !file.is_generated())
}

/// The functions of a source and how many lines of code their bodies have.
fn functions(source: &str) -> Vec<(String, usize)> {
    let lines: Vec<_> = source.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let indent = &line[..line.len() - line.trim_start().len()];
        let opens = |line: &&str| line.trim_end().ends_with('{');
        let closes = |line: &str| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest.starts_with('}'))
        };
        let ends = |line: &&str| closes(line) || line.trim_end().ends_with(';');
        let head = lines[at..]
            .iter()
            .position(|line| opens(line) || ends(line))
            .unwrap_or(0);
        if !lines.get(at + head).is_some_and(opens) {
            continue;
        }
        let body = lines[at + head + 1..]
            .iter()
            .take_while(|line| !closes(line));
        let code =
            body.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"));
        found.push((name, code.count()));
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| {
        matches!(*word, "pub" | "async" | "const" | "extern") || word.starts_with("pub(")
    });
    if words.next() != Some("fn") {
        return None;
    }
    let name = words.next()?;
    Some(name.split(['(', '<']).next().unwrap_or(name).to_owned())
}
