//! What is told of a request is what happens to it: against the route table itself, on given and on made-up
//! configurations and requests.
#![forbid(unsafe_code)]

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_config::source::{Format, Source};
use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx};
use nuncio_config::{interpret, text};
use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_http::connection_manager::ConnectionManagerConfig;
use nuncio_http::connection_manager::config::{CompileContext, MESSAGE};
use nuncio_http::explain::{Asked, Change, Explanation, HowChosen, Listing, Outcome, explain};
use nuncio_http::route::{RouteIndex, RouteTable};
use nuncio_upstream::cluster::ClusterSettings;
use nuncio_upstream::{ClusterManager, TransportSocket};
use proptest::prelude::*;

/// A stream of a connection without TLS.
fn info() -> StreamInfo {
    StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Instant::now())
}

struct Server {
    manager: ConnectionManagerConfig,
    routes: Arc<RouteTable>,
    clusters: ClusterManager,
}

/// A server with these virtual hosts, more of the connection manager's fields, and clusters `a` and `b`.
fn server_with(virtual_hosts: &str, more: &str) -> Server {
    let yaml = format!(
        "stat_prefix: test\nroute_config: {{name: table, virtual_hosts: {virtual_hosts}}}\n\
         http_filters: [{{name: router, typed_config: \
         {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]\n{more}"
    );
    let mut ctx = Ctx::default();
    let source = Source::new("manager.yaml", Format::Yaml, yaml.as_str());
    let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics);
    let descriptor = nuncio_api::message(MESSAGE).expect("the API has the connection manager");
    let tree = node.and_then(|node| interpret::interpret(descriptor, &node, &mut ctx.diagnostics));
    let any = Any {
        type_url: MESSAGE.into(),
        message: Arc::new(tree.unwrap_or_else(|| panic!("{yaml}: {:?}", ctx.diagnostics))),
        span: Span::NONE,
    };
    let clusters = ClusterManager::new(StatsStore::default());
    for name in ["a", "b"] {
        let settings = ClusterSettings::named(name);
        clusters.publish([clusters.prepare(settings, TransportSocket::default(), false)]);
    }
    let manager = ConnectionManagerConfig::compile(
        &any,
        &mut CompileContext {
            ctx: &mut ctx,
            extensions: &Extensions::default(),
            cluster_id: &mut |name| clusters.reserve(name),
            known_clusters: &|_| true,
            service_cluster: "",
            service_node: "",
            default_tracer: None,
            buffer_limit_bytes: 1 << 20,
            is_outbound: false,
        },
    );
    let (manager, routes) = manager.unwrap_or_else(|_| panic!("{yaml}: {:?}", ctx.diagnostics));
    Server {
        manager,
        routes: Arc::new(routes),
        clusters,
    }
}

/// One virtual host for all domains with these routes.
fn server(routes: &str) -> Server {
    server_with(
        &format!("[{{name: all, domains: ['*'], routes: {routes}}}]"),
        "",
    )
}

impl Server {
    fn tell(&self, target: &str, headers: &[(&str, &str)]) -> Explanation {
        self.tell_all(target, "example.com", headers, 0)
    }

    fn tell_all(
        &self,
        target: &str,
        authority: &str,
        headers: &[(&str, &str)],
        random: u64,
    ) -> Explanation {
        self.ask("GET", target, authority, headers, random)
    }

    fn connect(&self, target: &str, headers: &[(&str, &str)]) -> Explanation {
        self.ask("CONNECT", target, target, headers, 0)
    }

    fn ask(
        &self,
        method: &str,
        target: &str,
        authority: &str,
        headers: &[(&str, &str)],
        random: u64,
    ) -> Explanation {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let address = |text: &str| {
            let address: std::net::SocketAddr = text.parse().expect("an address");
            address.into()
        };
        let asked = Asked {
            method,
            authority,
            target,
            headers: &headers,
            remote: address("192.0.2.1:0"),
            local: address("127.0.0.1:10000"),
            is_tls: false,
            random,
        };
        explain(
            &self.manager,
            &self.routes,
            &self.clusters,
            &asked,
            Listing::All,
        )
        .unwrap_or_else(|wrong| panic!("{target}: {wrong:?}"))
    }

    /// Why the first route does not match; empty if it does.
    fn why_not(&self, target: &str, headers: &[(&str, &str)]) -> String {
        let told = self.tell(target, headers);
        let routing = told.routing.expect("the request is routed");
        let first = routing.routes.first().expect("there is a route");
        assert_eq!(routing.taken.is_some(), first.why_not.is_empty());
        first.why_not.join("; ")
    }
}

/// Why the only route, whose match is this, does not match.
fn why_not(matcher: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let routes = format!("[{{match: {matcher}, direct_response: {{status: 200}}}}]");
    server(&routes).why_not(target, headers)
}

fn answer(told: &Explanation) -> String {
    match &told.outcome {
        Outcome::Answer(answer) => {
            let headers = answer.headers.iter();
            let headers: Vec<_> = headers
                .filter(|(name, _)| !name.starts_with("content-"))
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            let parts = [
                answer.status.to_string(),
                answer.details.clone(),
                answer.flags.clone(),
                headers.join(", "),
            ];
            parts.join(" ").trim_end().to_owned()
        }
        Outcome::Forward(forward) => format!("forwarded to {}", forward.cluster.name),
    }
}

#[test]
fn a_path_that_does_not_match_is_told_why() {
    for (matcher, target, reason) in [
        (
            "{prefix: /api}",
            "/app",
            "prefix `/api` is not a prefix of `/app`",
        ),
        (
            "{prefix: /api}",
            "/API/x",
            "prefix `/api` is not a prefix of `/API/x` (only the case differs)",
        ),
        ("{path: /a}", "/a/b?c", "path `/a` is not `/a/b`"),
        (
            "{path_separated_prefix: /api}",
            "/apis",
            "path_separated_prefix `/api` is followed by something else than `/` in `/apis`",
        ),
        (
            "{path_separated_prefix: /api}",
            "/x",
            "path_separated_prefix `/api` is not a prefix of `/x`",
        ),
        (
            "{safe_regex: {regex: '/[0-9]+'}}",
            "/12x",
            "regex `/[0-9]+` does not match the whole of `/12x`",
        ),
        (
            "{path_match_policy: {name: m, typed_config: {'@type': type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: '/api/{version}/*'}}}",
            "/api/v1?q=/x",
            "uri template `/api/{version}/*` does not match `/api/v1`: the path ends before its `*`",
        ),
        ("{prefix: /api}", "/api/v1", ""),
    ] {
        assert_eq!(why_not(matcher, target, &[]), reason, "{matcher} {target}");
    }
}

#[test]
fn a_header_that_does_not_match_is_told_why() {
    let exact = "{prefix: /, headers: [{name: x-env, string_match: {exact: prod}}]}";
    let inverted =
        "{prefix: /, headers: [{name: x-env, string_match: {prefix: p}, invert_match: true}]}";
    let present = "{prefix: /, headers: [{name: x-env, present_match: true}]}";
    let absent = "{prefix: /, headers: [{name: x-env, present_match: false}]}";
    let range = "{prefix: /, headers: [{name: x-n, range_match: {start: 1, end: 5}}]}";
    let empty = "{prefix: /, headers: [{name: x-env, string_match: {exact: prod}, treat_missing_header_as_empty: true}]}";
    for (matcher, headers, reason) in [
        (
            exact,
            [("x-env", "dev")],
            "header `x-env` is `dev`; it must be `prod`",
        ),
        (
            exact,
            [("x-other", "")],
            "header `x-env` is missing; it must be `prod`",
        ),
        (exact, [("x-env", "prod")], ""),
        (
            inverted,
            [("x-env", "prod")],
            "header `x-env` is `prod`; it must not begin with `p`",
        ),
        (
            inverted,
            [("x-other", "")],
            "header `x-env` is missing; it must not begin with `p` (a missing header does not match, inverted or not)",
        ),
        (
            present,
            [("x-other", "")],
            "header `x-env` is missing; it must be there",
        ),
        (
            absent,
            [("x-env", "dev")],
            "header `x-env` is `dev`; it must not be there",
        ),
        (
            range,
            [("x-n", "5")],
            "header `x-n` is `5`; it must be a number from 1 to below 5",
        ),
        (
            empty,
            [("x-other", "")],
            "header `x-env` is missing, which counts as empty; it must be `prod`",
        ),
    ] {
        assert_eq!(
            why_not(matcher, "/", &headers),
            reason,
            "{matcher} {headers:?}"
        );
    }
}

#[test]
fn everything_else_that_does_not_match_is_told_why() {
    let query = "{prefix: /, query_parameters: [{name: v, string_match: {exact: '2'}}]}";
    let present = "{prefix: /, query_parameters: [{name: v}]}";
    let grpc = "{prefix: /, grpc: {}}";
    let cookie = "{prefix: /, cookies: [{name: c, string_match: {exact: x}}]}";
    for (matcher, target, reason) in [
        (query, "/?v=1", "query parameter `v` is `1`; it must be `2`"),
        (query, "/", "query parameter `v` is missing; it must be `2`"),
        (
            present,
            "/?w",
            "query parameter `v` is missing; it must be there",
        ),
        (cookie, "/", "cookie `c` is missing; it must be `x`"),
        (
            grpc,
            "/",
            "it is for gRPC, whose content type is `application/grpc`",
        ),
    ] {
        assert_eq!(why_not(matcher, target, &[]), reason, "{matcher} {target}");
    }
}

#[test]
fn a_fraction_tells_what_was_drawn() {
    let fraction = "{prefix: /, runtime_fraction: {default_value: {numerator: 30}}}";
    let server = server(&format!(
        "[{{match: {fraction}, direct_response: {{status: 200}}}}]"
    ));
    let why_not = |random| {
        let told = server.tell_all("/", "example.com", &[], random);
        let routing = told.routing.expect("the request is routed");
        routing.routes[0].why_not.join("; ")
    };
    assert_eq!(why_not(29), "");
    assert_eq!(
        why_not(157),
        "the runtime fraction is 30 of 100, and this request drew 57"
    );
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let matcher = "{path: /a, headers: [{name: x-b}], query_parameters: [{name: c}]}";
    assert_eq!(
        why_not(matcher, "/", &[]),
        "path `/a` is not `/`; header `x-b` is missing; it must be there; \
         query parameter `c` is missing; it must be there"
    );
}

#[test]
fn domains_are_told_with_their_kind_and_what_came_close() {
    let host = |name: &str, domain: &str| {
        format!(
            "{{name: {name}, domains: ['{domain}'], routes: [{{match: {{prefix: /}}, direct_response: {{status: 200}}}}]}}"
        )
    };
    let hosts = [
        host("exact", "www.example.com"),
        host("long", "*.example.com"),
        host("short", "*.com"),
        host("prefix", "www.*"),
        host("any", "*"),
    ];
    let server = server_with(&format!("[{}]", hosts.join(", ")), "");
    let domains = |authority: &str| {
        let told = server.tell_all("/", authority, &[], 0);
        let routing = told.routing.expect("the request is routed");
        let domains = routing.domains.iter();
        let domains: Vec<_> = domains
            .map(|found| format!("{} {}", found.virtual_host, found.kind.name()))
            .collect();
        (domains.join(", "), routing.near.join("; "))
    };
    let (all, near) = domains("WWW.example.com");
    assert_eq!(
        all,
        "exact exact, long suffix, short suffix, prefix prefix, any any host"
    );
    assert_eq!(near, "");
    let (all, near) = domains("example.com");
    assert_eq!(all, "short suffix, any any host");
    assert_eq!(
        near,
        "`*.example.com` matches the names below `example.com`, not the name itself"
    );
    let (all, near) = domains("wwww.example.com");
    assert_eq!(all, "long suffix, short suffix, any any host");
    assert_eq!(near, "");
    let (all, near) = domains("www.example.con");
    assert_eq!(all, "prefix prefix, any any host");
    assert_eq!(near, "");
    let (all, near) = domains("ww.example.con");
    assert_eq!(all, "any any host");
    assert_eq!(near, "`www.example.com` is spelled nearly the same");
    let (all, near) = domains("www.example.com:8080");
    assert_eq!(all, "prefix prefix, any any host");
    assert!(
        near.starts_with("`www.example.com` would match without the port"),
        "{near}"
    );
}

#[test]
fn a_host_that_no_domain_matches_is_answered_with_404() {
    let server = server_with(
        "[{name: one, domains: [example.com], routes: [{match: {prefix: /}, route: {cluster: a}}]}]",
        "",
    );
    let told = server.tell_all("/", "example.org", &[], 0);
    assert_eq!(answer(&told), "404 route_not_found NR");
    assert!(
        told.routing
            .expect("it was looked for")
            .virtual_host
            .is_none()
    );
}

#[test]
fn an_answer_is_told_as_it_is_mapped() {
    let server = server_with(
        "[{name: one, domains: [example.com], routes: [{match: {prefix: /}, route: {cluster: a}}]}]",
        "local_reply_config: {mappers: [{filter: {response_flag_filter: {flags: [NR]}}, status_code: 410, \
         headers_to_add: [{header: {key: x-was, value: '%RESPONSE_CODE%'}}]}], \
         body_format: {text_format: '%RESPONSE_CODE_DETAILS%'}}",
    );
    let told = server.tell_all("/", "example.org", &[], 0);
    assert_eq!(answer(&told), "410 route_not_found NR x-was: 404");
    let Outcome::Answer(answer) = told.outcome else {
        panic!("it is forwarded");
    };
    assert_eq!(answer.body_bytes, "route_not_found".len());
}

#[test]
fn what_the_connection_manager_does_to_a_request_is_told() {
    let server = server_with(
        "[{name: all, domains: [example.com], routes: [{match: {path: /b}, route: {cluster: a}}]}]",
        "normalize_path: true\nmerge_slashes: true\nstrip_any_host_port: true\nuse_remote_address: true\n\
         via: me\ninternal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}",
    );
    let sent = [("x-envoy-max-retries", "3"), ("te", "gzip"), ("x-b", "c")];
    let told = server.tell_all("/a/..//b", "example.com:81", &sent, 0);
    let seen = &told.seen;
    assert_eq!(
        (seen.path.0.as_str(), seen.path.1.as_str()),
        ("/a/..//b", "/b")
    );
    assert_eq!(seen.path_options, ["normalize_path", "merge_slashes"]);
    assert_eq!(seen.authority.1, "example.com");
    assert!(!seen.is_internal);
    assert_eq!(seen.client, "192.0.2.1");
    let change = |name: &str, before: Option<&str>, after: Option<&str>| Change {
        name: name.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    for expected in [
        change("x-envoy-max-retries", Some("3"), None),
        change("te", Some("gzip"), None),
        change("via", None, Some("me")),
        change("x-forwarded-for", None, Some("192.0.2.1")),
        change("x-request-id", None, Some("(made at random)")),
    ] {
        assert!(
            seen.changes.contains(&expected),
            "{expected:?} in {:?}",
            seen.changes
        );
    }
    assert!(!seen.changes.iter().any(|change| change.name == "x-b"));
    assert_eq!(answer(&told), "forwarded to a");
}

#[test]
fn a_request_that_is_refused_before_it_is_routed_is_told_the_answer() {
    let server = server_with(
        "[{name: all, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: a}}]}]",
        "normalize_path: true\npath_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT\n\
         common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}",
    );
    for (target, headers, expected) in [
        (
            "/a%2fb",
            vec![],
            "307 path_normalization_failed  location: /a/b",
        ),
        ("/a%00b", vec![], "400 path_normalization_failed"),
        (
            "/",
            vec![("x_a", "b")],
            "400 http1.unexpected_underscore DPE",
        ),
        (
            "/",
            vec![("content-length", "x")],
            "400 http1.codec_error DPE",
        ),
    ] {
        let told = server.tell(target, &headers);
        assert_eq!(answer(&told), expected, "{target}");
        assert!(told.routing.is_none());
    }
}

#[test]
fn what_the_route_answers_itself_is_told() {
    let server = server(
        "[{match: {path: /r}, redirect: {https_redirect: true, path_redirect: /s}}, \
          {match: {path: /d}, direct_response: {status: 503, body: {inline_string: busy}}}, \
          {match: {path: /n}, non_forwarding_action: {}}, \
          {match: {path: /m}, route: {cluster: gone, cluster_not_found_response_code: NOT_FOUND}}, \
          {match: {path: /h}, route: {cluster_header: x-cluster}}]",
    );
    for (target, headers, expected) in [
        (
            "/r?q",
            vec![],
            "301 direct_response  location: https://example.com/s?q",
        ),
        ("/d", vec![], "503 direct_response"),
        ("/n", vec![], "404 route_not_found NR"),
        ("/m", vec![], "404 cluster_not_found NC"),
        ("/h", vec![], "503 cluster_not_found NC"),
        ("/h", vec![("x-cluster", "c")], "503 cluster_not_found NC"),
        ("/h", vec![("x-cluster", "b")], "forwarded to b"),
        (
            "/m",
            vec![("connection", "upgrade"), ("upgrade", "websocket")],
            "403 upgrade_failed",
        ),
        ("/x", vec![], "404 route_not_found NR"),
    ] {
        assert_eq!(
            answer(&server.tell(target, &headers)),
            expected,
            "{target} {headers:?}"
        );
    }
}

#[test]
fn upgrades_and_connect_are_told() {
    let server = server_with(
        "[{name: all, domains: ['*'], routes: [\
          {match: {connect_matcher: {}, headers: [{name: here, present_match: true}]}, \
           route: {cluster: a, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}}, \
          {match: {connect_matcher: {}}, route: {cluster: b}}, \
          {match: {prefix: /off}, route: {cluster: b, upgrade_configs: [{upgrade_type: foo, enabled: false}]}}, \
          {match: {prefix: /}, route: {cluster: b}}]}]",
        "upgrade_configs: [{upgrade_type: CONNECT}, {upgrade_type: websocket}, {upgrade_type: foo}]",
    );
    let tunnel = |told: &Explanation| match &told.outcome {
        Outcome::Forward(forwarding) => {
            let seconds = forwarding.timeout.map(|timeout| timeout.as_secs());
            format!("{:?} {seconds:?}", forwarding.tunnel)
        }
        Outcome::Answer(answer) => answer.details.clone(),
    };
    let upgrade = |kind| [("connection", "Upgrade"), ("upgrade", kind)];
    assert_eq!(tunnel(&server.tell("/", &[])), "None Some(15)");
    let websocket = server.tell("/", &upgrade("WebSocket"));
    assert_eq!(tunnel(&websocket), "Some(Upgrade) Some(15)");
    assert_eq!(
        tunnel(&server.tell("/", &upgrade("foo"))),
        "Some(Upgrade) None"
    );
    assert_eq!(
        tunnel(&server.tell("/off", &upgrade("foo"))),
        "upgrade_failed"
    );
    assert_eq!(tunnel(&server.tell("/", &upgrade("x"))), "upgrade_failed");

    let ends_here = server.connect("h:1", &[("here", "1")]);
    assert_eq!(tunnel(&ends_here), "Some(EndsHere) None");
    let forwarded = server.connect("h:1", &[]);
    assert_eq!(tunnel(&forwarded), "Some(Connect) None");
    let routing = forwarded.routing.expect("a route was looked for");
    assert_eq!(routing.routes[0].requirements[0], "CONNECT");
    let other = server.tell("/", &[]).routing.expect("a route");
    assert_eq!(
        other.routes[0].why_not[0],
        "it is for CONNECT, and this is another method"
    );
}

#[test]
fn connect_needs_a_route_of_its_own() {
    let server = server(
        "[{match: {prefix: /}, route: {cluster: a}}, \
          {match: {connect_matcher: {}}, route: {cluster: a, prefix_rewrite: /x, upgrade_configs: [{upgrade_type: connect}]}}]",
    );
    let told = server.connect("h:1", &[]);
    assert_eq!(
        answer(&told),
        "503 filter_removed_required_request_headers{missing_required_header:_:protocol} DPE"
    );
    let routing = told.routing.expect("a route was looked for");
    assert_eq!(
        routing.routes[0].why_not,
        ["prefix `/` never matches CONNECT, which has no path; `connect_matcher` does"]
    );
}

#[test]
fn where_tls_is_required_the_redirect_is_told() {
    let server = server_with(
        "[{name: all, domains: ['*'], require_tls: ALL, routes: [{match: {prefix: /}, route: {cluster: a}}]}]",
        "",
    );
    assert_eq!(
        answer(&server.tell("/x", &[])),
        "301 direct_response  location: https://example.com/x"
    );
    let over_tls = [("x-forwarded-proto", "https")];
    assert_eq!(answer(&server.tell("/x", &over_tls)), "forwarded to a");
}

#[test]
fn each_step_of_the_rewriting_is_told_in_order() {
    let server = server_with(
        "[{name: all, domains: ['*'], request_headers_to_add: [{header: {key: x-from, value: host}}], routes: \
          [{match: {prefix: /old}, request_headers_to_remove: [x-secret], request_headers_to_add: \
          [{header: {key: x-path, value: '%REQ(:PATH)%'}}], \
          route: {cluster: a, prefix_rewrite: /new, host_rewrite_literal: inner, timeout: 3s}}]}]",
        "",
    );
    let told = server.tell("/old/page?q", &[("x-secret", "s")]);
    let Outcome::Forward(forward) = &told.outcome else {
        panic!("forwarded");
    };
    let steps: Vec<_> = forward
        .steps
        .iter()
        .map(|step| {
            let changes = step.changes.iter();
            let names: Vec<_> = changes
                .map(|change| match (&change.before, &change.after) {
                    (Some(_), None) => format!("-{}", change.name),
                    (_, after) => format!("{}={}", change.name, after.as_deref().unwrap_or("")),
                })
                .collect();
            format!("{}: {}", step.by, names.join(" "))
        })
        .collect();
    assert_eq!(
        steps,
        [
            "router: x-envoy-expected-rq-timeout-ms=3000",
            "route: -x-secret x-path=/old/page?q",
            "virtual host: x-from=host",
            "host rewrite: :authority=inner x-envoy-original-host=example.com",
            "path rewrite: :path=/new/page?q x-envoy-original-path=/old/page?q",
        ]
    );
    assert_eq!(
        (forward.host.as_str(), forward.path.as_str()),
        ("inner", "/new/page?q")
    );
    assert_eq!(forward.timeout, Some(std::time::Duration::from_secs(3)));
}

#[test]
fn a_clients_own_timeout_is_told_as_such() {
    let server = server_with(
        "[{name: all, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: a}}]}]",
        "internal_address_config: {cidr_ranges: [{address_prefix: 192.0.2.0, prefix_len: 24}]}\n\
         use_remote_address: true",
    );
    let told = server.tell("/", &[("x-envoy-upstream-rq-timeout-ms", "250")]);
    assert!(told.seen.is_internal);
    let Outcome::Forward(forward) = &told.outcome else {
        panic!("forwarded");
    };
    assert!(forward.timeout_is_clients);
    assert_eq!(forward.timeout, Some(std::time::Duration::from_millis(250)));
}

#[test]
fn weighted_clusters_are_told_with_their_shares_and_the_pick() {
    let server = server(
        "[{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: 3}, {name: b, weight: 1}]}}}]",
    );
    let picked: Vec<_> = (0..4)
        .map(|random| {
            let told = server.tell_all("/", "example.com", &[], random);
            let Outcome::Forward(forward) = &told.outcome else {
                panic!("forwarded");
            };
            let HowChosen::Weighted { shares, picked } = &forward.cluster.how else {
                panic!("chosen by weight");
            };
            assert_eq!(shares, &[("a".to_owned(), 3), ("b".to_owned(), 1)]);
            assert_eq!(shares[*picked].0, forward.cluster.name);
            forward.cluster.name.clone()
        })
        .collect();
    assert_eq!(picked, ["a", "a", "a", "b"]);
}

#[test]
fn what_is_no_request_is_not_told() {
    let server = server("[{match: {prefix: /}, route: {cluster: a}}]");
    let address = std::net::SocketAddr::from(([192, 0, 2, 1], 0));
    for (method, target, header) in [
        ("GE T", "/", ("a", "b")),
        ("GET", "/a b", ("a", "b")),
        ("GET", "/\r\nx: y", ("a", "b")),
        ("GET", "/", ("a b", "c")),
        ("GET", "/", ("a", "b\r\nc: d")),
    ] {
        let headers = [(header.0.to_owned(), header.1.to_owned())];
        let asked = Asked {
            method,
            authority: "a",
            target,
            headers: &headers,
            remote: address.into(),
            local: address.into(),
            is_tls: false,
            random: 0,
        };
        let told = explain(
            &server.manager,
            &server.routes,
            &server.clusters,
            &asked,
            Listing::All,
        );
        assert!(told.is_err(), "{method} {target} {header:?}");
    }
}

#[test]
fn of_many_routes_the_last_ones_are_told() {
    let mut routes: Vec<_> = (0..200)
        .map(|n| format!("{{match: {{path: /{n}}}, direct_response: {{status: 200}}}}"))
        .collect();
    routes.extend(
        ["/", "/later"]
            .map(|prefix| format!("{{match: {{prefix: {prefix}}}, route: {{cluster: a}}}}")),
    );
    let server = server(&format!("[{}]", routes.join(", ")));
    let address = std::net::SocketAddr::from(([192, 0, 2, 1], 0));
    let asked = Asked {
        method: "GET",
        authority: "a",
        target: "/x",
        headers: &[],
        remote: address.into(),
        local: address.into(),
        is_tls: false,
        random: 0,
    };
    let places = |listing| {
        let told = explain(
            &server.manager,
            &server.routes,
            &server.clusters,
            &asked,
            listing,
        );
        let routing = told.ok().and_then(|told| told.routing).expect("a route");
        assert_eq!(routing.route_count, 202);
        let places: Vec<_> = routing.routes.iter().map(|route| route.place).collect();
        places
    };
    let last: Vec<_> = (201 - Listing::MOST..=200).collect();
    assert_eq!(places(Listing::UpToTheRoute), last);
    assert_eq!(places(Listing::Around(2)), [198, 199, 200, 201]);
    assert_eq!(places(Listing::All).len(), 202);
}

/// One of some texts.
fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(texts).prop_map(str::to_owned)
}

fn matcher() -> impl Strategy<Value = String> {
    let path = one_of(&[
        "prefix: /",
        "prefix: /a",
        "prefix: /A, case_sensitive: false",
        "path: /a",
        "path: /a/b",
        "path_separated_prefix: /a",
        "safe_regex: {regex: '/a/?b?'}",
        "safe_regex: {regex: '/[ab]+'}",
        "path_match_policy: {name: m, typed_config: {'@type': type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: '/a/{b}'}}",
        "path_match_policy: {name: m, typed_config: {'@type': type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: '/**'}}",
    ]);
    let rest = prop::collection::vec(
        one_of(&[
            "headers: [{name: x-a}]",
            "headers: [{name: x-a, string_match: {exact: b}}]",
            "headers: [{name: x-a, string_match: {exact: B, ignore_case: true}, invert_match: true}]",
            "headers: [{name: x-a, string_match: {contains: b}, treat_missing_header_as_empty: true}]",
            "headers: [{name: x-a, range_match: {start: 0, end: 9}}, {name: x-b, present_match: false}]",
            "query_parameters: [{name: q}]",
            "query_parameters: [{name: q, string_match: {prefix: r}}]",
            "grpc: {}",
            "tls_context: {presented: false}",
            "tls_context: {validated: true}",
            "runtime_fraction: {default_value: {numerator: 2}}",
        ]),
        0..3,
    );
    (path, rest).prop_map(|(path, mut rest)| {
        rest.sort();
        rest.dedup_by_key(|one| one.split(':').next().map(str::to_owned));
        rest.insert(0, path);
        format!("{{{}}}", rest.join(", "))
    })
}

fn virtual_hosts() -> impl Strategy<Value = String> {
    let domains = prop::sample::subsequence(
        vec!["a.b", "*.b", "*.a.b", "a.*", "*", "*-c.b", "b:80", "[::1]"],
        1..5,
    );
    let host = (
        prop::collection::vec(matcher(), 0..5),
        one_of(&["NONE", "ALL", "EXTERNAL_ONLY"]),
    );
    (domains, prop::collection::vec(host, 5)).prop_map(|(domains, hosts)| {
        let host = |(number, (domain, (matchers, tls))): (usize, (&str, (Vec<String>, String)))| {
            let routes = matchers.iter().enumerate().map(|(place, matcher)| {
                format!("{{name: r{place}, match: {matcher}, route: {{weighted_clusters: {{clusters: [{{name: a, weight: 1}}, {{name: b, weight: 2}}]}}}}}}")
            });
            let routes: Vec<_> = routes.collect();
            format!("{{name: h{number}, domains: ['{domain}'], require_tls: {tls}, routes: [{}]}}", routes.join(", "))
        };
        let all: Vec<_> = domains.into_iter().zip(hosts).enumerate().map(host).collect();
        format!("[{}]", all.join(", "))
    })
}

type Sent = (String, String, Vec<(&'static str, &'static str)>, u64);

fn sent() -> impl Strategy<Value = Sent> {
    let headers = prop::sample::subsequence(
        vec![
            ("x-a", "b"),
            ("x-a", "5"),
            ("x-a", "B"),
            ("x-b", ""),
            ("content-type", "application/grpc"),
            ("x-forwarded-proto", "https"),
        ],
        0..5,
    );
    (
        one_of(&[
            "/",
            "/a",
            "/A/b",
            "/a/b",
            "/ab",
            "/a?q",
            "/a?q=r&q=s",
            "/a/b?r=q",
            "/b//a/..",
        ]),
        one_of(&[
            "a.b", "A.B", "x.a.b", "a.c", "x-c.b", "b", "b:80", "[::1]", "[::1]:80", ".b",
        ]),
        headers,
        0..200_u64,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_is_what_the_route_table_finds(
        hosts in virtual_hosts(),
        more in one_of(&["", "normalize_path: true", "merge_slashes: true", "strip_any_host_port: true"]),
        (target, authority, headers, random) in sent(),
    ) {
        let server = server_with(&hosts, &more);
        let told = server.tell_all(&target, &authority, &headers, random);
        let routing = told.routing.expect("nothing of this is refused");
        let mut request = HeaderMap::request();
        let (path, host) = (told.seen.path.1.as_str(), told.seen.authority.1.as_str());
        let pseudo = [(":authority", host), (":path", path), (":scheme", told.seen.scheme.as_str())];
        let proto = ("x-forwarded-proto", "http");
        let has_proto = headers.iter().any(|(name, _)| *name == proto.0);
        let rest = headers.iter().chain((!has_proto).then_some(&proto));
        for (name, value) in pseudo.iter().chain(rest) {
            let name = HeaderName::parse_with_pseudo(name).expect("a name");
            request.append(&name, value.as_bytes());
        }
        let table = &server.routes;
        let found = table.find(&request, &info(), random);
        let host = found.and_then(|index| table.virtual_host(index)).map(|host| host.name.to_string());
        if found.is_some() {
            prop_assert_eq!(host, routing.virtual_host.as_ref().map(|(_, name)| name.clone()));
        }
        prop_assert_eq!(found.and_then(RouteIndex::place), routing.taken.as_ref().map(|(place, _)| *place));
        prop_assert_eq!(
            routing.virtual_host.as_ref().map(|(place, _)| *place),
            routing.domains.first().map(|domain| domain.place)
        );
        if let Some((taken, _)) = &routing.taken {
            let first = routing.routes.iter().find(|route| route.why_not.is_empty());
            prop_assert_eq!(Some(*taken), first.map(|route| route.place));
        } else {
            prop_assert!(routing.routes.iter().all(|route| !route.why_not.is_empty()));
        }
        match told.outcome {
            Outcome::Forward(forward) => {
                let expected = if random % 3 == 0 { "a" } else { "b" };
                prop_assert_eq!(forward.cluster.name.as_str(), expected);
            }
            Outcome::Answer(answer) => {
                // gRPC's form of an answer has the status in a header.
                let is_grpc = headers.iter().any(|(name, _)| *name == "content-type");
                let expected = match (is_grpc, found) {
                    (true, _) => 200,
                    (false, Some(_)) => 301,
                    (false, None) => 404,
                };
                prop_assert_eq!(answer.status, expected);
            }
        }
    }

    #[test]
    fn whatever_is_asked_is_told_or_refused(
        method in ".{0,9}",
        target in ".{0,40}",
        authority in ".{0,20}",
        headers in prop::collection::vec((".{0,9}", ".{0,9}"), 0..4),
        random: u64,
    ) {
        let server = server("[{match: {safe_regex: {regex: '/.*a'}}, redirect: {regex_rewrite: {pattern: {regex: a}, substitution: b}}}, \
                              {match: {prefix: /}, route: {cluster_header: a}}]");
        let address = std::net::SocketAddr::from(([192, 0, 2, 1], 0));
        for target in [target.clone(), format!("/{target}")] {
            let asked = Asked {
                method: &method,
                authority: &authority,
                target: &target,
                headers: &headers,
                remote: address.into(),
                local: address.into(),
                is_tls: true,
                random,
            };
            let _either_will_do = explain(&server.manager, &server.routes, &server.clusters, &asked, Listing::All);
        }
    }
}
