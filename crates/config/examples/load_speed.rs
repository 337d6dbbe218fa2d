//! Prints how long 10,000 static clusters take to load: `cargo run --release --example load_speed`.

use std::fmt::Write as _;
use std::time::Instant;

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::source::{Format, Source};
use nuncio_config::text::{self, Limits};

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
    for _ in 0..3 {
        let mut diagnostics = Diagnostics::default();
        let start = Instant::now();
        let node = text::parse(&source, 0, &Limits::default(), &mut diagnostics);
        println!("parse: {:?}", start.elapsed());
        drop(node);
    }
}
