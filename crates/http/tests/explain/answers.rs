//! What becomes of a request: changes, answers, clusters.

use nuncio_http::explain::{Change, HowChosen};

use super::*;

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
        ("/n", vec![], "503 cluster_not_found NC"),
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
