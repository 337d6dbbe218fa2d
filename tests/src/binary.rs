//! The program under test.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// `$NUNCIO_BIN`, or else what is built here, into the directory that the calling test was built into.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn nuncio() -> PathBuf {
    if let Some(path) = env::var_os("NUNCIO_BIN") {
        return path.into();
    }
    // A test runs as <target>/<profile>/deps/NAME-HASH.
    let own = env::current_exe().expect("a running test has a path");
    let profile = own
        .parent()
        .and_then(|deps| deps.parent())
        .expect("the test lies in a target directory");
    let target = profile
        .parent()
        .expect("the profile directory lies in a target directory");
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args([
            "build",
            "--quiet",
            "--package",
            "nuncio",
            "--bin",
            "nuncio",
            "--target-dir",
        ])
        .arg(target);
    if profile.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    let status = build.status().expect("cargo runs");
    assert!(status.success(), "nuncio does not build");
    profile.join("nuncio")
}
