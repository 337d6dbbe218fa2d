//! The published packages that hold the API's definitions, fetched with their registries' own clients.
//!
//! - crate `envoy-types`: the `.proto` files of the v3 API and of what it imports;
//! - Python package `xds-protos`: file descriptors, of which we take the v2 API and
//!   whatever the crate lacks.
//!
//! Neither is linked: they are unpacked below `target/api-sources`, compiled here, and left there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Failure;

const ENVOY_TYPES: &str = "0.7.7";
const XDS_PROTOS: &str = "1.85.0";

/// The packages, unpacked.
pub(crate) struct Sources {
    /// The `proto` folder of `envoy-types`.
    pub(crate) protos: PathBuf,
    /// The root of `xds-protos`.
    pub(crate) modules: PathBuf,
}

impl Sources {
    /// What the generated files name as their origin.
    pub(crate) fn names() -> Vec<String> {
        vec![
            format!("crate envoy-types {ENVOY_TYPES}"),
            format!("Python package xds-protos {XDS_PROTOS}"),
            "`xtask/src/api/overlay.txt`: what Envoy 1.40 has beyond both".to_owned(),
        ]
    }
}

/// Fetches both packages into `folder`.
pub(crate) fn fetch(folder: &Path) -> Result<Sources, Failure> {
    let modules = folder.join("xds-protos");
    if !modules.exists() {
        fetch_python_package(folder, &modules)?;
    }
    Ok(Sources {
        protos: fetch_crate(folder)?,
        modules,
    })
}

/// Cargo unpacks a crate when a manifest that names it is fetched.
fn fetch_crate(folder: &Path) -> Result<PathBuf, Failure> {
    let manifest = folder.join("envoy-types").join("Cargo.toml");
    let parent = manifest.parent().unwrap_or(folder);
    fs::create_dir_all(parent.join("src"))?;
    fs::write(parent.join("src/lib.rs"), "")?;
    let text = format!(
        "[package]\nname = \"api-sources\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nenvoy-types = \"={ENVOY_TYPES}\"\n"
    );
    fs::write(&manifest, text)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    metadata
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(&manifest);
    let output = metadata.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // One path is wanted out of the JSON, and it ends in a name that nothing else has.
    let suffix = format!("envoy-types-{ENVOY_TYPES}/Cargo.toml\"");
    let end = text
        .find(&suffix)
        .ok_or("cargo did not fetch envoy-types")?
        + suffix.len()
        - 1;
    let start = text[..end].rfind('"').ok_or("cargo printed no path")? + 1;
    let manifest = PathBuf::from(&text[start..end]);
    Ok(manifest.with_file_name("proto"))
}

fn fetch_python_package(folder: &Path, modules: &Path) -> Result<(), Failure> {
    let wheels = folder.join("wheels");
    let package = format!("xds-protos=={XDS_PROTOS}");
    python(&[
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        &wheels.to_string_lossy(),
        &package,
    ])?;
    let wheel = wheels.join(format!("xds_protos-{XDS_PROTOS}-py3-none-any.whl"));
    python(&[
        "zipfile",
        "--extract",
        &wheel.to_string_lossy(),
        &modules.to_string_lossy(),
    ])
}

fn python(arguments: &[&str]) -> Result<(), Failure> {
    let status = Command::new("python3").arg("-m").args(arguments).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("python3 -m {} failed", arguments.join(" ")).into())
    }
}
