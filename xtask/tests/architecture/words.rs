//! The project speaks of itself alone: no path of the machine that it was written on, no tools of a workplace.

use crate::tree::{assert_none, files};

/// What is looked at: everything that people read.
const ENDINGS: &[&str] = &[
    ".rs", ".md", ".toml", ".yaml", ".yml", ".cfg", ".conf", ".txt", ".tsv", ".pin", "/run",
    "/profile",
];

/// Words that give a workplace away, cut in two so that this file does not hold them.
const WORDS: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/opt/ora", "cle"),
    ("/tmp/tar", "get"),
    ("/tmp/bri", "ef"),
    ("Clau", "de"),
    ("Anthro", "pic"),
    ("Chat", "GPT"),
    ("sub", "agent"),
    ("index.cra", "tes.io"),
    ("static.cra", "tes.io"),
    ("files.python", "hosted.org"),
    ("registry.npm", "js.org"),
];

#[test]
fn no_file_speaks_of_a_workplace() {
    let mut found = Vec::new();
    for file in files(ENDINGS) {
        for (number, line) in (1..).zip(file.text.lines()) {
            for (start, end) in WORDS {
                if line.contains(&format!("{start}{end}")) {
                    found.push(format!("{}:{number}: {start}{end}", file.path));
                }
            }
        }
    }
    assert_none(&found, "words and paths of a workplace");
}
