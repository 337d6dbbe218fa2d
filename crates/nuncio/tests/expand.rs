//! `nuncio expand`: defaults written out, and nothing changed by it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const DEMO: &str = include_str!("../../server/src/demo.yaml");

fn nuncio(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nuncio"))
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("it can be written");
    path
}

fn expanded(name: &str, text: &str) -> String {
    let path = file(name, text);
    let output = nuncio(&["expand", path.to_str().expect("UTF-8")]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

#[test]
fn defaults_are_written_out_and_marked() {
    let text = expanded("demo.yaml", DEMO);
    for expected in [
        "stats_flush_interval: 5s # default",
        "stream_idle_timeout: 300s # default",
        "max_request_headers_kb: 60 # default",
        "lb_policy: ROUND_ROBIN",
        "connect_timeout: 5s # default",
        "per_connection_buffer_limit_bytes: 1048576 # default",
        "codec_type: AUTO # default",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn what_comes_out_is_taken_and_has_nothing_more_to_expand() {
    let once = expanded("once.yaml", DEMO);
    let path = file("twice.yaml", &once);
    let output = nuncio(&["--mode", "validate", "-c", path.to_str().expect("UTF-8")]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let bare = |text: &str| text.replace(" # default", "");
    assert_eq!(bare(&expanded("twice.yaml", &once)), bare(&once));
}

#[test]
fn json_comes_out_as_yaml() {
    let text = expanded(
        "expand.json",
        "{\"staticResources\": {\"clusters\": [{\"name\": \"a\"}]}}",
    );
    assert!(
        text.starts_with("staticResources:\n  clusters:\n  - name: a\n"),
        "{text}"
    );
    assert!(text.contains("    type: STATIC # default\n"), "{text}");
}
