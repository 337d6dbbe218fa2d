//! Clusters: `hosts`, load balancing policies, health checks.

use crate::span::Span;
use crate::text::{Entry, Kind, Node};
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

/// `hosts` becomes a `load_assignment` of one locality.
pub(super) fn hosts(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if edit::has(entries, "load_assignment") {
        return;
    }
    let Some(taken) = edit::take(entries, "hosts") else {
        return;
    };
    upgrader.changed(taken.key_span, "hosts", "moved to `load_assignment`");
    let name = edit::text(entries, "name").to_owned();
    let (at, key_span, span) = (taken.at, taken.key_span, taken.value.span);
    let endpoints = taken.into_items().into_iter().map(|address| {
        let span = address.span;
        edit::map(
            span,
            vec![("endpoint", edit::map(span, vec![("address", address)]))],
        )
    });
    let locality = edit::map(
        span,
        vec![("lb_endpoints", edit::list(span, endpoints.collect()))],
    );
    let assignment = edit::map(
        span,
        vec![
            ("cluster_name", edit::string(&name)),
            ("endpoints", edit::list(span, vec![locality])),
        ],
    );
    edit::insert(entries, at, "load_assignment", key_span, assignment);
}

/// The policy `ORIGINAL_DST_LB` is the cluster's own.
pub(super) fn original_dst_lb(upgrader: &mut Upgrader<'_>, entries: &mut [Entry]) {
    let Some(node) = edit::find_mut(entries, "lb_policy") else {
        return;
    };
    if node.as_str() == Some("ORIGINAL_DST_LB") {
        upgrader.changed(
            node.span,
            "lb_policy",
            "`ORIGINAL_DST_LB` is called `CLUSTER_PROVIDED`",
        );
        node.kind = Kind::Str("CLUSTER_PROVIDED".into());
    }
}

/// A policy's name and configuration stand together in v3.
pub(super) fn policy(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(name) = edit::take(entries, "name") else {
        return;
    };
    upgrader.changed(name.key_span, "name", "moved to `typed_extension_config`");
    let mut fields = vec![("name", name.value)];
    fields.extend(edit::take(entries, "typed_config").map(|config| ("typed_config", config.value)));
    edit::insert(
        entries,
        name.at,
        "typed_extension_config",
        name.key_span,
        edit::map(Span::NONE, fields),
    );
}

/// `service_name` matched a prefix, and `use_http2` chose the codec.
pub(super) fn http_health_check(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if let Some(taken) = edit::take(entries, "service_name") {
        upgrader.changed(
            taken.key_span,
            "service_name",
            "moved to `service_name_matcher`",
        );
        let matcher = edit::map(taken.value.span, vec![("prefix", taken.value)]);
        edit::insert(
            entries,
            taken.at,
            "service_name_matcher",
            taken.key_span,
            matcher,
        );
    }
    if let Some(taken) = edit::take(entries, "use_http2") {
        upgrader.changed(taken.key_span, "use_http2", "moved to `codec_client_type`");
        if taken.is_true() {
            edit::insert(
                entries,
                taken.at,
                "codec_client_type",
                taken.key_span,
                edit::string("HTTP2"),
            );
        }
    }
}

/// Not to overprovision is a factor of 100%.
pub(super) fn disable_overprovisioning(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(taken) = edit::take(entries, "disable_overprovisioning") else {
        return;
    };
    upgrader.changed(
        taken.key_span,
        "disable_overprovisioning",
        "moved to `overprovisioning_factor`",
    );
    if taken.is_true() {
        edit::take(entries, "overprovisioning_factor");
        edit::insert(
            entries,
            taken.at,
            "overprovisioning_factor",
            taken.key_span,
            edit::number(100),
        );
    }
}

/// The clusters of a gRPC source are its services.
pub(super) fn api_cluster_names(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if edit::text(entries, "api_type") != "GRPC" || edit::has(entries, "grpc_services") {
        return;
    }
    let Some(taken) = edit::take(entries, "cluster_names") else {
        return;
    };
    upgrader.changed(taken.key_span, "cluster_names", "moved to `grpc_services`");
    let (at, key_span, span) = (taken.at, taken.key_span, taken.value.span);
    let service = |name: Node| {
        let inner = edit::map(name.span, vec![("cluster_name", name)]);
        edit::map(inner.span, vec![("envoy_grpc", inner)])
    };
    let services = taken.into_items().into_iter().map(service).collect();
    edit::insert(
        entries,
        at,
        "grpc_services",
        key_span,
        edit::list(span, services),
    );
}

/// Of several health checks, each must have a name in v3.
pub(super) fn health_check_names(upgrader: &mut Upgrader<'_>, entries: &mut [Entry]) {
    let Some(Kind::List(checks)) =
        edit::find_mut(entries, "health_checks").map(|node| &mut node.kind)
    else {
        return;
    };
    if checks.len() < 2 {
        return;
    }
    for (index, check) in checks.iter_mut().enumerate() {
        let span = check.span;
        let Some(fields) = check
            .entries_mut()
            .filter(|fields| !edit::has(fields, "name"))
        else {
            continue;
        };
        upgrader.changed(
            span,
            &format!("health_checks[{index}].name"),
            "added: one of several must have a name",
        );
        edit::insert(
            fields,
            0,
            "name",
            Span::NONE,
            edit::string(&format!("health_check_{index}")),
        );
    }
}
