use std::sync::Arc;
use std::time::Duration;

use nuncio_codec::http1::HeaderCase;
use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::source::{Format, Source};
use nuncio_config::typed::Ctx;
use nuncio_config::{interpret, text};
use nuncio_contract::stream_info::metadata::Value;
use nuncio_net::dns::LookupFamily;

use super::{ClusterConfig, DnsSettings};
use crate::cluster::{ClusterType, DiscoveredHealth};

fn parse(yaml: &str) -> Result<ClusterConfig, String> {
    let source = Source::new("cluster.yaml", Format::Yaml, yaml);
    let mut ctx = Ctx::default();
    let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics);
    let descriptor = nuncio_api::message("envoy.config.cluster.v3.Cluster").unwrap();
    let tree = interpret::interpret(descriptor, &node.unwrap(), &mut ctx.diagnostics);
    let tree = tree.ok_or_else(|| said(&ctx.diagnostics))?;
    ClusterConfig::parse(&Arc::new(tree), &mut ctx).map_err(|_| said(&ctx.diagnostics))
}

fn said(diagnostics: &Diagnostics) -> String {
    format!("{diagnostics:?}")
}

const ENDPOINT: &str = "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: \
    [{endpoint: {address: {socket_address: {address: 192.0.2.1, port_value: 80}}}}]}]}";

#[test]
fn a_bare_cluster_has_envoys_defaults() {
    let config = parse(&format!("name: c\n{ENDPOINT}")).unwrap();
    assert_eq!(config.settings.cluster_type, ClusterType::Static);
    assert_eq!(config.settings.connect_timeout, Duration::from_secs(5));
    assert_eq!(
        config.settings.http.idle_timeout,
        Some(Duration::from_secs(3600))
    );
    assert_eq!(config.settings.thresholds[1].max_requests, 1024);
    assert_eq!(config.dns, DnsSettings::default());
    let [endpoint] = config.endpoints.as_slice() else {
        panic!("one endpoint")
    };
    assert_eq!(
        (&*endpoint.address, endpoint.port, endpoint.weight),
        ("192.0.2.1", 80, 1)
    );
}

#[test]
fn all_that_is_written_arrives() {
    let config = parse(
        "
name: c
alt_stat_name: d
type: STRICT_DNS
connect_timeout: 0.25s
dns_lookup_family: V4_PREFERRED
dns_refresh_rate: 3s
respect_dns_ttl: true
dns_failure_refresh_rate: {base_interval: 1s, max_interval: 4s}
lb_policy: ROUND_ROBIN
circuit_breakers: {thresholds: [{priority: HIGH, max_connections: 7}]}
common_lb_config: {healthy_panic_threshold: {value: 0}}
upstream_connection_options: {tcp_keepalive: {keepalive_time: 30}}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    common_http_protocol_options: {idle_timeout: 0s, max_requests_per_connection: 9, max_headers_count: 5}
    explicit_http_config: {http_protocol_options: {enable_trailers: true, header_key_format: {proper_case_words: {}}}}
load_assignment:
  cluster_name: c
  endpoints:
  - priority: 1
    locality: {zone: z}
    lb_endpoints:
    - health_status: UNHEALTHY
      metadata: {filter_metadata: {envoy.lb: {canary: true}}}
      load_balancing_weight: 3
      endpoint: {hostname: h, address: {socket_address: {address: example.com, port_value: 443}}}
",
    )
    .unwrap();
    let settings = &config.settings;
    assert_eq!(
        (settings.stat_name(), settings.cluster_type),
        ("d", ClusterType::StrictDns)
    );
    assert_eq!(settings.connect_timeout, Duration::from_millis(250));
    assert_eq!(settings.thresholds[1].max_connections, 7);
    assert_eq!(settings.thresholds[0].max_connections, 1024);
    assert!(settings.lb.panic_threshold_percent == 0);
    let keepalive = settings.connect_options.keepalive.unwrap();
    assert_eq!(keepalive.time, Some(Duration::from_secs(30)));
    assert_eq!(settings.http.idle_timeout, None);
    assert_eq!(settings.http.max_requests_per_connection, Some(9));
    assert_eq!(settings.http.http1.max_headers_count, 5);
    assert!(settings.http.http1.enable_trailers);
    assert_eq!(settings.http.http1.header_case, HeaderCase::ProperWords);
    assert_eq!(config.dns.family, LookupFamily::V4Preferred);
    assert_eq!(
        config.dns.failure_refresh,
        Some((Duration::from_secs(1), Duration::from_secs(4)))
    );
    let endpoint = &config.endpoints[0];
    assert_eq!(
        (&*endpoint.hostname, endpoint.priority, endpoint.weight),
        ("h", 1, 3)
    );
    assert_eq!(endpoint.health, DiscoveredHealth::Unhealthy);
    assert_eq!(&*endpoint.locality.zone, "z");
    let metadata = endpoint.metadata.as_ref().unwrap();
    let canary = metadata.namespace("envoy.lb").unwrap().get("canary");
    assert_eq!(canary, Some(&Value::Bool(true)));
}

#[test]
fn what_is_not_honoured_is_refused() {
    for field in [
        "http_protocol_options: {header_key_format: {stateful_formatter: {name: x, typed_config: {'@type': type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: /}}}}",
        "lb_policy: CLUSTER_PROVIDED",
        "type: EDS",
        "outlier_detection: {}",
        "transport_socket: {name: x, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tap.v3.Tap}}",
    ] {
        let error = parse(&format!("name: c\n{field}\n{ENDPOINT}")).unwrap_err();
        assert!(
            error.contains("not supported by Nuncio yet"),
            "{field}: {error}"
        );
    }
}

#[test]
fn a_static_cluster_takes_no_names() {
    let error = parse(&format!(
        "name: c\n{}",
        ENDPOINT.replace("192.0.2.1", "example.com")
    ));
    assert!(
        error
            .unwrap_err()
            .contains("malformed IP address: example.com")
    );
}

#[test]
fn a_logical_cluster_has_exactly_one_endpoint() {
    let error = parse("name: c\ntype: LOGICAL_DNS").unwrap_err();
    assert!(
        error.contains("LOGICAL_DNS clusters must have a single"),
        "{error}"
    );
}

/// For each default a cluster in which its message is set, `%` where the field goes, and another value.
const SHOWN: &[(&str, &str, &str)] = &[
    ("type", "%", "STRICT_DNS"),
    ("connect_timeout", "%", "6s"),
    ("per_connection_buffer_limit_bytes", "%", "5"),
    (
        "circuit_breakers.thresholds",
        "circuit_breakers: {%}",
        "[{priority: HIGH, max_requests: 7}]",
    ),
    ("dns_refresh_rate", "%", "6s"),
    ("wait_for_warm_on_init", "%", "false"),
    (
        "common_lb_config.healthy_panic_threshold.value",
        "common_lb_config: {healthy_panic_threshold: {%}}",
        "7",
    ),
    (
        "max_connections",
        "circuit_breakers: {thresholds: [{%}]}",
        "7",
    ),
    (
        "max_pending_requests",
        "circuit_breakers: {thresholds: [{%}]}",
        "7",
    ),
    ("max_requests", "circuit_breakers: {thresholds: [{%}]}", "7"),
    ("max_retries", "circuit_breakers: {thresholds: [{%}]}", "7"),
    (
        "load_balancing_weight",
        "load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 192.0.2.1, port_value: 80}}}, %}]}]}",
        "7",
    ),
];

#[test]
fn the_defaults_that_are_shown_are_those_that_hold() {
    assert_eq!(SHOWN.len(), super::DEFAULTS.len());
    for (default, (path, cluster, other)) in super::DEFAULTS.iter().zip(SHOWN) {
        assert_eq!(default.path.join("."), *path);
        let field = default.path.last().unwrap();
        let compiled = |written: String| {
            let cluster = cluster.replace('%', &written);
            format!("{:?}", parse(&format!("name: c\n{cluster}")).unwrap())
        };
        let absent = match default.path.len() {
            1 => compiled(String::new()),
            // The messages around the field are the default's own.
            _ => format!("{:?}", parse("name: c").unwrap()),
        };
        let shown = compiled(format!("{field}: {}", default.value));
        assert_eq!(shown, absent, "{path}");
        assert_ne!(
            compiled(format!("{field}: {other}")),
            absent,
            "{path} has an effect"
        );
    }
}
