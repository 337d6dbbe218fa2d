//! Tables with many routes: what is found is what asking one route after another finds.
#![forbid(unsafe_code)]

mod tables;

use std::fmt::Write;

use nuncio_contract::headers::HeaderMap;
use nuncio_http::route::RouteTable;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tables::{info, request, table};

const HOST: &str = "virtual_hosts:\n- name: all\n  domains: ['*']\n  routes:\n";

fn yaml(matches: &[String], ignore_path_parameters: bool) -> String {
    let mut yaml =
        format!("ignore_path_parameters_in_path_matching: {ignore_path_parameters}\n{HOST}");
    for matcher in matches {
        let _ = writeln!(
            yaml,
            "  - {{match: {matcher}, direct_response: {{status: 200}}}}"
        );
    }
    yaml
}

/// The first route that says that it matches, all of them asked one by one.
fn first_by_asking_all(table: &RouteTable, request: &HeaderMap, random: u64) -> Option<usize> {
    let info = info();
    let host = table.explain(request, &info, random).virtual_host?.1;
    (0..host.route_count()).find(|place| {
        let tried = host.tried(*place, request, &info, random);
        tried.is_some_and(|tried| tried.why_not.is_empty())
    })
}

fn first_found(table: &RouteTable, request: &HeaderMap, random: u64) -> Option<usize> {
    table.find(request, &info(), random)?.place()
}

/// Paths of few letters, so that they often begin alike.
fn path() -> impl Strategy<Value = String> {
    let segment = select(vec!["a", "b", "A", "ab", "aB", "a;x", "", "é"]);
    vec(segment, 0..4).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn pattern() -> impl Strategy<Value = String> {
    let part = select(vec![
        "/", "a", "b", "[ab]", "a?", "(a|ab)", "(?i:a)", ".*", "/a/", "(/a|/b)", ";", "b+",
    ]);
    vec(part, 1..5).prop_map(|parts| parts.concat())
}

fn by_path() -> impl Strategy<Value = String> {
    let case = select(vec![
        "",
        ", case_sensitive: false",
        ", case_sensitive: true",
    ]);
    prop_oneof![
        (path(), case.clone()).prop_map(|(path, case)| format!("prefix: '{path}'{case}")),
        (path(), case.clone()).prop_map(|(path, case)| format!("path: '{path}'{case}")),
        (path(), case).prop_filter_map("it may not end with a slash", |(path, case)| {
            (!path.ends_with('/')).then(|| format!("path_separated_prefix: '{path}'{case}"))
        }),
        (pattern(), Just(())).prop_map(|(regex, ())| format!("safe_regex: {{regex: '{regex}'}}")),
        Just("connect_matcher: {}".to_owned()),
        select(vec!["/a/{x}", "/{x}/b", "/**", "/a/*"]).prop_map(|template| {
            let kind = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig";
            format!(
                "path_match_policy: {{name: t, typed_config: {{'@type': type.googleapis.com/{kind}, \
                 path_template: '{template}'}}}}"
            )
        }),
    ]
}

fn conditions() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "",
        "",
        ", headers: [{name: x-a, string_match: {exact: '1'}}]",
        ", headers: [{name: x-a, present_match: true, invert_match: true}]",
        ", query_parameters: [{name: q, string_match: {exact: '1'}}]",
        ", runtime_fraction: {default_value: {numerator: 50}}",
        ", grpc: {}",
    ])
}

fn matcher() -> impl Strategy<Value = String> {
    (by_path(), conditions()).prop_map(|(path, rest)| format!("{{{path}{rest}}}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_long_table_finds_what_asking_one_route_after_another_finds(
        matches in vec(matcher(), 24..90),
        ignore_path_parameters: bool,
        asked in vec((path(), select(vec!["", "?q=1", "#f", ";y"]), any::<bool>(), 0_u64..100), 24),
    ) {
        let table = table(&yaml(&matches, ignore_path_parameters));
        for (path, behind, with_header, random) in asked {
            let headers: &[(&str, &str)] = if with_header { &[("x-a", "1")] } else { &[] };
            let path = format!("{path}{behind}");
            let request = request(&path, headers);
            prop_assert_eq!(
                first_found(&table, &request, random),
                first_by_asking_all(&table, &request, random),
                "{} in {:#?}", path, matches
            );
        }
    }
}

#[test]
fn of_patterns_that_begin_alike_the_first_that_matches_altogether_counts() {
    let on_condition = "headers: [{name: x-a, present_match: true}]";
    let matches: Vec<String> = (0..200)
        .map(|number| match number % 2 {
            0 => format!("{{safe_regex: {{regex: '/a/.*{number}'}}, {on_condition}}}"),
            _ => format!("{{safe_regex: {{regex: '/a/.*{}'}}}}", number - 1),
        })
        .collect();
    let table = table(&yaml(&matches, false));
    for number in (0..200).step_by(2) {
        let path = format!("/a/x-{number}");
        for headers in [&[][..], &[("x-a", "1")]] {
            let request = request(&path, headers);
            let found = first_found(&table, &request, 0);
            assert_eq!(found, first_by_asking_all(&table, &request, 0), "{path}");
            assert!(found.is_some(), "{path}");
        }
    }
}

#[test]
fn a_request_without_a_path_is_for_a_connect_matcher_alone() {
    let mut matches: Vec<String> = (0..40).map(|n| format!("{{prefix: /{n}}}")).collect();
    matches.push("{connect_matcher: {}}".to_owned());
    let table = table(&yaml(&matches, false));
    let mut connect = request("/", &[(":method", "CONNECT")]);
    connect.remove(nuncio_contract::headers::Known::Path);
    assert_eq!(first_found(&table, &connect, 0), Some(40));
}
