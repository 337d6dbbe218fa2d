//! Loading as a whole: merging, deprecations, protobuf's text format.

use nuncio_config::bootstrap::{BOOTSTRAP, Input, load, load_message};
use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::dump::{Options, to_json};
use nuncio_config::source::{Format, Source};
use nuncio_config::text::Limits;

/// What comes of a file and an inline YAML text.
fn merged(name: &str, file: &str, inline: &str) -> String {
    let path =
        std::env::temp_dir().join(format!("nuncio-merge-{}-{name}.yaml", std::process::id()));
    std::fs::write(&path, file).expect("a temporary file");
    let input = Input {
        path: Some(path.display().to_string()),
        yaml: Some(inline.to_owned()),
        ..Input::default()
    };
    let loaded = load(&input).expect("accepted");
    std::fs::remove_file(&path).expect("it is there");
    to_json(&loaded.tree, Options::default())
}

#[test]
fn inline_yaml_is_merged_over_the_file_as_protobuf_merges() {
    let file = "{node: {id: a, metadata: {x: 1, y: 2}}, stats_flush_interval: 0.25s, \
                static_resources: {clusters: [{name: a}]}}";
    let inline = "{node: {cluster: b, metadata: {y: 3}}, stats_flush_interval: 5s, \
                  static_resources: {clusters: [{name: b}]}}";
    let expected = concat!(
        r#"{"node":{"id":"a","cluster":"b","metadata":{"x":1,"y":3}},"#,
        r#""static_resources":{"clusters":[{"name":"a"},{"name":"b"}]},"#,
        r#""stats_flush_interval":"5.250s"}"#
    );
    assert_eq!(merged("merge", file, inline), expected);
}

#[test]
fn a_member_of_a_oneof_replaces_the_other() {
    let file = "{admin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}";
    let text = merged("oneof", file, "{admin: {address: {pipe: {path: /a}}}}");
    assert_eq!(text, r#"{"admin":{"address":{"pipe":{"path":"/a"}}}}"#);
}

fn findings(yaml: &str) -> (bool, Vec<String>) {
    let texts = |diagnostics: &Diagnostics| {
        diagnostics
            .iter()
            .map(|found| found.envoy.clone().unwrap_or_default())
            .collect()
    };
    match load(&Input {
        yaml: Some(yaml.to_owned()),
        ..Input::default()
    }) {
        Ok(loaded) => (true, texts(&loaded.warnings)),
        Err(refusal) => (false, texts(&refusal.diagnostics)),
    }
}

const ZIPKIN: &str = "tracing: {http: {name: z, typed_config: {\"@type\": \
    type.googleapis.com/envoy.config.trace.v3.ZipkinConfig, collector_cluster: c, collector_endpoint: /a}}}\n";

#[test]
fn a_deprecated_field_is_a_warning_at_its_key() {
    let (taken, texts) =
        findings("static_resources: {clusters: [{name: a, http2_protocol_options: {}}]}");
    assert!(taken);
    let text = "Using deprecated option 'envoy.config.cluster.v3.Cluster.http2_protocol_options'";
    assert_eq!(texts, [text]);
}

#[test]
fn what_is_disallowed_in_an_extension_is_refused_unless_the_runtime_allows_it() {
    let (taken, texts) = findings(ZIPKIN);
    assert!(!taken);
    let text = "Using the default now-deprecated value DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE for enum \
                'envoy.config.trace.v3.ZipkinConfig.collector_endpoint_version'";
    assert!(texts.iter().any(|found| found == text), "{texts:?}");
    let layer = "layered_runtime: {layers: [{name: a, static_layer: \
                 {envoy: {features: {enable_all_deprecated_features: true}}}}]}";
    assert!(findings(&format!("{ZIPKIN}{layer}")).0);
}

/// A text proto as the JSON of the same bootstrap, or the first thing that is wrong.
fn json(text: &str) -> Result<String, String> {
    let source = Source::new("a.pb_text", Format::ProtoText, text);
    let bootstrap = nuncio_api::message(BOOTSTRAP).expect("known");
    let mut diagnostics = Diagnostics::default();
    let message = load_message(bootstrap, &source, 0, &Limits::default(), &mut diagnostics);
    match diagnostics.iter().next() {
        Some(found) => Err(found.message.clone()),
        None => Ok(to_json(&message.expect("read"), Options::default())),
    }
}

#[test]
fn messages_lists_maps_structures_and_any_are_read() {
    let text = r#"
# A comment.
node { id: "a" 'b' cluster: "\x63\n" metadata { fields { key: "k" value { number_value: 1.5 } }
  fields { key: "l" value { list_value { values { bool_value: true } values { string_value: "x" } } } } } }
static_resources <
  clusters { name: "c" type: STRICT_DNS connect_timeout { seconds: 5 } per_connection_buffer_limit_bytes { value: 0x10 }
    transport_socket { name: "t" typed_config {
      [type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext] { sni: "s" } } } }
  clusters { name: "d" metadata { filter_metadata { key: "m" value { } } } };
>
stats_sinks: [ { name: "one" }, { name: "two" } ]
"#;
    let expected = concat!(
        r#"{"node":{"id":"ab","cluster":"c\n","metadata":{"k":1.5,"l":[true,"x"]}},"#,
        r#""static_resources":{"clusters":[{"name":"c","type":"STRICT_DNS","connect_timeout":"5s","#,
        r#""per_connection_buffer_limit_bytes":16,"transport_socket":{"name":"t","typed_config":{"#,
        r#""@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext","#,
        r#""sni":"s"}}},{"name":"d","metadata":{"filter_metadata":{"m":{}}}}]},"#,
        r#""stats_sinks":[{"name":"one"},{"name":"two"}]}"#
    );
    assert_eq!(json(text), Ok(expected.to_owned()));
}

#[test]
fn bytes_are_taken_as_they_stand() {
    let text = "static_resources { secrets { name: \"s\" generic_secret { secret { inline_bytes: \"\\377a\" } } } }";
    assert!(json(text).unwrap().contains(r#""inline_bytes":"/2E=""#));
}

#[test]
fn what_is_no_text_proto_is_refused() {
    for text in [
        "abc",
        "node {",
        "node { id \"a\" }",
        "node: { id: \"a }",
        "node { id: 1 }",
        "}",
        "[foo] {",
    ] {
        assert!(json(text).is_err(), "{text}");
    }
    assert!(json(&"node {".repeat(10_000)).is_err());
    assert!(json(&format!("stats_sinks: {}", "[".repeat(10_000))).is_err());
}

#[test]
fn a_file_for_the_text_of_the_command_line_is_told_from_text() {
    let input = Input {
        yaml: Some("/etc/envoy/envoy.yaml".to_owned()),
        ..Input::default()
    };
    let refusal = load(&input).expect_err("no map");
    let found = refusal.diagnostics.iter().next().expect("a finding");
    let suggestion = found.suggestion.as_deref().unwrap_or("");
    assert!(
        suggestion.contains("use `-c /etc/envoy/envoy.yaml`"),
        "{suggestion}"
    );
}
