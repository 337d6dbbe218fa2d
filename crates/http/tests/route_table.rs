//! The route table, compiled from configuration and asked for routes.
#![forbid(unsafe_code)]

mod tables;

use nuncio_config::typed::Ctx;
use nuncio_http::route::{Action, ClusterChoice, Forward, Redirect, RouteTable};
use tables::{compile, errors, info, request, table};

/// One virtual host for all domains with these routes, each named and answered directly.
fn routes(matches: &[(&str, &str)]) -> RouteTable {
    let mut yaml = String::from("virtual_hosts:\n- name: all\n  domains: ['*']\n  routes:\n");
    for (name, matcher) in matches {
        yaml +=
            &format!("  - {{name: {name}, match: {matcher}, direct_response: {{status: 200}}}}\n");
    }
    table(&yaml)
}

/// One route with this action.
fn action(action: &str) -> RouteTable {
    table(&format!(
        "virtual_hosts: [{{name: all, domains: ['*'], routes: [{{match: {{prefix: /old}}, {action}}}]}}]"
    ))
}

/// Why the routes of one virtual host are refused.
fn refusal(routes: &str) -> String {
    let mut ctx = Ctx::default();
    let yaml = format!("virtual_hosts: [{{name: all, domains: ['*'], routes: {routes}}}]");
    let _ = compile(&yaml, &mut ctx);
    let errors = errors(&ctx);
    assert_ne!(errors, "", "{yaml} is refused, with a reason");
    errors
}

/// The name of the route that is found, or `-`.
fn found(table: &RouteTable, path: &str, headers: &[(&str, &str)]) -> String {
    found_by_chance(table, path, headers, 0)
}

fn found_by_chance(
    table: &RouteTable,
    path: &str,
    headers: &[(&str, &str)],
    random: u64,
) -> String {
    let index = table.find(&request(path, headers), &info(), random);
    let route = index.and_then(|index| table.route(index));
    route
        .and_then(|route| route.name.as_deref())
        .unwrap_or("-")
        .to_owned()
}

fn forward(table: &RouteTable) -> &Forward {
    let index = table
        .find(&request("/old", &[]), &info(), 0)
        .expect("a route");
    match table.action(index) {
        Action::Forward(forward) => forward,
        _ => panic!("not forwarded"),
    }
}

fn redirect(table: &RouteTable) -> &Redirect {
    let index = table
        .find(&request("/old", &[]), &info(), 0)
        .expect("a route");
    match table.action(index) {
        Action::Redirect(redirect) => redirect,
        _ => panic!("not redirected"),
    }
}

fn cluster(forward: &Forward, random: u64, headers: &[(&str, &str)]) -> String {
    let request = request("/old", headers);
    let info = info();
    let picked = forward.pick_weighted(&request, &info, random);
    let named = forward.named_by(picked, &request, &info);
    match forward.cluster(picked, named.as_deref()) {
        ClusterChoice::Named { name, .. } => name.to_owned(),
        ClusterChoice::ByName(name) => format!("by name {}", String::from_utf8_lossy(name)),
        ClusterChoice::Missing => "missing".to_owned(),
    }
}

#[test]
fn the_first_route_that_matches_wins() {
    let table = routes(&[
        ("long", "{prefix: /a/b}"),
        ("short", "{prefix: /a}"),
        ("never", "{prefix: /a/b/c}"),
    ]);
    assert_eq!(found(&table, "/a/b/c", &[]), "long");
    assert_eq!(found(&table, "/a/c", &[]), "short");
    assert_eq!(found(&table, "/b", &[]), "-");
}

#[test]
fn a_query_is_no_part_of_the_path() {
    let table = routes(&[
        ("path", "{path: /a}"),
        ("regex", "{safe_regex: {regex: '/[0-9]+'}}"),
    ]);
    assert_eq!(found(&table, "/a?b=/c", &[]), "path");
    assert_eq!(found(&table, "/12?x", &[]), "regex");
    assert_eq!(found(&table, "/b?/a", &[]), "-");
}

#[test]
fn a_regular_expression_must_match_the_whole_path() {
    let table = routes(&[("regex", "{safe_regex: {regex: '/a|/abc'}}")]);
    assert_eq!(found(&table, "/a", &[]), "regex");
    assert_eq!(found(&table, "/abc", &[]), "regex");
    assert_eq!(found(&table, "/ab", &[]), "-");
    assert_eq!(found(&table, "/x/a", &[]), "-");
}

#[test]
fn a_separated_prefix_ends_at_a_slash() {
    let table = routes(&[("api", "{path_separated_prefix: /api}")]);
    for path in ["/api", "/api/", "/api/v1", "/api?x"] {
        assert_eq!(found(&table, path, &[]), "api", "{path}");
    }
    for path in ["/apis", "/api.v1", "/ap", "/x/api"] {
        assert_eq!(found(&table, path, &[]), "-", "{path}");
    }
}

#[test]
fn case_counts_unless_the_route_says_otherwise() {
    let table = routes(&[
        ("strict", "{prefix: /A}"),
        ("lax", "{prefix: /b, case_sensitive: false}"),
    ]);
    assert_eq!(found(&table, "/A", &[]), "strict");
    assert_eq!(found(&table, "/a", &[]), "-");
    assert_eq!(found(&table, "/B", &[]), "lax");
}

#[test]
fn values_of_one_header_are_matched_one_by_one() {
    let table = routes(&[(
        "exact",
        "{prefix: /, headers: [{name: x-a, string_match: {exact: two}}]}",
    )]);
    assert_eq!(
        found(&table, "/", &[("x-a", "one"), ("x-a", "two")]),
        "exact"
    );
    assert_eq!(found(&table, "/", &[("x-a", "one,two")]), "-");
    assert_eq!(found(&table, "/", &[]), "-");
}

#[test]
fn query_parameters_choose_a_route() {
    let table = routes(&[
        (
            "value",
            "{prefix: /, query_parameters: [{name: v, string_match: {exact: '1'}}]}",
        ),
        ("present", "{prefix: /, query_parameters: [{name: p}]}"),
    ]);
    assert_eq!(found(&table, "/?v=1", &[]), "value");
    assert_eq!(found(&table, "/?v=2&p", &[]), "present");
    assert_eq!(found(&table, "/?pp=1", &[]), "-");
}

#[test]
fn grpc_routes_are_for_grpc_alone() {
    let table = routes(&[("grpc", "{prefix: /, grpc: {}}")]);
    assert_eq!(
        found(&table, "/", &[("content-type", "application/grpc")]),
        "grpc"
    );
    assert_eq!(
        found(&table, "/", &[("content-type", "application/grpc+proto")]),
        "grpc"
    );
    assert_eq!(
        found(&table, "/", &[("content-type", "application/grpc-web")]),
        "-"
    );
    assert_eq!(found(&table, "/", &[]), "-");
}

#[test]
fn a_fraction_of_requests_takes_another_route() {
    let some = "{prefix: /, runtime_fraction: {default_value: {numerator: 25}}}";
    let table = routes(&[("some", some), ("rest", "{prefix: /}")]);
    assert_eq!(found_by_chance(&table, "/", &[], 24), "some");
    assert_eq!(found_by_chance(&table, "/", &[], 25), "rest");
}

#[test]
fn weights_share_out_the_requests() {
    let table = action(
        "route: {weighted_clusters: {clusters: [{name: a, weight: 3}, {name: b, weight: 1}]}}",
    );
    let chosen: Vec<_> = (0..8)
        .map(|random| cluster(forward(&table), random, &[]))
        .collect();
    assert_eq!(chosen, ["a", "a", "a", "b", "a", "a", "a", "b"]);
}

#[test]
fn a_header_may_name_the_cluster() {
    let table = action("route: {cluster_header: x-cluster}");
    assert_eq!(
        cluster(forward(&table), 0, &[("x-cluster", "mine")]),
        "by name mine"
    );
    assert_eq!(cluster(forward(&table), 0, &[]), "missing");
}

#[test]
fn a_prefix_rewrite_keeps_what_follows_the_prefix() {
    let table = action("route: {cluster: c, prefix_rewrite: /new}");
    let path = b"/old/page?q=1";
    let index = table
        .find(&request("/old/page?q=1", &[]), &info(), 0)
        .expect("a route");
    let matched = table.route(index).expect("an entry").matched_len(path);
    assert_eq!(
        forward(&table).rewrite_path(path, matched).as_deref(),
        Some(b"/new/page?q=1".as_slice())
    );
}

#[test]
fn a_regular_expression_rewrites_the_path_and_leaves_the_query() {
    let table = action(
        "route: {cluster: c, regex_rewrite: {pattern: {regex: '/old/(\\w+)'}, substitution: '/\\1/old'}}",
    );
    let path = b"/old/page?to=/old/x";
    assert_eq!(
        forward(&table).rewrite_path(path, 0).as_deref(),
        Some(b"/page/old?to=/old/x".as_slice())
    );
}

#[test]
fn a_redirect_changes_what_it_names_and_keeps_the_rest() {
    for (action_text, location) in [
        ("{https_redirect: true}", "https://example.com/old?q"),
        ("{host_redirect: other.org}", "http://other.org/old?q"),
        ("{port_redirect: 81}", "http://example.com:81/old?q"),
        ("{path_redirect: /new}", "http://example.com/new?q"),
        ("{path_redirect: '/new?own'}", "http://example.com/new?own"),
        (
            "{path_redirect: /new, strip_query: true}",
            "http://example.com/new",
        ),
    ] {
        let table = action(&format!("redirect: {action_text}"));
        let location_now = redirect(&table).location(&request("/old?q", &[]), None);
        assert_eq!(
            String::from_utf8_lossy(&location_now),
            location,
            "{action_text}"
        );
    }
}

#[test]
fn where_tls_is_required_plain_requests_are_sent_there() {
    let table = table(
        "virtual_hosts: [{name: all, domains: ['*'], require_tls: ALL, \
          routes: [{name: r, match: {prefix: /}, direct_response: {status: 200}}]}]",
    );
    let plain = table
        .find(&request("/", &[("x-forwarded-proto", "http")]), &info(), 0)
        .expect("a route");
    assert!(matches!(table.action(plain), Action::RedirectToHttps));
    assert_eq!(found(&table, "/", &[("x-forwarded-proto", "https")]), "r");
}

#[test]
fn an_empty_table_matches_nothing() {
    assert!(
        RouteTable::empty()
            .find(&request("/", &[]), &info(), 0)
            .is_none()
    );
}

#[test]
fn a_body_that_cannot_be_had_is_refused_in_envoys_words() {
    let of = |body: &str| {
        refusal(&format!(
            "[{{match: {{prefix: /}}, direct_response: {{status: 200, body: {{{body}}}}}}}]"
        ))
    };
    assert_eq!(
        of("filename: /nowhere/at/all"),
        "file /nowhere/at/all does not exist"
    );
    let long = "a".repeat(5000);
    assert_eq!(
        of(&format!("inline_string: {long}")),
        "response body size is 5000 bytes; maximum is 4096"
    );
    let file = std::env::current_exe().expect("a running test has a file");
    let size_bytes = file.metadata().expect("which has a size").len();
    let path = file.display();
    assert_eq!(
        of(&format!("filename: '{path}'")),
        format!("file {path} size is {size_bytes} bytes; maximum is 4096")
    );
    assert_eq!(
        of("environment_variable: NUNCIO_TEST_IS_NOT_SET"),
        "Environment variable doesn't exist: NUNCIO_TEST_IS_NOT_SET"
    );
}

#[test]
fn mistakes_are_refused_in_envoys_words() {
    let unknown = refusal("[{match: {prefix: /}, route: {cluster: unknown}}]");
    assert_eq!(unknown, "route: unknown cluster 'unknown'");
    let both = refusal(
        "[{match: {prefix: /}, route: {cluster: c, prefix_rewrite: /a, \
          regex_rewrite: {pattern: {regex: a}, substitution: b}}}]",
    );
    assert_eq!(
        both,
        "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy"
    );
    let actions = refusal(
        "[{match: {prefix: /}, route: {cluster: c, rate_limits: [{actions: \
          [{dynamic_metadata: {descriptor_key: a, metadata_key: {key: b, path: [{key: c}]}}}]}]}}]",
    );
    assert!(
        actions.contains("`dynamic_metadata`") && actions.contains("not supported by Nuncio yet"),
        "{actions}"
    );
}

#[test]
fn all_mistakes_are_found_in_one_run() {
    let errors = refusal(
        "[{match: {prefix: /a}, route: {cluster: unknown}}, {match: {safe_regex: {regex: '('}}, route: {cluster: c}}]",
    );
    assert!(
        errors.contains("unknown cluster") && errors.contains("; "),
        "{errors}"
    );
}
