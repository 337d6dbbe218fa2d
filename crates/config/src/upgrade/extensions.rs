//! Where extensions are configured: old names, untyped `config`, and configuration that v3 needs spelt out.

use super::edit;
use super::names::{self, Category};
use super::walk::Upgrader;
use crate::span::Span;
use crate::text::{Entry, Kind, Node};

const ANY_OF_STRUCT: &str = "type.googleapis.com/google.protobuf.Struct";

/// Upgrades an extension's `name`, `config` and `typed_config`, or the maps of such, in a v3 message.
pub(super) fn upgrade(upgrader: &mut Upgrader<'_>, message: &str, entries: &mut Vec<Entry>) {
    if let Some(category) = category(upgrader, message) {
        named(upgrader, category, entries);
        return;
    }
    match message {
        "envoy.config.route.v3.VirtualHost"
        | "envoy.config.route.v3.Route"
        | "envoy.config.route.v3.WeightedCluster.ClusterWeight" => {
            keyed(
                upgrader,
                Category::HttpPerRoute,
                entries,
                "per_filter_config",
                "typed_per_filter_config",
            );
        }
        "envoy.config.cluster.v3.Cluster" => {
            let new = "typed_extension_protocol_options";
            keyed(
                upgrader,
                Category::ProtocolOptions,
                entries,
                "extension_protocol_options",
                new,
            );
        }
        "envoy.config.core.v3.Metadata" => metadata(upgrader, entries),
        _ => {}
    }
}

fn category(upgrader: &Upgrader<'_>, message: &str) -> Option<Category> {
    let category = match message {
        "envoy.config.listener.v3.Filter" => Category::Network,
        "envoy.config.listener.v3.ListenerFilter" => Category::Listener,
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter" => Category::Http,
        "envoy.config.accesslog.v3.AccessLog" => Category::AccessLog,
        "envoy.config.core.v3.TransportSocket" if upgrader.downstream => Category::DownstreamSocket,
        "envoy.config.core.v3.TransportSocket" => Category::UpstreamSocket,
        "envoy.config.trace.v3.Tracing.Http" => Category::Tracer,
        "envoy.config.metrics.v3.StatsSink" => Category::StatsSink,
        "envoy.config.core.v3.HealthCheck.CustomHealthCheck" => Category::HealthChecker,
        "envoy.config.route.v3.RetryPolicy.RetryHostPredicate" => Category::RetryHost,
        "envoy.config.route.v3.RetryPolicy.RetryPriority" => Category::RetryPriority,
        "envoy.config.overload.v3.ResourceMonitor" => Category::ResourceMonitor,
        "envoy.extensions.filters.network.thrift_proxy.v3.ThriftFilter" => Category::Thrift,
        "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.MetadataCredentialsFromPlugin" => {
            Category::GrpcCredentials
        }
        _ => return None,
    };
    Some(category)
}

fn named(upgrader: &mut Upgrader<'_>, category: Category, entries: &mut Vec<Entry>) {
    let written = edit::text(entries, "name").to_owned();
    let name = names::canonical(category, &written);
    if name != written
        && let Some(node) = edit::find_mut(entries, "name")
    {
        upgrader.changed(node.span, "name", format!("`{written}` is called `{name}`"));
        node.kind = Kind::Str(name.into());
    }
    let name = name.to_owned();
    let Some(v3_type) = names::message(category, &name) else {
        return;
    };
    if let Some(config) = edit::take_message(entries, "config") {
        upgrader.changed(
            config.key_span,
            "config",
            format!("moved to `typed_config` of type `{v3_type}`"),
        );
        edit::insert(
            entries,
            config.at,
            "typed_config",
            config.key_span,
            typed(v3_type, config.value),
        );
    } else if let Some(any) = edit::find_mut(entries, "typed_config") {
        if let Some(inside) = opaque(any) {
            upgrader.changed(
                any.span,
                "typed_config",
                format!("given its type `{v3_type}`"),
            );
            *any = typed(v3_type, inside);
        }
    } else {
        add_type(upgrader, v3_type, entries);
    }
}

/// Gives a known extension without a configuration the empty one of its type.
pub(super) fn complete(upgrader: &mut Upgrader<'_>, message: &str, entries: &mut Vec<Entry>) {
    let name = edit::text(entries, "name").to_owned();
    let Some(category) = category(upgrader, message) else {
        return;
    };
    let Some(v3_type) = names::message(category, names::canonical(category, &name)) else {
        return;
    };
    match edit::find_mut(entries, "typed_config") {
        None => add_type(upgrader, v3_type, entries),
        Some(any) if is_empty(any) => {
            upgrader.changed(
                any.span,
                "typed_config",
                format!("given its type `{v3_type}`"),
            );
            *any = typed(v3_type, edit::map(any.span, Vec::new()));
        }
        Some(_) => {}
    }
}

fn add_type(upgrader: &mut Upgrader<'_>, v3_type: &str, entries: &mut Vec<Entry>) {
    let others = [
        "config_discovery",
        "config",
        "hidden_envoy_deprecated_config",
    ];
    if others.iter().any(|other| edit::has(entries, other)) {
        return;
    }
    let span = edit::find(entries, "name").map_or(Span::NONE, |entry| entry.value.span);
    upgrader.changed(
        span,
        "typed_config",
        format!("added, with type `{v3_type}`"),
    );
    edit::insert(
        entries,
        entries.len(),
        "typed_config",
        Span::NONE,
        typed(v3_type, edit::map(span, Vec::new())),
    );
}

/// A map of untyped configurations by extension name becomes one of typed ones.
fn keyed(
    upgrader: &mut Upgrader<'_>,
    category: Category,
    entries: &mut Vec<Entry>,
    old: &str,
    new: &str,
) {
    if let Some(taken) = edit::take(entries, old) {
        upgrader.changed(taken.key_span, old, format!("moved to `{new}`, with types"));
        let mut node = taken.value;
        if let Some(members) = node.entries_mut() {
            for member in members {
                let name = names::canonical(category, &member.key);
                if let Some(v3_type) =
                    names::message(category, name).filter(|_| member.value.entries().is_some())
                {
                    let value = std::mem::replace(&mut member.value, edit::string(""));
                    member.value = typed(v3_type, value);
                }
            }
        }
        edit::insert(entries, taken.at, new, taken.key_span, node);
    }
    let Some(members) = edit::find_mut(entries, new).and_then(Node::entries_mut) else {
        return;
    };
    for member in members {
        let name = names::canonical(category, &member.key).to_owned();
        if *name != *member.key {
            upgrader.changed(
                member.key_span,
                new,
                format!("`{}` is called `{name}`", member.key),
            );
            member.key = name.clone().into();
        }
        if let (Some(inside), Some(v3_type)) =
            (opaque(&mut member.value), names::message(category, &name))
        {
            upgrader.changed(
                member.value.span,
                new,
                format!("given its type `{v3_type}`"),
            );
            member.value = typed(v3_type, inside);
        }
    }
}

/// Metadata for a filter stands under the filter's name.
fn metadata(upgrader: &mut Upgrader<'_>, entries: &mut [Entry]) {
    let Some(members) = edit::find_mut(entries, "filter_metadata").and_then(Node::entries_mut)
    else {
        return;
    };
    for member in members {
        let name = names::canonical(Category::Http, &member.key);
        if *name != *member.key {
            upgrader.changed(
                member.key_span,
                "filter_metadata",
                format!("`{}` is called `{name}`", member.key),
            );
            member.key = name.into();
        }
    }
}

fn is_empty(any: &Node) -> bool {
    matches!(any.kind, Kind::Null) || any.entries().is_some_and(<[Entry]>::is_empty)
}

/// What is inside an `Any` of a bare structure, which v2 took in place of the typed message, or of nothing.
fn opaque(any: &mut Node) -> Option<Node> {
    if is_empty(any) {
        return Some(edit::map(any.span, Vec::new()));
    }
    let entries = any.entries_mut()?;
    if edit::text(entries, "@type") != ANY_OF_STRUCT {
        return None;
    }
    edit::take_message(entries, "value").map(|taken| taken.value)
}

/// A configuration with its type.
fn typed(v3_type: &str, config: Node) -> Node {
    let span = config.span;
    let url = edit::string(&format!("type.googleapis.com/{v3_type}"));
    let mut node = edit::map(span, vec![("@type", url)]);
    if let (Kind::Map(members), Some(entries)) = (config.kind, node.entries_mut()) {
        entries.extend(members.into_iter().filter(|member| &*member.key != "@type"));
    }
    node
}
