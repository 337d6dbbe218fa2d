//! Which domain and which route a request finds, and why not the others.

use super::*;

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
