//! Programs of this machine that tests use where they are installed: clients that people use, browsers.

use std::path::PathBuf;

/// The first of these that is installed.
#[must_use]
pub fn installed(names: &[&str]) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&directories)
        .flat_map(|directory| names.iter().map(move |name| directory.join(name)));
    found.into_iter().find(|path| path.is_file())
}

/// Whether this one is; says that its test is passed over where it is not.
#[must_use]
pub fn is_installed(name: &str) -> bool {
    let is_there = installed(&[name]).is_some();
    if !is_there {
        eprintln!("{name} is not installed: passed over");
    }
    is_there
}
