//! What of a configuration is refused.

use crate::tests::refusal;

fn why(fields: &str) -> String {
    refusal(&format!(
        "name: a\ntyped_config:\n  '@type': type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig\n  {fields}\n"
    ))
}

const GRPC: &str = "grpc_service: {envoy_grpc: {cluster_name: c}}";

#[test]
fn one_way_to_the_collector_must_be_said() {
    assert!(why("log_name: a").starts_with("OpenTelemetry access logger requires one of"));
    let http = "http_service: {http_uri: {uri: 'http://a/b', cluster: c, timeout: 1s}}";
    let both = format!("{GRPC}\n  {http}");
    assert!(why(&both).starts_with("OpenTelemetry access logger can only have one transport"));
}

#[test]
fn values_are_texts_in_envoys_words() {
    let text = "Only string values, nested key value lists and array values are supported in OpenTelemetry access log format.";
    assert_eq!(why(&format!("{GRPC}\n  body: {{int_value: 3}}")), text);
    let inner =
        "attributes: {values: [{key: a, value: {array_value: {values: [{bool_value: true}]}}}]}";
    assert_eq!(why(&format!("{GRPC}\n  {inner}")), text);
    let bad = "body: {string_value: '%NOPE%'}";
    assert_eq!(
        why(&format!("{GRPC}\n  {bad}")),
        "Not supported field in StreamInfo: NOPE"
    );
}
