//! On made-up configurations and requests, the route table finds what is told.

use std::rc::Rc;
use std::time::{Instant, SystemTime};

use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_http::route::RouteIndex;
use proptest::prelude::*;

use super::*;

/// A stream of a connection without TLS.
fn info() -> StreamInfo {
    StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Instant::now())
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
