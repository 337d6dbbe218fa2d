//! The upgrade on whole files: each sample's v3 form is one that Envoy 1.40 accepts.

use nuncio_api as api;

use super::{Change, force, renew, run, run_as, to_yaml};
use crate::diagnostic::Diagnostics;
use crate::interpret::interpret;
use crate::source::{Format, Source};
use crate::text::{Limits, Node, parse};

const SAMPLES: [(&str, &str, &str); 3] = [
    (
        "google",
        include_str!("samples/google.v2.yaml"),
        include_str!("samples/google.v3.yaml"),
    ),
    (
        "untyped",
        include_str!("samples/untyped.v2.yaml"),
        include_str!("samples/untyped.v3.yaml"),
    ),
    (
        "typed",
        include_str!("samples/typed.v2.yaml"),
        include_str!("samples/typed.v3.yaml"),
    ),
];

fn read(text: &str) -> (Source, Node) {
    let source = Source::new("sample.yaml", Format::Yaml, text);
    let root = parse(&source, 0, &Limits::default(), &mut Diagnostics::default()).expect("parses");
    (source, root)
}

fn upgraded(text: &str) -> (String, Vec<Change>) {
    let (source, mut root) = read(text);
    let mut changes = Vec::new();
    run(&mut root, &mut changes);
    (to_yaml(&root, &source), changes)
}

#[test]
fn samples_become_their_v3_form() {
    for (name, v2, v3) in SAMPLES {
        assert_eq!(upgraded(v2).0, v3, "{name}");
    }
}

#[test]
fn the_v3_forms_are_messages_of_the_v3_api() {
    let bootstrap = api::message("envoy.config.bootstrap.v3.Bootstrap").expect("known");
    for (name, _, v3) in SAMPLES {
        let mut diagnostics = Diagnostics::default();
        interpret(bootstrap, &read(v3).1, &mut diagnostics);
        let found: Vec<_> = diagnostics.iter().collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn a_v3_file_stays_as_it_is() {
    for (name, _, v3) in SAMPLES {
        let (text, changes) = upgraded(v3);
        assert_eq!((text.as_str(), changes.as_slice()), (v3, &[][..]), "{name}");
    }
}

#[test]
fn every_change_says_where_and_what() {
    let (_, v2, _) = SAMPLES[0];
    let source = Source::new("sample.yaml", Format::Yaml, v2);
    let changes = upgraded(v2).1;
    let chain = "static_resources.listeners[0].filter_chains[0].filters[0]";
    let shown: Vec<String> = changes
        .iter()
        .map(|change| {
            format!(
                "{}: {}: {}",
                source.position(change.span.start).line,
                change.path,
                change.what
            )
        })
        .map(|line| line.replace(chain, "FILTER"))
        .collect();
    assert_eq!(
        shown,
        [
            "2: admin.access_log_path: moved to `access_log`",
            "12: FILTER.name: `envoy.http_connection_manager` is called `envoy.filters.network.http_connection_manager`",
            "14: FILTER.typed_config: `envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager` is \
             `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager` in v3",
            "23: FILTER.typed_config.route_config.virtual_hosts[0].routes[0].route.host_rewrite: renamed to \
             `host_rewrite_literal`",
            "25: FILTER.typed_config.http_filters[0].name: `envoy.router` is called `envoy.filters.http.router`",
            "25: FILTER.typed_config.http_filters[0].typed_config: added, with type \
             `envoy.extensions.filters.http.router.v3.Router`",
            "43: static_resources.clusters[0].transport_socket.typed_config: `envoy.api.v2.auth.UpstreamTlsContext` is \
             `envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext` in v3",
        ]
    );
}

#[test]
fn every_change_stands_in_the_text() {
    for (name, v2, _) in SAMPLES {
        for change in upgraded(v2).1 {
            assert!(change.span.is_known(), "{name}: {change:?}");
        }
    }
}

#[test]
fn a_stray_v2_field_in_a_v3_file_stays_an_error() {
    let text = "\
static_resources:
  clusters:
  - name: a
    hosts: []
    transport_socket:
      name: tls
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
";
    assert_eq!(upgraded(text), (text.to_owned(), Vec::new()));
}

#[test]
fn a_file_without_types_is_v2_by_its_forms_alone() {
    let v3 =
        "dynamic_resources:\n  cds_config: { ads: {} }\nadmin:\n  access_log_path: /dev/null\n";
    assert_eq!(upgraded(v3).1, []);
    let v2 = format!("{v3}node: {{ build_version: \"1\" }}\n");
    let (text, changes) = upgraded(&v2);
    assert!(text.contains("resource_api_version: V3"), "{text}");
    assert_eq!(changes.len(), 3);
}

#[test]
fn a_mixed_file_keeps_v3_meanings_where_it_names_v3_types() {
    let text = "\
static_resources:
  listeners:
  - filter_chains:
    - filters:
      - name: a
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          route_config: { virtual_hosts: [{ routes: [{ route: { host_rewrite: a } }] }] }
      - name: b
        typed_config:
          \"@type\": type.googleapis.com/envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager
          route_config: { virtual_hosts: [{ routes: [{ route: { host_rewrite: b } }] }] }
";
    let (text, _) = upgraded(text);
    assert!(
        text.contains("{ host_rewrite: a }") && text.contains("{ host_rewrite_literal: b }"),
        "{text}"
    );
}

#[test]
fn json_upgrades_with_both_spellings() {
    let text = r#"{"staticResources": {"clusters": [{"name": "a", "tlsContext": {"sni": "b"}, "hosts": []}]}}"#;
    let source = Source::new("sample.json", Format::Json, text);
    let mut root =
        parse(&source, 0, &Limits::default(), &mut Diagnostics::default()).expect("parses");
    run(&mut root, &mut Vec::new());
    let expected = "\
staticResources:
  clusters:
  - name: a
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: b
    load_assignment:
      cluster_name: a
      endpoints:
      - lb_endpoints: []
";
    assert_eq!(to_yaml(&root, &source), expected);
}

#[test]
fn resources_in_files_upgrade_too() {
    let (source, mut root) = read(
        "resources:\n- \"@type\": type.googleapis.com/envoy.api.v2.Cluster\n  name: a\n  hosts: []\n",
    );
    run_as(
        "envoy.service.discovery.v3.DiscoveryResponse",
        &mut root,
        &mut Vec::new(),
    );
    let text = to_yaml(&root, &source);
    assert!(
        text.contains("envoy.config.cluster.v3.Cluster") && text.contains("load_assignment"),
        "{text}"
    );
}

fn chain(filters: &str) -> String {
    format!(
        "static_resources: {{ listeners: [{{ filter_chains: [{{ filters: {filters} }}] }}] }}\n"
    )
}

#[test]
fn what_only_watched_and_is_gone_is_dropped() {
    let text =
        chain("[{ name: envoy.filters.network.mysql_proxy, config: {} }, { name: envoy.echo }]");
    let (text, changes) = upgraded(&text);
    assert!(!text.contains("mysql_proxy"), "{text}");
    assert!(changes[0].what.starts_with("dropped: "), "{changes:?}");
    let (text, changes) = upgraded("tracing: { http: { name: envoy.lightstep, config: {} } }\n");
    assert_eq!(text, "tracing: {}\n");
    assert_eq!(changes.len(), 1);
}

#[test]
fn what_decided_over_traffic_and_is_gone_stays_to_be_refused() {
    for filters in [
        "[{ name: envoy.filters.network.client_ssl_auth, config: {} }]",
        "[{ name: envoy.filters.network.mysql_proxy, config: {} }, { name: envoy.filters.network.rbac, typed_config: { a: b } }]",
    ] {
        let (_, changes) = upgraded(&chain(filters));
        assert_eq!(changes, [], "{filters}");
    }
}

#[test]
fn odd_shapes_do_no_harm() {
    for text in [
        "[]",
        "a",
        "null",
        "static_resources: { listeners: { name: 1 }, clusters: [[1], { hosts: 1 }] }",
    ] {
        upgraded(text);
    }
    for text in [
        "runtime: 1",
        "runtime: []",
        "admin: { access_log_path: 1 }",
        "stats_sinks: [{ name: envoy.statsd, config: 1 }]",
    ] {
        upgraded(&format!("{text}\nnode: {{ build_version: a }}"));
    }
}

#[test]
fn what_early_v3_took_is_renewed_for_those_who_ask() {
    let http_filters = "
          http_filters:
          - name: envoy.filters.http.cache
            typed_config:
              \"@type\": \"type.googleapis.com/envoy.extensions.filters.http.cache.v3alpha.CacheConfig\"
          - name: envoy.filters.http.cors
            typed_config: {}
          - name: envoy.filters.http.router
";
    let text = format!(
        "dynamic_resources:
  ads_config: {{ api_type: GRPC, transport_api_version: V2 }}
static_resources:
  listeners:
  - filter_chains:
    - filters:
      - name: hcm
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager{http_filters}"
    );
    assert_eq!(upgraded(&text).0, text, "a load takes it as it stands");
    let (source, mut root) = read(&text);
    let mut changes = Vec::new();
    renew(&mut root, &mut changes);
    let renewed = to_yaml(&root, &source);
    for expected in [
        "cache.v3.CacheConfig",
        "{ \"@type\": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors }",
        "router.v3.Router",
        "transport_api_version: V3",
    ] {
        assert!(renewed.contains(expected), "{expected}: {renewed}");
    }
    assert_eq!(changes.len(), 4);
    let (_, mut again) = read(&renewed);
    renew(&mut again, &mut changes);
    assert_eq!(changes.len(), 4, "nothing is left to renew");
}

#[test]
fn v2_forms_between_v3_types_are_rewritten_when_forced() {
    let text = "
static_resources:
  clusters:
  - name: a
    hosts: [{ socket_address: { address: 127.0.0.1, port_value: 1 } }]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
";
    assert!(upgraded(text).1.is_empty());
    let (source, mut root) = read(text);
    let mut changes = Vec::new();
    force(&mut root, &mut changes);
    let forced = to_yaml(&root, &source);
    assert!(
        forced.contains("load_assignment:") && !forced.contains("hosts:"),
        "{forced}"
    );
}

#[test]
fn forms_of_gateways_of_the_time_are_rewritten() {
    // As an Ambassador of 2020 wrote it.
    let service = "{ use_alpha: true, grpc_service: { envoy_grpc: { cluster_name: r } } }";
    let filters = format!(
        "{{ name: envoy.rate_limit, config: {{ domain: a, rate_limit_service: {service} }} }}, {{ name: envoy.router }}"
    );
    let text = chain(&format!(
        "[{{ name: envoy.http_connection_manager, config: {{ stat_prefix: a, http_filters: [{filters}] }} }}]"
    ));
    let (v3, changes) = upgraded(&text);
    assert!(
        !v3.contains("use_alpha") && v3.contains("transport_api_version: V3"),
        "{v3}"
    );
    assert!(
        changes
            .iter()
            .any(|change| change.path.ends_with("rate_limit_service.use_alpha"))
    );
}
