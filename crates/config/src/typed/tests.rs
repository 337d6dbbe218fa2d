//! What the declarations promise, on messages of the real API.

use std::sync::Arc;
use std::time::Duration;

use nuncio_api as api;

use crate::span::Span;
use crate::tree::{Entry, Item, Message, Value};
use crate::typed::{Ctx, FromValue, Refused, Spanned, SupportTable, decode};
use crate::{enumeration, message, one_of};

message! {
    /// A cluster, as far as these tests go.
    struct Cluster: "envoy.config.cluster.v3.Cluster" {
        name: Spanned<String>,
        connect_timeout: Option<Duration>,
        lb_policy: LbPolicy,
        load_assignment: Option<Assignment>,
        per_connection_buffer_limit_bytes: Option<u32>,
        inert alt_stat_name = "tests do not count",
        oneof cluster_discovery_type: Option<DiscoveryType>,
    }
}

one_of! {
    enum DiscoveryType {
        r#type => Type(i32Enum),
    }
}

enumeration! {
    #[allow(non_camel_case_types, reason = "only to see that any name works")]
    enum i32Enum: "envoy.config.cluster.v3.Cluster.DiscoveryType" {
        STATIC => Static,
        STRICT_DNS => StrictDns,
    }
}

enumeration! {
    enum LbPolicy: "envoy.config.cluster.v3.Cluster.LbPolicy" {
        ROUND_ROBIN => RoundRobin,
        RANDOM => Random,
    }
}

message! {
    struct Assignment: "envoy.config.endpoint.v3.ClusterLoadAssignment" {
        cluster_name: String,
        checked policy: Option<()> = "an empty one changes nothing",
    }
}

message! {
    struct PathMatcher: "envoy.type.matcher.v3.PathMatcher" {
        oneof rule: PathRule,
    }
}

one_of! {
    enum PathRule {
        path => Path(Matcher),
    }
}

message! {
    struct Matcher: "envoy.type.matcher.v3.StringMatcher" {
        ignore_case: bool,
    }
}

fn span(start: usize) -> Span {
    Span::new(0, start, start + 1)
}

fn message_of(name: &str, fields: &[(&str, Value)]) -> Arc<Message> {
    let descriptor = api::message(name).unwrap();
    let entries = fields.iter().enumerate().map(|(at, (field, value))| {
        let number = descriptor.field(field).unwrap().number();
        Entry::new(number, span(10 * at), span(10 * at + 5), value.clone())
    });
    Arc::new(Message::with_entries(
        descriptor,
        span(100),
        entries.collect(),
    ))
}

fn cluster(fields: &[(&str, Value)]) -> (Result<Cluster, Refused>, Vec<(u32, String)>) {
    let mut ctx = Ctx::default();
    let outcome = decode(
        &message_of("envoy.config.cluster.v3.Cluster", fields),
        &mut ctx,
    );
    let findings = ctx
        .diagnostics
        .iter()
        .map(|found| (found.span.start, found.message.clone()));
    (outcome, findings.collect())
}

#[test]
fn declared_fields_are_read_and_absent_ones_get_their_default() {
    let assignment = message_of(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        &[("cluster_name", Value::String("b".into()))],
    );
    let (cluster, findings) = cluster(&[
        ("name", Value::String("a".into())),
        ("connect_timeout", Value::Duration(1, 500_000_000)),
        ("load_assignment", Value::Message(assignment)),
        ("type", Value::Enum(1)),
        ("alt_stat_name", Value::String("x".into())),
    ]);
    let cluster = cluster.unwrap();
    assert_eq!(findings, []);
    assert_eq!(
        (cluster.name.value.as_str(), cluster.name.span),
        ("a", span(5))
    );
    assert_eq!(cluster.connect_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(cluster.lb_policy, LbPolicy::RoundRobin);
    assert_eq!(cluster.per_connection_buffer_limit_bytes, None);
    assert_eq!(
        cluster
            .load_assignment
            .map(|assignment| assignment.cluster_name),
        Some("b".to_owned())
    );
    assert!(matches!(
        cluster.cluster_discovery_type,
        Some(DiscoveryType::Type(i32Enum::StrictDns))
    ));
}

#[test]
fn a_field_that_is_only_checked_is_honoured_as_far_as_it_passes() {
    let policy = |fields: &[(&str, Value)]| {
        let policy = message_of(
            "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
            fields,
        );
        let fields = [
            ("cluster_name", Value::String("a".into())),
            ("policy", Value::Message(policy)),
        ];
        let message = message_of("envoy.config.endpoint.v3.ClusterLoadAssignment", &fields);
        let mut ctx = Ctx::default();
        let passed = decode::<Assignment>(&message, &mut ctx).is_ok();
        (passed, ctx.diagnostics.errors())
    };
    assert_eq!(policy(&[]), (true, 0));
    assert_eq!(policy(&[("overprovisioning_factor", Value::U64(7))]).1, 1);
    let mut table = SupportTable::default();
    Assignment::support(&mut table);
    let assignment = &table.messages["envoy.config.endpoint.v3.ClusterLoadAssignment"];
    assert!(assignment.fields.contains("policy"));
}

#[test]
fn a_set_field_that_is_not_declared_is_an_error_at_its_key() {
    let (_, findings) = cluster(&[
        ("name", Value::String("a".into())),
        ("respect_dns_ttl", Value::Bool(true)),
    ]);
    let text = "field `respect_dns_ttl` of `envoy.config.cluster.v3.Cluster` is not supported by Nuncio yet";
    assert_eq!(findings, [(10, text.to_owned())]);
}

#[test]
fn a_default_written_where_protobuf_cannot_tell_it_from_nothing_passes() {
    let descriptor = api::message("envoy.config.cluster.v3.Cluster").unwrap();
    let number = descriptor.field("respect_dns_ttl").unwrap().number();
    let entry = Entry::new(number, span(0), span(5), Value::Bool(false)).mark_implicit_default();
    let mut ctx = Ctx::default();
    let message = Arc::new(Message::with_entries(descriptor, span(0), vec![entry]));
    assert!(decode::<Cluster>(&message, &mut ctx).is_ok());
    assert!(ctx.diagnostics.is_empty());
}

#[test]
fn unsupported_fields_are_warnings_when_that_is_allowed() {
    let mut ctx = Ctx::new(true);
    let message = message_of(
        "envoy.config.cluster.v3.Cluster",
        &[("respect_dns_ttl", Value::Bool(true))],
    );
    assert!(decode::<Cluster>(&message, &mut ctx).is_ok());
    assert!(!ctx.diagnostics.has_errors());
    assert_eq!(ctx.diagnostics.iter().count(), 1);
}

#[test]
fn an_enum_value_that_is_not_declared_is_refused_where_it_stands() {
    let (cluster, findings) = cluster(&[("lb_policy", Value::Enum(2))]);
    assert!(cluster.is_err());
    let text = "value `RING_HASH` of `envoy.config.cluster.v3.Cluster.LbPolicy` is not supported by Nuncio yet";
    assert_eq!(findings, [(5, text.to_owned())]);
}

#[test]
fn a_duration_that_bytes_alone_can_say_is_refused() {
    for (seconds, nanos) in [(i64::MAX, 999_999_999), (0, i32::MAX), (9_223_372_036, 0)] {
        let (cluster, findings) = cluster(&[("connect_timeout", Value::Duration(seconds, nanos))]);
        assert!(cluster.is_err());
        assert_eq!(findings[0].1, "the duration is out of range");
    }
    let longest = (
        "connect_timeout",
        Value::Duration(9_223_372_035, 999_999_999),
    );
    assert!(cluster(&[longest]).0.is_ok());
}

#[test]
fn all_errors_are_found_in_one_run() {
    let (_, findings) = cluster(&[
        ("connect_timeout", Value::Duration(-1, 0)),
        ("lb_policy", Value::Enum(2)),
        ("respect_dns_ttl", Value::Bool(true)),
    ]);
    assert_eq!(findings.len(), 3);
}

#[test]
fn a_required_oneof_that_is_missing_is_an_error_and_an_unsupported_member_is_reported_once() {
    let mut ctx = Ctx::default();
    let empty = message_of("envoy.type.matcher.v3.PathMatcher", &[]);
    assert!(decode::<PathMatcher>(&empty, &mut ctx).is_err());
    assert_eq!(
        ctx.diagnostics.iter().next().unwrap().message,
        "one of `path` is required (rule)"
    );
}

#[test]
fn the_support_table_lists_what_the_declarations_read() {
    let mut table = SupportTable::default();
    Cluster::support(&mut table);
    PathMatcher::support(&mut table);
    assert!(table.unknown.is_empty());
    let cluster = &table.messages["envoy.config.cluster.v3.Cluster"];
    assert!(cluster.fields.contains("type") && cluster.fields.contains("connect_timeout"));
    assert!(
        !cluster.fields.contains("alt_stat_name") && cluster.inert.contains_key("alt_stat_name")
    );
    assert!(
        table
            .messages
            .contains_key("envoy.type.matcher.v3.StringMatcher")
    );
    assert_eq!(
        table.enums["envoy.config.cluster.v3.Cluster.LbPolicy"]
            .values
            .len(),
        2
    );
}

#[test]
fn what_is_declared_can_be_read() {
    let matcher = message_of(
        "envoy.type.matcher.v3.StringMatcher",
        &[("ignore_case", Value::Bool(true))],
    );
    let path = message_of(
        "envoy.type.matcher.v3.PathMatcher",
        &[("path", Value::Message(matcher))],
    );
    let mut ctx = Ctx::default();
    let decoded: PathMatcher = decode(&path, &mut ctx).unwrap();
    let PathRule::Path(matcher) = decoded.rule;
    assert!(matcher.ignore_case);
    assert_eq!(matcher.span(), span(100));
}

#[test]
fn maps_and_lists_keep_the_order_of_the_text() {
    let item = |text: &str| Item {
        span: span(1),
        value: Value::String(text.into()),
    };
    let list = Value::List([item("b"), item("a")].into());
    let mut ctx = Ctx::default();
    assert_eq!(
        Vec::<String>::from_value(&list, span(0), &mut ctx),
        Ok(vec!["b".to_owned(), "a".to_owned()])
    );
    let bytes = Value::Bytes([1, 2].into());
    assert_eq!(
        Vec::<u8>::from_value(&bytes, span(0), &mut ctx),
        Ok(vec![1, 2])
    );
}
