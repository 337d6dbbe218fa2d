//! `cargo run -p xtask -- api`: generates the tables of `nuncio-api`.
//!
//! It fetches the published packages that hold the API's definitions (see [`sources`]),
//! compiles them without protoc, adds the overlay (what Envoy 1.40 has beyond
//! them), drops comments and everything else that configuration does not need, and
//! writes `crates/api/src/generated/`. It needs the network (the crate registry and
//! the Python one) and `python3` with pip; building and testing Nuncio needs neither.
//!
//! The compiler of `.proto` files is an optional dependency behind the feature
//! `api-sources`: without it this command starts itself again with it.

#[cfg(feature = "api-sources")]
mod absolute;
#[cfg(feature = "api-sources")]
mod compile;
#[cfg(feature = "api-sources")]
mod emit;
#[cfg(feature = "api-sources")]
mod model;
#[cfg(feature = "api-sources")]
mod overlay;
#[cfg(feature = "api-sources")]
mod rules;
#[cfg(feature = "api-sources")]
mod sources;
#[cfg(feature = "api-sources")]
mod wire;

/// Why a chore failed, for the one who started it.
type Failure = Box<dyn std::error::Error>;

/// Starts this command again, built with what it needs.
#[cfg(not(feature = "api-sources"))]
pub(crate) fn run() -> Result<(), Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "run",
        "--package",
        "xtask",
        "--features",
        "api-sources",
        "--",
        "api",
    ];
    let status = std::process::Command::new(cargo).args(arguments).status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the generator failed".into())
    }
}

/// Generates the tables.
#[cfg(feature = "api-sources")]
pub(crate) fn run() -> Result<(), Failure> {
    use std::fs;
    use std::path::Path;

    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("xtask has no workspace")?;
    let sources = sources::fetch(&root.join("target/api-sources"))?;
    let mut model = model::Model::default();
    for (name, file) in compile::compile(&sources)? {
        if !describes_descriptors(&name) {
            model.add_file(&file);
        }
    }
    overlay::apply(&mut model);
    let generated = emit::emit(&model, &sources::Sources::names());
    let folder = root.join("crates/api/src/generated");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("tables.bin"), &generated.tables)?;
    fs::write(folder.join("strings.txt"), &generated.strings)?;
    fs::write(folder.join("layout.rs"), &generated.layout)?;
    println!(
        "{} messages and {} enums in {} KiB",
        model.messages.len(),
        model.enums.len(),
        (generated.tables.len() + generated.strings.len()) / 1024
    );
    Ok(())
}

/// Files whose messages only annotate other messages: no configuration names them.
#[cfg(feature = "api-sources")]
fn describes_descriptors(name: &str) -> bool {
    name == "google/protobuf/descriptor.proto"
        || name.contains("annotations")
        || name.starts_with("validate/")
}
