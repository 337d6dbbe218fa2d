//! Against texts that Envoy 1.40's `/config_dump` printed.

use crate::bootstrap::{Input, load};
use crate::dump::{Options, to_json};

fn dumped(yaml: &str, options: Options) -> String {
    let input = Input {
        yaml: Some(yaml.to_owned()),
        ..Input::default()
    };
    to_json(&load(&input).unwrap().tree, options)
}

#[test]
fn a_bootstrap_reads_as_envoy_prints_it() {
    let yaml = "{node: {id: \"a<b\", metadata: {n: 1, s: 1.5, l: [], o: {}, z: null}}, \
                stats_flush_interval: 0.25s, stats_config: {use_all_default_tags: true}}";
    let expected = r#"{
 "node": {
  "id": "a\u003cb",
  "metadata": {
   "n": 1,
   "s": "1.5",
   "l": [],
   "o": {},
   "z": null
  }
 },
 "stats_flush_interval": "0.250s",
 "stats_config": {
  "use_all_default_tags": true
 }
}
"#;
    assert_eq!(
        dumped(
            yaml,
            Options {
                pretty: true,
                ..Options::default()
            }
        ),
        expected
    );
}

#[test]
fn sensitive_values_are_redacted_and_numbers_of_64_bits_are_strings() {
    let yaml = r#"
static_resources:
  secrets:
  - name: s
    tls_certificate:
      certificate_chain: {inline_string: public}
      private_key: {inline_string: secret}
      password: {inline_bytes: c2VjcmV0}
  - name: g
    generic_secret: {secret: {inline_string: secret}}
overload_manager:
  resource_monitors:
  - name: m
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
      max_heap_size_bytes: 123
"#;
    let text = dumped(
        yaml,
        Options {
            redact: true,
            ..Options::default()
        },
    );
    assert!(!text.contains(":\"secret\""), "{text}");
    assert!(
        text.contains(r#""private_key":{"inline_string":"[redacted]"}"#),
        "{text}"
    );
    assert!(
        text.contains(r#""password":{"inline_bytes":"W3JlZGFjdGVkXQ=="}"#),
        "{text}"
    );
    assert!(
        text.contains(r#""certificate_chain":{"inline_string":"public"}"#),
        "{text}"
    );
    assert!(text.contains(r#""max_heap_size_bytes":"123""#), "{text}");
}

#[test]
fn doubles_are_printed_as_c_prints_them() {
    let yaml = "{layered_runtime: {layers: [{name: a, static_layer: {a: \"x\", b: 1000000}}]}}";
    assert!(dumped(yaml, Options::default()).contains("\"b\":1000000}"));
}
