//! Texts as protobuf's printer writes them, against the JSON of the same message.

use crate::bootstrap::BOOTSTRAP;
use crate::diagnostic::Diagnostics;
use crate::dump::{Options, to_json};
use crate::interpret::interpret;
use crate::text::Limits;

fn json(text: &str) -> Result<String, String> {
    let mut node = super::parse(text, 0, &Limits::default()).map_err(|found| found.message)?;
    let bootstrap = nuncio_api::message(BOOTSTRAP).unwrap();
    super::shape(bootstrap, &mut node);
    let mut diagnostics = Diagnostics::default();
    let message = interpret(bootstrap, &node, &mut diagnostics).unwrap();
    match diagnostics.iter().next() {
        Some(found) => Err(found.message.clone()),
        None => Ok(to_json(&message, Options::default())),
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
