//! The stream loggers' configs. What they write goes to the test's own streams, so only the way there is
//! looked at.

use crate::tests::{Config, refusal};

fn stream(kind: &str, format: &str) -> String {
    format!(
        "name: a\ntyped_config:\n  '@type': type.googleapis.com/envoy.extensions.access_loggers.stream.v3.{kind}\n  {format}\n"
    )
}

#[test]
fn both_streams_are_taken_with_and_without_a_format() {
    for kind in ["StdoutAccessLog", "StderrAccessLog"] {
        let _ = Config::new(&stream(kind, ""));
        let _ = Config::new(&stream(
            kind,
            "log_format: {json_format: {a: '%PROTOCOL%'}}",
        ));
    }
}

#[test]
fn a_bad_format_is_refused() {
    assert_eq!(
        refusal(&stream(
            "StdoutAccessLog",
            "log_format: {text_format: '%PROTOCOL'}"
        )),
        "Incorrect configuration: %PROTOCOL. Couldn't find valid command at position 0"
    );
}
