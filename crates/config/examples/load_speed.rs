//! Prints how long 10,000 static clusters take to load: `cargo run --release --example load_speed`.

use std::fmt::Write as _;
use std::time::Instant;

use nuncio_config::bootstrap::{BOOTSTRAP, Input, load};
use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::interpret::interpret;
use nuncio_config::source::{Format, Source};
use nuncio_config::text::{self, Limits};
use nuncio_config::validate::validate;

fn main() {
    let mut yaml = String::from("static_resources:\n  clusters:\n");
    for index in 0..10_000 {
        let _ = write!(
            yaml,
            "  - name: cluster_{index}\n    connect_timeout: 0.25s\n    type: STATIC\n    lb_policy: ROUND_ROBIN\n    load_assignment:\n      cluster_name: cluster_{index}\n      endpoints:\n      - lb_endpoints:\n        - endpoint:\n            address: {{ socket_address: {{ address: 127.0.0.1, port_value: 8080 }} }}\n"
        );
    }
    println!("{} bytes", yaml.len());
    let source = Source::new("clusters.yaml", Format::Yaml, yaml);
    let bootstrap = nuncio_api::message(BOOTSTRAP).expect("the API has it");
    for _ in 0..3 {
        let mut diagnostics = Diagnostics::default();
        let start = Instant::now();
        let node =
            text::parse(&source, 0, &Limits::default(), &mut diagnostics).expect("valid YAML");
        let parsed = start.elapsed();
        let tree = interpret(bootstrap, &node, &mut diagnostics).expect("a bootstrap");
        let interpreted = start.elapsed();
        validate(&tree, &mut diagnostics);
        let validated = start.elapsed();
        drop(node);
        println!(
            "parse {parsed:?}, interpret {:?}, validate {:?}, in all {:?}; {} findings",
            interpreted - parsed,
            validated - interpreted,
            start.elapsed(),
            diagnostics.iter().count()
        );
    }
    let input = Input {
        yaml: Some(source.text.to_string()),
        ..Input::default()
    };
    let start = Instant::now();
    let loaded = load(&input).expect("accepted");
    println!(
        "load {:?}, {} bytes resident",
        start.elapsed(),
        resident_bytes()
    );
    drop(loaded);
}

/// Resident memory as Linux tells it; 0 elsewhere.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
