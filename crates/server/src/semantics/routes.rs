//! Route tables: domains, the clusters that routes name, and actions that contradict themselves.

use std::collections::HashSet;

use nuncio_config::span::Span;
use nuncio_config::tree::{Any, Message};

use super::look::Look;
use super::{Checker, domains, templates};

const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";

/// A route table.
pub(super) fn table(table: &Message, checker: &mut Checker<'_>) {
    domains::unique(table, checker);
    let validates = table
        .get_by_name("validate_clusters")
        .map(|entry| &entry.value);
    checker.validate_clusters = match validates {
        Some(nuncio_config::tree::Value::Bool(validates)) => *validates,
        _ => checker.validates_clusters_by_default,
    };
    removed_headers(table, checker);
    per_filter(table, checker);
}

/// A virtual host.
pub(super) fn virtual_host(host: &Message, checker: &mut Checker<'_>) {
    if host.has("matcher") && host.has("routes") {
        let text = "cannot set both matcher and routes on virtual host";
        checker.error(host.key_place("matcher"), text);
    }
    removed_headers(host, checker);
    per_filter(host, checker);
}

/// A route.
pub(super) fn route(route: &Message, checker: &mut Checker<'_>) {
    templates::route(route, checker);
    removed_headers(route, checker);
    per_filter(route, checker);
}

/// What a request has to be like.
pub(super) fn condition(condition: &Message, checker: &mut Checker<'_>) {
    if let Some(policy) = condition.child("path_match_policy") {
        checker.extension("envoy.path.match", policy);
    }
}

/// A route's forwarding.
pub(super) fn action(action: &Message, checker: &mut Checker<'_>) {
    if let Some(policy) = action.child("path_rewrite_policy") {
        checker.extension("envoy.path.rewrite", policy);
    }
    if checker.validate_clusters
        && let Some((name, span)) = action.text("cluster")
    {
        checker.unknown_cluster(span, name, format!("route: unknown cluster '{name}'"));
    }
    let rewrites = ["prefix_rewrite", "regex_rewrite", "path_rewrite_policy"];
    let mut set = rewrites.into_iter().filter(|field| {
        let entry = action.get_by_name(field);
        entry.is_some_and(|entry| !entry.is_implicit_default())
    });
    if let (Some(_), Some(second)) = (set.next(), set.next()) {
        let text = "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy";
        checker.error(action.key_place(second), text);
    }
    let mut upgrades = HashSet::new();
    for upgrade in action.children("upgrade_configs") {
        let Some((kind, span)) = upgrade.text("upgrade_type") else {
            continue;
        };
        let lower = kind.to_ascii_lowercase();
        if upgrade.has("connect_config") && !matches!(&*lower, "connect" | "connect-udp") {
            let text = format!("Non-CONNECT upgrade type {kind} has ConnectConfig");
            checker.error(span, text);
        }
        if !upgrades.insert(lower) {
            checker.error(span, format!("Duplicate upgrade {kind}"));
        }
    }
    if let Some(policy) = action.child("early_data_policy") {
        checker.extension("envoy.route.early_data_policy", policy);
    }
    if let Some(policy) = action.child("retry_policy") {
        retries(policy, checker);
    }
}

fn retries(policy: &Message, checker: &mut Checker<'_>) {
    if let Some(back_off) = policy.child("retry_back_off")
        && let (Some(base), Some(most)) = (
            back_off.duration("base_interval"),
            back_off.duration("max_interval"),
        )
        && most < base
    {
        let text = "retry_policy.max_interval must greater than or equal to the base_interval";
        checker.error(back_off.place("max_interval"), text);
    }
    for predicate in policy.children("retry_host_predicate") {
        checker.extension("envoy.retry_host_predicates", predicate);
    }
    for predicate in policy.children("retry_options_predicates") {
        checker.extension("envoy.retry_options_predicates", predicate);
    }
}

/// Clusters that share the requests.
pub(super) fn weighted(weighted: &Message, checker: &mut Checker<'_>) {
    let mut total: u64 = 0;
    let mut is_clear = !weighted.has_refused_items("clusters");
    for cluster in weighted.children("clusters") {
        removed_headers(cluster, checker);
        per_filter(cluster, checker);
        is_clear &= cluster.number("weight").is_some();
        if !cluster.has("weight") {
            let name = cluster.text("name").map_or("", |(name, _)| name);
            let text = format!("Field 'weight' is missing in: name: \"{name}\"");
            checker
                .error(cluster.span, text)
                .suggest("give each cluster a `weight`");
        }
        total = total.saturating_add(cluster.number("weight").unwrap_or(0));
        match (cluster.text("name"), cluster.has("cluster_header")) {
            (Some(_), true) => {
                let text = "Only one of name or cluster_header can be specified";
                checker.error(cluster.key_place("cluster_header"), text);
            }
            (None, false) if !cluster.has("name") => {
                let text = "At least one of name or cluster_header need to be specified";
                checker.error(cluster.span, text);
            }
            (Some((name, span)), false) if checker.validate_clusters => {
                let text = format!("route: unknown weighted cluster '{name}'");
                checker.unknown_cluster(span, name, text);
            }
            _ => {}
        }
    }
    let place = weighted.place("clusters");
    if total == 0 && is_clear && weighted.has("clusters") {
        let text = "Sum of weights in the weighted_cluster must be greater than 0.";
        checker.error(place, text);
    } else if total > u64::from(u32::MAX) {
        let text = "The sum of weights of all weighted clusters of route exceeds 4294967295";
        checker.error(place, text);
    }
}

/// Where copies of requests go.
pub(super) fn mirror(policy: &Message, checker: &mut Checker<'_>) {
    if checker.validate_clusters
        && let Some((name, span)) = policy.text("cluster")
    {
        checker.unknown_cluster(
            span,
            name,
            format!("route: unknown shadow cluster '{name}'"),
        );
    }
}

fn removed_headers(level: &Message, checker: &mut Checker<'_>) {
    for field in ["request_headers_to_remove", "response_headers_to_remove"] {
        for (name, span) in level.texts(field) {
            if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
                checker.error(span, ":-prefixed or host headers may not be removed");
            }
        }
    }
}

fn per_filter(level: &Message, checker: &mut Checker<'_>) {
    for item in level.map_items("typed_per_filter_config") {
        let nuncio_config::tree::Value::Any(any) = &item.value else {
            continue;
        };
        if any.type_name() == FILTER_CONFIG {
            wrapped(&item.key, any, item.span, checker);
        } else {
            one_filter(&item.key, any, item.span, checker);
        }
    }
}

fn wrapped(name: &str, any: &Any, span: Span, checker: &mut Checker<'_>) {
    let wrapper = &any.message;
    match wrapper.any("config") {
        Some(_) if wrapper.is_true("is_optional") => {}
        Some((inner, span)) if !inner.type_name().is_empty() => {
            one_filter(name, inner, span, checker);
        }
        Some(_) => {}
        _ if wrapper.is_true("disabled") || wrapper.is_refused("config") => {}
        _ => {
            let text =
                format!("Empty route/virtual host per filter configuration for {name} filter");
            checker.error(span, text);
        }
    }
}

fn one_filter(name: &str, any: &Any, span: Span, checker: &mut Checker<'_>) {
    if any.type_name().is_empty() {
        let text =
            format!("Didn't find a registered implementation for '{name}' with type URL: ''");
        checker.error(span, text);
        return;
    }
    checker.registered("envoy.filters.http", name, any, span);
}
