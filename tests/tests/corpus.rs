//! The verdicts on the corpus of real configurations.

use nuncio_tests::binary::nuncio;
use nuncio_tests::corpus::{self, Agreement};

/// What Envoy refuses for a reason that only code which Nuncio does not have yet can see.
const OUT_OF_SIGHT: [&str; 2] = [
    // Lua that does not run.
    "examples/lua/envoy.yaml",
    // Where Envoy was asked there was no directory /srv/runtime; here there may be one.
    "examples/fault-injection/envoy.yaml",
];

#[test]
fn no_verdict_on_a_real_configuration_differs_from_envoys() {
    let rows = corpus::compare(&corpus::own(), &nuncio()).expect("the corpus can be read");
    let table = corpus::render(&rows);
    println!("{table}");
    assert!(rows.len() > 200, "the corpus is there");
    let refused = rows
        .iter()
        .filter(|row| row.envoy != corpus::Envoy::Accepts);
    assert!(refused.count() > 40, "Envoy refuses some of it");
    let disagreements = rows
        .iter()
        .filter(|row| row.agreement() == Agreement::Disagrees);
    assert_eq!(disagreements.count(), 0, "{table}");
}

#[test]
fn with_what_is_not_supported_allowed_the_verdicts_are_envoys() {
    let rows = corpus::compare(&corpus::own(), &nuncio()).expect("the corpus can be read");
    let different: Vec<&str> = rows
        .iter()
        .filter(|row| !row.agrees_leniently())
        .map(|row| row.file.as_str())
        .filter(|file| !OUT_OF_SIGHT.contains(file))
        .collect();
    assert!(different.is_empty(), "{}", corpus::render(&rows));
}
