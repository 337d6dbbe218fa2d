//! Edges between crates: one way only, as ARCHITECTURE.md draws them.

use crate::tree::{assert_none, files};

/// Each package with the packages of this project that it may use. A crate that is not here fails.
const ALLOWED: &[(&str, &[&str])] = &[
    ("nuncio-api", &[]),
    ("nuncio-config", &["nuncio-api"]),
    (
        "nuncio-contract",
        &["nuncio-config", "nuncio-api", "nuncio-service-messages"],
    ),
    ("nuncio-service-messages", &[]),
    ("nuncio-transcoding", &[]),
    ("nuncio-codec", &["nuncio-contract"]),
    ("nuncio-net", &["nuncio-contract", "nuncio-config"]),
    (
        "nuncio-upstream",
        &[
            "nuncio-net",
            "nuncio-codec",
            "nuncio-contract",
            "nuncio-config",
        ],
    ),
    (
        "nuncio-http",
        &[
            "nuncio-upstream",
            "nuncio-net",
            "nuncio-codec",
            "nuncio-contract",
            "nuncio-config",
        ],
    ),
    (
        "nuncio-tcp",
        &[
            "nuncio-upstream",
            "nuncio-net",
            "nuncio-contract",
            "nuncio-config",
        ],
    ),
    (
        "nuncio-redis",
        &[
            "nuncio-tcp",
            "nuncio-upstream",
            "nuncio-net",
            "nuncio-codec",
            "nuncio-contract",
            "nuncio-config",
        ],
    ),
    (
        "nuncio-thrift",
        &[
            "nuncio-tcp",
            "nuncio-upstream",
            "nuncio-net",
            "nuncio-codec",
            "nuncio-contract",
            "nuncio-config",
            "nuncio-service-messages",
        ],
    ),
    (
        "nuncio-udp",
        &[
            "nuncio-upstream",
            "nuncio-net",
            "nuncio-codec",
            "nuncio-contract",
            "nuncio-config",
            "nuncio-service-messages",
        ],
    ),
    (
        "nuncio-server",
        &[
            "nuncio-http",
            "nuncio-redis",
            "nuncio-tcp",
            "nuncio-thrift",
            "nuncio-udp",
            "nuncio-upstream",
            "nuncio-net",
            "nuncio-codec",
            "nuncio-contract",
            "nuncio-config",
            "nuncio-api",
        ],
    ),
    (
        "nuncio-extensions-http",
        &[
            "nuncio-contract",
            "nuncio-config",
            "nuncio-service-messages",
            "nuncio-transcoding",
        ],
    ),
    (
        "nuncio-extensions-network",
        &[
            "nuncio-contract",
            "nuncio-config",
            "nuncio-service-messages",
        ],
    ),
    ("nuncio-protocols", &["nuncio-contract", "nuncio-config"]),
    ("nuncio-wasm", &["nuncio-contract", "nuncio-config"]),
    (
        "nuncio-extensions-observability",
        &[
            "nuncio-contract",
            "nuncio-config",
            "nuncio-service-messages",
        ],
    ),
    (
        "nuncio",
        &[
            "nuncio-server",
            "nuncio-contract",
            "nuncio-extensions-http",
            "nuncio-extensions-network",
            "nuncio-extensions-observability",
            "nuncio-protocols",
            "nuncio-wasm",
        ],
    ),
    // The black-box tests and the bench share no code with what they judge.
    ("nuncio-testkit", &[]),
    ("nuncio-tests", &["nuncio-testkit"]),
    ("nuncio-bench", &[]),
    (
        "nuncio-fuzz",
        &[
            "nuncio-codec",
            "nuncio-config",
            "nuncio-contract",
            "nuncio-extensions-http",
            "nuncio-extensions-network",
            "nuncio-protocols",
            "nuncio-server",
            "nuncio-transcoding",
        ],
    ),
    ("xtask", &[]),
];

/// What any crate's own tests may use besides.
const ALLOWED_IN_TESTS: &[&str] = &["nuncio-api", "nuncio-testkit"];

/// A dependency as a manifest declares it.
struct Dependency {
    manifest: String,
    package: String,
    name: String,
    is_for_tests: bool,
    is_from_workspace: bool,
}

#[test]
fn crates_use_each_other_one_way_only() {
    let mut wrong = Vec::new();
    for dependency in dependencies() {
        if !is_ours(&dependency.name) {
            continue;
        }
        let allowed = ALLOWED
            .iter()
            .find(|(package, _)| *package == dependency.package);
        let allowed = allowed.is_some_and(|(_, names)| names.contains(&dependency.name.as_str()));
        let in_tests =
            dependency.is_for_tests && ALLOWED_IN_TESTS.contains(&dependency.name.as_str());
        if !allowed && !in_tests {
            wrong.push(format!(
                "{} may not use {}",
                dependency.package, dependency.name
            ));
        }
    }
    assert_none(&wrong, "edges between crates that are not allowed");
}

#[test]
fn every_crate_has_its_place_on_the_map() {
    let packages: Vec<_> = manifests()
        .into_iter()
        .map(|(_, package, _)| package)
        .collect();
    for package in &packages {
        assert!(
            ALLOWED.iter().any(|(name, _)| name == package),
            "{package} is not on the map"
        );
    }
    for (name, _) in ALLOWED {
        assert!(
            packages.iter().any(|package| package == name),
            "{name} is on the map and does not exist"
        );
    }
}

#[test]
fn the_map_itself_has_no_circle() {
    let mut placed: Vec<&str> = Vec::new();
    while placed.len() < ALLOWED.len() {
        let before = placed.len();
        for (package, uses) in ALLOWED {
            if !placed.contains(package) && uses.iter().all(|name| placed.contains(name)) {
                placed.push(package);
            }
        }
        assert!(
            placed.len() > before,
            "a circle among those that are not in {placed:?}"
        );
    }
}

#[test]
fn versions_are_declared_once_at_the_root() {
    let wrong: Vec<_> = dependencies()
        .iter()
        .filter(|dependency| !dependency.is_from_workspace)
        .map(|dependency| format!("{}: {}", dependency.manifest, dependency.name))
        .collect();
    assert_none(&wrong, "dependencies without `workspace = true`");
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let wrong: Vec<_> = manifests()
        .into_iter()
        .filter(|(_, _, text)| !text.contains("[lints]\nworkspace = true"))
        .map(|(path, ..)| path)
        .collect();
    assert_none(&wrong, "manifests without the workspace's lints");
}

fn is_ours(name: &str) -> bool {
    ALLOWED.iter().any(|(package, _)| *package == name) || name.starts_with("nuncio")
}

/// Path, package and text of each crate's manifest.
fn manifests() -> Vec<(String, String, String)> {
    let crates = files(&["/Cargo.toml"]);
    let manifests = crates.into_iter().map(|file| {
        let name = file
            .text
            .lines()
            .find_map(|line| line.strip_prefix("name = "));
        let package = name
            .expect("a manifest names its package")
            .trim_matches('"')
            .to_owned();
        (file.path, package, file.text)
    });
    manifests.collect()
}

fn dependencies() -> Vec<Dependency> {
    let mut found = Vec::new();
    for (manifest, package, text) in manifests() {
        let mut section = "";
        for line in text.lines() {
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']);
            } else if let Some((name, value)) = line.split_once('=')
                && section.ends_with("dependencies")
            {
                let name = name.trim();
                found.push(Dependency {
                    manifest: manifest.clone(),
                    package: package.clone(),
                    name: name.split('.').next().unwrap_or(name).to_owned(),
                    is_for_tests: section.ends_with("dev-dependencies"),
                    is_from_workspace: name.ends_with(".workspace")
                        || value.contains("workspace = true"),
                });
            }
        }
    }
    found
}
