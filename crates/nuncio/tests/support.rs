//! `nuncio support`: complete, as the sources declare it, and exact about a file.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn support(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_nuncio"))
        .arg("support")
        .args(arguments)
        .output()
        .expect("the binary runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&support(arguments)).expect("it prints JSON")
}

fn rows<'v>(table: &'v Value, list: &str, name: &str) -> &'v Value {
    let found = table[list].as_array().expect("a list");
    found
        .iter()
        .find(|row| row["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not listed"))
}

/// The sources of the crates, without tests.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("it can be listed") {
        let path = entry.expect("it can be read").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if path.is_dir() && name != "tests" && name != "target" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

#[test]
fn every_declared_message_is_in_the_table() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crates' directory");
    let mut files = Vec::new();
    for name in [
        "contract",
        "extensions-http",
        "extensions-observability",
        "http",
        "net",
        "server",
        "wasm",
        "upstream",
    ] {
        sources(&crates.join(name).join("src"), &mut files);
    }
    let table = json(&["--format", "json"]);
    let mut declared = 0;
    let mut missing = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let declarations = text.lines().filter_map(|line| {
            let (head, rest) = line.trim().split_once(": \"")?;
            let (name, end) = rest.split_once('"')?;
            // The table has Envoy's messages of configurations; those of Google stand in them as plain values, and what
            // services alone send is no part of any.
            let is_envoys = ![
                "google.protobuf.",
                "google.rpc.",
                "envoy.service.",
                "opentelemetry.proto.",
            ]
            .iter()
            .any(|others| name.starts_with(others));
            (is_envoys && head.contains("struct ") && end.starts_with(" {")).then_some(name)
        });
        for name in declarations {
            declared += 1;
            let rows = table["messages"].as_array().expect("a list");
            let is_taken = |row: &Value| row["name"] == name && row["taken"] == true;
            if !rows.iter().any(is_taken) {
                missing.push(format!("{name} of {}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(declared > 80, "{declared} declarations were found");
}

#[test]
fn fields_members_of_oneofs_and_values_have_a_status() {
    let table = json(&["--format", "json"]);
    let status = |list: &str, message: &str, part: &str, name: &str| {
        let row = rows(&table, list, message);
        let parts = row[part].as_array().expect("a list");
        let found = parts
            .iter()
            .find(|one| one["name"] == name)
            .expect("it is listed");
        found["status"].as_str().unwrap_or_default().to_owned()
    };
    let cluster = "envoy.config.cluster.v3.Cluster";
    assert_eq!(
        status("messages", cluster, "fields", "connect_timeout"),
        "honoured"
    );
    assert_eq!(
        status(
            "messages",
            cluster,
            "fields",
            "per_connection_buffer_high_watermark_timeout"
        ),
        "unsupported"
    );
    assert_eq!(
        status(
            "messages",
            "envoy.config.endpoint.v3.ClusterLoadAssignment",
            "fields",
            "cluster_name"
        ),
        "inert"
    );
    assert_eq!(
        status(
            "enums",
            "envoy.config.cluster.v3.Cluster.LbPolicy",
            "values",
            "ROUND_ROBIN"
        ),
        "honoured"
    );
    assert_eq!(
        status(
            "messages",
            "envoy.extensions.filters.http.buffer.v3.Buffer",
            "fields",
            "max_request_bytes"
        ),
        "honoured"
    );
    assert_eq!(
        rows(
            &table,
            "messages",
            "envoy.extensions.filters.http.file_system_buffer.v3.FileSystemBufferFilterConfig"
        )["taken"],
        false
    );
    assert!(support(&[]).starts_with("Honoured of Envoy's v3 API: "));
}

#[test]
fn a_file_is_told_place_by_place_with_a_percentage() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("support.yaml");
    let text = "\
static_resources:
  clusters:
  - name: a
    per_connection_buffer_high_watermark_timeout: 1s
    load_assignment: { cluster_name: a }
";
    std::fs::write(&path, text).expect("it can be written");
    let file = path.to_str().expect("UTF-8");
    let report = json(&[file, "--format", "json"]);
    assert_eq!(report["used"], 6);
    assert_eq!(report["honoured"], 4);
    assert_eq!(report["inert"], 1);
    assert_eq!(report["percentage"], 83.3);
    let items = report["items"].as_array().expect("a list");
    let first = &items[0];
    assert_eq!(first["status"], "unsupported");
    assert_eq!(first["places"][0]["line"], 4);
    let text = support(&[file]);
    assert!(text.starts_with("83.3% of what "), "{text}");
    assert!(
        text.contains(":4:5: field `per_connection_buffer_high_watermark_timeout` of `envoy.config.cluster.v3.Cluster`"),
        "{text}"
    );
}

#[test]
fn a_file_that_is_refused_is_shown_with_its_errors() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused.yaml");
    std::fs::write(&path, "admin: {adress: 1}\n").expect("it can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_nuncio"))
        .args([
            "support",
            path.to_str().expect("UTF-8"),
            "--error-format",
            "json",
        ])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stderr).expect("one line of JSON");
    assert_eq!(error["suggestion"], "did you mean `address`?");
}
