//! The RBAC filter on streams.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::http_filter::HeadersStatus;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::metadata::Value;
use nuncio_contract::stream_info::{
    Address, CertificateInfo, ConnectionInfo, PeerCertificateInfo, TlsInfo,
};

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, refusal};

const ANYONE: &str = "principals: [{any: true}]";
const ANYTHING: &str = "permissions: [{any: true}]";

fn rules(action: &str, policies: &str) -> String {
    format!("{{action: {action}, policies: {{{policies}}}}}")
}

fn allowing(permission: &str) -> Worker {
    let policy = format!("p: {{permissions: [{{{permission}}}], {ANYONE}}}");
    Worker::new(&ROOM, &format!("{{rules: {}}}", rules("ALLOW", &policy)))
}

fn allowing_whom(principal: &str) -> Worker {
    let policy = format!("p: {{{ANYTHING}, principals: [{{{principal}}}]}}");
    Worker::new(&ROOM, &format!("{{rules: {}}}", rules("ALLOW", &policy)))
}

fn answer(stream: &mut Stream<'_>) -> Option<LocalReply> {
    match stream.decode_headers(true) {
        HeadersStatus::Reply(reply) => Some(*reply),
        _ => None,
    }
}

fn passes(mut stream: Stream<'_>) -> bool {
    answer(&mut stream).is_none()
}

fn address(text: &str) -> Option<Address> {
    let address: SocketAddr = text.parse().expect("an address");
    Some(address.into())
}

fn on_connection(worker: &Worker, connection: ConnectionInfo) -> Stream<'_> {
    let mut stream = worker.stream();
    stream.info.connection = Rc::new(connection);
    stream
}

#[test]
fn a_refusal_names_the_policy_without_spaces() {
    let policies = format!("'b c\td': {{{ANYTHING}, {ANYONE}}}");
    let worker = Worker::new(&ROOM, &format!("{{rules: {}}}", rules("DENY", &policies)));
    let reply = answer(&mut worker.stream()).expect("refused");
    assert_eq!(reply.status, 403);
    assert_eq!(&*reply.body, b"RBAC: access denied");
    let details = "rbac_access_denied_matched_policy[b_c_d]";
    assert_eq!(reply.details, details);
    let (namespace, fields) = *reply.metadata.expect("metadata");
    assert_eq!(namespace, "envoy.filters.http.rbac");
    let text = |text: &str| Some(Value::String(text.into()));
    let policy = fields.get("enforced_effective_policy_id").cloned();
    assert_eq!(policy, text("b c\td"));
    let result = fields.get("enforced_engine_result").cloned();
    assert_eq!(result, text("denied"));
    assert_eq!(worker.stat("rbac.denied"), 1);
}

#[test]
fn rules_without_policies_allow_nothing_or_deny_nothing() {
    for (config, expected) in [
        ("{}", true),
        ("{rules: {}}", false),
        ("{rules: {action: DENY}}", true),
        ("{rules: {action: LOG}}", true),
        ("{shadow_rules: {}}", true),
    ] {
        let worker = Worker::new(&ROOM, config);
        assert_eq!(passes(worker.stream()), expected, "{config}");
    }
}

#[test]
fn the_first_policy_by_name_counts() {
    let policies = format!("b: {{{ANYTHING}, {ANYONE}}}, a: {{{ANYTHING}, {ANYONE}}}");
    let config = format!(
        "{{track_per_rule_stats: true, rules: {}}}",
        rules("ALLOW", &policies)
    );
    let worker = Worker::new(&ROOM, &config);
    assert!(passes(worker.stream()));
    assert_eq!(worker.stat("rbac.policy.a.allowed"), 1);
}

#[test]
fn values_of_a_header_are_never_joined() {
    let allow = allowing("header: {name: x-role, string_match: {safe_regex: {regex: 'a,b'}}}");
    assert!(!passes(
        allow.stream().with("x-role", "a").with("x-role", "b")
    ));
    assert!(passes(allow.stream().with("x-role", "a,b")));
    let good = "not_rule: {header: {name: x-role, string_match: {exact: evil}}}";
    let worker = allowing(good);
    assert!(passes(worker.stream().with("x-role", "good")));
    assert!(!passes(
        worker
            .stream()
            .with("x-role", "good")
            .with("x-role", "evil")
    ));
}

#[test]
fn rules_nest() {
    let worker = allowing(
        "and_rules: {rules: [{or_rules: {rules: [{header: {name: a}}, {header: {name: b}}]}}, \
         {not_rule: {and_rules: {rules: [{header: {name: c}}, {header: {name: d}}]}}}]}",
    );
    assert!(!passes(worker.stream()));
    assert!(passes(worker.stream().with("b", "")));
    assert!(passes(worker.stream().with("b", "").with("c", "")));
    assert!(!passes(
        worker.stream().with("b", "").with("c", "").with("d", "")
    ));
}

#[test]
fn each_kind_of_address_is_its_own() {
    let connection = || ConnectionInfo {
        direct_remote_address: address("10.0.0.1:1"),
        remote_address: address("10.0.0.2:1"),
        local_address: address("10.0.0.3:80"),
        ..ConnectionInfo::default()
    };
    for (kind, last) in [("direct_remote_ip", 1), ("source_ip", 2), ("remote_ip", 4)] {
        for other in 1..=4 {
            let range = format!("{kind}: {{address_prefix: 10.0.0.{other}, prefix_len: 32}}");
            let worker = allowing_whom(&range);
            let mut stream = on_connection(&worker, connection());
            stream.info.remote_address = address("10.0.0.4:1");
            assert_eq!(passes(stream), other == last, "{range}");
        }
    }
    for (permission, expected) in [
        (
            "destination_ip: {address_prefix: 10.0.0.3, prefix_len: 32}",
            true,
        ),
        (
            "destination_ip: {address_prefix: '::', prefix_len: 0}",
            false,
        ),
        ("destination_port: 80", true),
        ("destination_port: 81", false),
        ("destination_port_range: {start: 80, end: 81}", true),
        ("destination_port_range: {start: 79, end: 80}", false),
    ] {
        let worker = allowing(permission);
        let stream = on_connection(&worker, connection());
        assert_eq!(passes(stream), expected, "{permission}");
    }
}

#[test]
fn a_connection_without_addresses_or_certificates_matches_none() {
    for principal in [
        "source_ip: {address_prefix: 0.0.0.0}",
        "authenticated: {}",
        "authenticated: {principal_name: {exact: ''}}",
        "custom: {name: m, typed_config: {'@type': type.googleapis.com/envoy.extensions.rbac.\
         principals.mtls_authenticated.v3.Config, any_validated_client_certificate: true}}",
        "filter_state: {key: a, string_match: {safe_regex: {regex: '.*'}}}",
        "filter_state: {key: a, address_match: {ranges: [], invert_match: true}}",
    ] {
        assert!(!passes(allowing_whom(principal).stream()), "{principal}");
    }
    assert!(!passes(allowing("destination_port: 0").stream()));
}

#[test]
fn a_certificate_is_known_by_its_names() {
    let tls = |peer_validated| TlsInfo {
        peer_validated,
        peer: Some(Box::new(PeerCertificateInfo {
            certificate: CertificateInfo {
                subject: "CN=me".into(),
                dns_sans: vec!["*.example.com".into()],
                uri_sans: vec!["spiffe://a/b".into()],
                ..CertificateInfo::default()
            },
            ..PeerCertificateInfo::default()
        })),
        ..TlsInfo::default()
    };
    let mtls = |part: &str| {
        format!(
            "custom: {{name: m, typed_config: {{'@type': type.googleapis.com/envoy.extensions.rbac.\
             principals.mtls_authenticated.v3.Config, {part}}}}}"
        )
    };
    let named = |kind: &str, matcher: &str| {
        mtls(&format!(
            "san_matcher: {{san_type: {kind}, matcher: {{{matcher}}}}}"
        ))
    };
    for (principal, unchecked, checked) in [
        ("authenticated: {}".to_owned(), true, true),
        (
            "authenticated: {principal_name: {exact: CN=me}}".to_owned(),
            true,
            true,
        ),
        (
            "authenticated: {principal_name: {prefix: 'spiffe:'}}".to_owned(),
            true,
            true,
        ),
        (
            "authenticated: {principal_name: {exact: a.example.com}}".to_owned(),
            false,
            false,
        ),
        (mtls("any_validated_client_certificate: true"), false, true),
        (named("DNS", "exact: a.example.com"), false, true),
        (named("DNS", "prefix: a."), false, false),
        (named("URI", "suffix: /b"), false, true),
        (named("EMAIL", "suffix: /b"), false, false),
    ] {
        let worker = allowing_whom(&principal);
        for (is_checked, expected) in [(false, unchecked), (true, checked)] {
            let connection = ConnectionInfo {
                tls: Some(Arc::new(tls(is_checked))),
                ..ConnectionInfo::default()
            };
            assert_eq!(
                passes(on_connection(&worker, connection)),
                expected,
                "{principal}"
            );
        }
    }
}

#[test]
fn objects_of_the_filter_state_match_as_texts_and_addresses() {
    let worker = allowing_whom(
        "or_ids: {ids: [{filter_state: {key: a, string_match: {exact: '10.0.0.1:80'}}}, \
         {filter_state: {key: b, address_match: {ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}}]}",
    );
    let with = |worker: &Worker, key: &str, text: &str| {
        let mut stream = worker.stream();
        let object = address(text).expect("an address");
        stream.info.filter_state_mut().set(key, Box::new(object));
        passes(stream)
    };
    assert!(with(&worker, "a", "10.0.0.1:80"));
    assert!(!with(&worker, "a", "10.0.0.1:81"));
    assert!(with(&worker, "b", "10.2.0.1:1"));
    assert!(!with(&worker, "b", "11.2.0.1:1"));
    let upstream = "matcher: {name: m, typed_config: {'@type': type.googleapis.com/envoy.extensions.rbac.matchers.\
                    upstream_ip_port.v3.UpstreamIpPortMatcher, upstream_ip: {address_prefix: 10.0.0.0, \
                    prefix_len: 8}, upstream_port_range: {start: 1, end: 9}}}";
    let (worker, key) = (allowing(upstream), "envoy.stream.upstream_address");
    assert!(with(&worker, key, "10.1.1.1:9"));
    assert!(!with(&worker, key, "10.1.1.1:10"));
    assert!(!with(&worker, key, "11.1.1.1:9"));
    assert!(!with(&worker, "other", "10.1.1.1:9"));
}

#[test]
fn the_metadata_of_a_route_needs_a_route() {
    let open = "sourced_metadata: {metadata_source: ROUTE, metadata_matcher: {filter: f, path: [{key: k}], \
                value: {bool_match: true}, invert: true}}";
    let worker = allowing(open);
    assert!(!passes(worker.stream()));
    assert!(passes(worker.stream().going_to("there")));
}

#[test]
fn log_rules_leave_a_hint_and_shadow_ones_do_not() {
    let policy = format!("p: {{permissions: [{{header: {{name: a}}}}], {ANYONE}}}");
    let log = rules("LOG", &policy);
    let hint = |config: &str, header: &str| {
        let worker = Worker::new(&ROOM, config);
        let mut stream = worker.stream().with(header, "");
        assert!(answer(&mut stream).is_none());
        let metadata = stream.info.dynamic_metadata()?;
        metadata
            .value("envoy.common", &["access_log_hint".into()])
            .cloned()
    };
    let enforced = format!("{{rules: {log}}}");
    assert_eq!(hint(&enforced, "a"), Some(Value::Bool(true)));
    assert_eq!(hint(&enforced, "b"), Some(Value::Bool(false)));
    assert_eq!(hint(&format!("{{shadow_rules: {log}}}"), "a"), None);
}

#[test]
fn a_level_takes_the_chains_place_and_counts_where_the_chain_does() {
    let worker = Worker::new(
        &ROOM,
        "{rules: {}, rules_stat_prefix: chain, shadow_rules_stat_prefix: dark}",
    );
    assert!(!passes(worker.stream()));
    assert!(passes(worker.stream().on_level(&ROOM, "{}")));
    let own = format!(
        "{{rbac: {{rules: {}, shadow_rules: {{}}, rules_stat_prefix: own_}}}}",
        rules("ALLOW", &format!("p: {{{ANYTHING}, {ANYONE}}}"))
    );
    let mut stream = worker.stream().on_level(&ROOM, &own);
    assert!(answer(&mut stream).is_none());
    assert_eq!(worker.stat("rbac.chain.allowed"), 1);
    assert_eq!(worker.stat("rbac.chain.denied"), 1);
    assert_eq!(worker.stat("rbac.dark.shadow_denied"), 1);
    let metadata = stream.info.dynamic_metadata().expect("metadata");
    let fields = metadata
        .namespace("envoy.filters.http.rbac")
        .expect("fields");
    let names: Vec<_> = fields.fields().map(|(name, _)| name).collect();
    let expected = [
        "darkshadow_engine_result",
        "own_enforced_effective_policy_id",
        "own_enforced_engine_result",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_makes_no_sense_is_refused_in_envoys_words() {
    let permission = |part: &str| {
        let policy = format!("p: {{permissions: [{{{part}}}], {ANYONE}}}");
        refusal(&ROOM, &format!("{{rules: {}}}", rules("ALLOW", &policy)))
    };
    for (range, words) in [
        ("start: -1, end: 5", "range start -1 is out of bounds"),
        ("start: 1, end: 65537", "range end 65537 is out of bounds"),
        (
            "start: 7, end: 7",
            "range start 7 cannot be greater or equal than range end 7",
        ),
    ] {
        let part = format!("destination_port_range: {{{range}}}");
        assert_eq!(permission(&part), words);
    }
    assert_eq!(
        permission("destination_ip: {address_prefix: x}"),
        "Failed to create CIDR range: malformed IP address: x"
    );
    assert_eq!(
        permission("url_path: {path: {safe_regex: {regex: a}, ignore_case: true}}"),
        "ignore_case has no effect for safe_regex."
    );
    let state = "p: {permissions: [{any: true}], principals: [{filter_state: {key: a, address_match: {ranges: \
                 [{address_prefix: x, prefix_len: 3}]}}}]}";
    assert_eq!(
        refusal(&ROOM, &format!("{{rules: {}}}", rules("ALLOW", state))),
        "invalid ip/mask combo 'x/3' (format is <ip>/<# mask bits>)"
    );
    let tree = "{matcher: {matcher_tree: {input: {name: i, typed_config: {\"@type\": \
                type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput, header_name: a}}, \
                exact_match_map: {map: {b: {action: {name: a, typed_config: {\"@type\": \
                type.googleapis.com/envoy.config.rbac.v3.Action, name: denied}}}}}}}}";
    let words = refusal(&ROOM, tree);
    assert!(
        words.contains("RBAC HTTP filter cannot match on"),
        "{words}"
    );
    let condition = format!("p: {{{ANYTHING}, {ANYONE}, condition: {{}}}}");
    let condition = format!("{{rules: {}}}", rules("ALLOW", &condition));
    let words = "failed to create an expression: Invalid empty expression";
    assert_eq!(refusal(&ROOM, &condition), words);
    let level = format!("{{rbac: {condition}}}");
    let errors = parse_level(&ROOM, &level).expect_err("refused");
    assert!(errors.contains(words), "{errors}");
    let kept = "{matcher: {on_no_match: {keep_matching: true, action: {name: a, typed_config: {\"@type\": \
                type.googleapis.com/envoy.config.rbac.v3.Action, name: denied}}}}}";
    assert_eq!(
        refusal(&ROOM, kept),
        "requirement violation while creating RBAC match tree: INVALID_ARGUMENT: keep_matching is not supported in \
         this context"
    );
}
