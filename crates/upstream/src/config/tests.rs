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
        "type: EDS\neds_cluster_config: {eds_config: {self: {}}}",
        "transport_socket: {name: x, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.alts.v3.Alts}}",
    ] {
        let error = parse(&format!("name: c\n{field}\n{ENDPOINT}")).unwrap_err();
        assert!(
            error.contains("not supported by Nuncio yet"),
            "{field}: {error}"
        );
    }
}

#[test]
fn of_limits_for_one_priority_the_first_counts_and_hosts_have_those_of_connections_alone() {
    let read = |breakers: &str| {
        let config = parse(&format!(
            "name: c\ncircuit_breakers: {breakers}\n{ENDPOINT}"
        ));
        config.map(|config| config.settings.thresholds)
    };
    let [default, high] = read(
        "{thresholds: [{max_requests: 5}, {max_requests: 6}], \
          per_host_thresholds: [{priority: HIGH, max_connections: 2}]}",
    )
    .unwrap();
    assert_eq!((default.max_requests, high.max_requests), (5, 1024));
    assert_eq!(default.max_connections_per_host, u32::MAX);
    assert_eq!(high.max_connections_per_host, 2);
    let error = read("{per_host_thresholds: [{max_retries: 2}]}").unwrap_err();
    assert!(error.contains("Unsupported field in per_host_thresholds"));
}

#[test]
fn an_ejection_is_no_shorter_at_most_than_at_first() {
    let read = |outliers: &str| {
        parse(&format!(
            "name: c\noutlier_detection: {outliers}\n{ENDPOINT}"
        ))
    };
    assert!(read("{base_ejection_time: 400s}").is_ok());
    let error = read("{max_ejection_time: 10s}").unwrap_err();
    assert!(error.contains("max_ejection_time cannot be smaller than base_ejection_time"));
}

/// A cluster whose policy is this extension, behind one of another proxy.
fn with_extension(config: &str) -> Result<ClusterConfig, String> {
    let family = "type.googleapis.com/envoy.extensions.load_balancing_policies";
    let others = "{typed_extension_config: {name: other, typed_config: {'@type': type.googleapis.com/google.protobuf.Empty}}}";
    parse(&format!(
        "name: c\nload_balancing_policy: {{policies: [{others}, {{typed_extension_config: {{name: ours, typed_config: {{'@type': {family}.{config}}}}}}}]}}"
    ))
}

#[test]
fn a_policy_is_read_from_its_field_or_from_the_first_extension_that_envoy_knows() {
    for (field, extension) in [
        ("ROUND_ROBIN", "round_robin.v3.RoundRobin"),
        ("LEAST_REQUEST", "least_request.v3.LeastRequest"),
        ("RANDOM", "random.v3.Random"),
        ("RING_HASH", "ring_hash.v3.RingHash"),
        ("MAGLEV", "maglev.v3.Maglev"),
    ] {
        let by_field = parse(&format!("name: c\nlb_policy: {field}")).unwrap();
        let by_extension = with_extension(extension).unwrap();
        assert_eq!(by_field.settings.lb.policy.name(), field);
        let shown = |config: &ClusterConfig| format!("{:?}", config.settings.lb);
        assert_eq!(shown(&by_field), shown(&by_extension));
    }
}

#[test]
fn what_is_wrong_with_a_policy_is_said_in_envoys_words() {
    let subset = |selector: &str| {
        parse(&format!(
            "name: c\nlb_subset_config: {{subset_selectors: [{selector}]}}"
        ))
    };
    for (refused, words) in [
        (
            with_extension("ring_hash.v3.RingHash, minimum_ring_size: 9, maximum_ring_size: 8"),
            "ring hash: minimum_ring_size (9) > maximum_ring_size (8)",
        ),
        (
            with_extension("maglev.v3.Maglev, table_size: 10"),
            "The table size of maglev must be prime number",
        ),
        (
            with_extension(
                "override_host.v3.OverrideHost, override_host_sources: [{header: a}], fallback_policy: {}",
            ),
            "dynamic forwarding LB: didn't find a registered fallback load balancer factory with names from ",
        ),
        (
            with_extension("wrr_locality.v3.WrrLocality, endpoint_picking_policy: {}"),
            "No supported endpoint picking policy.",
        ),
        (
            parse("name: c\nlb_policy: LOAD_BALANCING_POLICY_CONFIG"),
            "cluster: field load_balancing_policy need to be set",
        ),
        (
            parse(
                "name: c\nlb_policy: MAGLEV\ncommon_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}",
            ),
            "Cannot use hostname for consistent hashing loadbalancing for cluster of type: 'envoy.cluster.static'",
        ),
        (
            subset("{keys: [a], fallback_policy: KEYS_SUBSET}"),
            "fallback_keys_subset cannot be empty",
        ),
        (
            subset("{keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a]}"),
            "fallback_keys_subset cannot be equal to keys",
        ),
        (
            subset("{keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b]}"),
            "fallback_keys_subset must be a subset of selector keys",
        ),
        (
            subset("{keys: [a], fallback_keys_subset: [a]}"),
            "fallback_keys_subset can be set only for KEYS_SUBSET fallback_policy",
        ),
        (
            parse("name: c\nlb_subset_config: {locality_weight_aware: true}"),
            "Locality weight aware subset LB requires that a locality_weighted_lb_config be set in c",
        ),
        (
            parse(
                "name: c\nload_assignment: {cluster_name: c, policy: {drop_overloads: [{category: a}, {category: b}]}}",
            ),
            "Cluster drop_overloads config has 2 categories. Envoy only support one.",
        ),
    ] {
        let error = refused.unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
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
fn a_host_on_a_unix_domain_socket_has_no_port_and_no_other_address() {
    for (more, wanted) in [
        (
            "health_check_config: { port_value: 80 }",
            "Invalid host configuration: non-zero port for non-IP address",
        ),
        (
            "additional_addresses: [{ address: { socket_address: { address: 192.0.2.1, port_value: 80 } } }]",
            "not supported by Nuncio yet",
        ),
    ] {
        let endpoint = format!("{{ address: {{ pipe: {{ path: /a.sock }} }}, {more} }}");
        let config = format!(
            "{{ name: c, load_assignment: {{ cluster_name: c, endpoints: [{{ lb_endpoints: [{{ endpoint: {endpoint} }}] }}] }} }}"
        );
        let told = parse(&config).expect_err("a refusal");
        assert!(told.contains(wanted), "{told}");
    }
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
    (
        "choice_count",
        "lb_policy: LEAST_REQUEST\nleast_request_lb_config: {%}",
        "7",
    ),
    (
        "minimum_ring_size",
        "lb_policy: RING_HASH\nring_hash_lb_config: {%}",
        "7",
    ),
    (
        "maximum_ring_size",
        "lb_policy: RING_HASH\nring_hash_lb_config: {%}",
        "7000",
    ),
    (
        "table_size",
        "lb_policy: MAGLEV\nmaglev_lb_config: {%}",
        "7",
    ),
    (
        "min_cluster_size",
        "common_lb_config: {zone_aware_lb_config: {%}}",
        "7",
    ),
    (
        "overprovisioning_factor",
        "load_assignment: {policy: {%}}",
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
