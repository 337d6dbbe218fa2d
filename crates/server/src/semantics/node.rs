//! What concerns the process: who it is, where more configuration comes from, runtime layers.

use std::collections::HashSet;

use nuncio_config::tree::{Json, Message, Value};

use super::Checker;
use super::look::Look;
use crate::cli::Options;

/// Whether it is known who this process is; servers of configuration want to be told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Node {
    pub(super) has_id: bool,
    pub(super) has_cluster: bool,
}

impl Node {
    /// What the command line says.
    pub(crate) fn named_by(options: &Options) -> Self {
        Self {
            has_id: !options.service_node.is_empty(),
            has_cluster: !options.service_cluster.is_empty(),
        }
    }

    /// With what the bootstrap says.
    pub(super) fn and(self, bootstrap: &Message) -> Self {
        let node = bootstrap.child("node");
        let is_unclear = bootstrap.is_refused("node");
        Self {
            has_id: self.has_id || is_unclear || node.is_some_and(|node| node.has("id")),
            has_cluster: self.has_cluster
                || is_unclear
                || node.is_some_and(|node| node.has("cluster")),
        }
    }

    pub(super) fn is_known(self) -> bool {
        self.has_id && self.has_cluster
    }
}

/// The sources of all clusters and listeners; listeners are asked for later.
pub(super) fn dynamic_resources(resources: &Message, checker: &mut Checker<'_>) {
    for (field, at_once) in [("cds_config", true), ("lds_config", false)] {
        if let Some(source) = resources.child(field) {
            let outer = std::mem::replace(&mut checker.asks_at_once, at_once);
            checker.visit(source);
            checker.asks_at_once = outer;
        }
    }
}

/// A place where configuration comes from: files must be there.
pub(super) fn config_source(source: &Message, checker: &mut Checker<'_>) {
    named(source, checker);
    if let Some(server) = source.child("api_config_source")
        && checker.asks_at_once
    {
        api_source(server, checker);
    }
    let files = source
        .child("path_config_source")
        .and_then(|file| file.text("path"));
    if let Some((path, span)) = files.or(source.text("path"))
        && !std::path::Path::new(path).exists()
    {
        let text =
            format!("paths must refer to an existing path in the system: '{path}' does not exist");
        checker.error(span, text);
    }
    let watched = source
        .child("path_config_source")
        .and_then(|file| file.child("watched_directory"));
    if let Some((path, span)) = watched.and_then(|directory| directory.text("path"))
        && !std::path::Path::new(path).is_dir()
    {
        let text =
            format!("unable to add filesystem watch for file {path}/: No such file or directory");
        checker.error(span, text);
    }
}

/// Whoever is asked wants to know who asks; saying so once is enough.
pub(super) fn named(source: &Message, checker: &mut Checker<'_>) {
    if !checker.node.is_known() {
        let text = "node 'id' and 'cluster' are required. Set it either in 'node' config or via --service-node and --service-cluster options.";
        checker
            .error(source.span, text)
            .suggest("add `node: {id: ..., cluster: ...}`");
        checker.node = Node {
            has_id: true,
            has_cluster: true,
        };
    }
}

/// A server that configuration comes from: its cluster must be there from the start.
fn api_source(source: &Message, checker: &mut Checker<'_>) {
    let kind = source.choice("api_type");
    if kind.starts_with("AGGREGATED") {
        checker
            .error(
                source.place("api_type"),
                format!("Unsupported config source {kind}"),
            )
            .suggest("write `ads: {}` in place of `api_config_source`");
    }
    let services = source.children("grpc_services");
    let grpc = services.filter_map(|service| service.child("envoy_grpc")?.text("cluster_name"));
    let names: Vec<_> = source.texts("cluster_names").chain(grpc).collect();
    for (name, span) in names {
        if !checker.clusters.may_be_primary(name) {
            let text = format!(
                "envoy.config.core.v3.ApiConfigSource must have a statically defined non-EDS cluster: '{name}' does not exist, was added via api, or is an EDS cluster"
            );
            checker.error(span, text);
        }
    }
}

/// The server of all dynamic resources wants to know who asks.
pub(super) fn ads(bootstrap: &Message, checker: &mut Checker<'_>) {
    let resources = bootstrap.child("dynamic_resources");
    if let Some(ads) = resources.and_then(|resources| resources.child("ads_config")) {
        named(ads, checker);
        for service in ads.children("grpc_services") {
            let grpc = service.child("envoy_grpc");
            if let Some((name, span)) = grpc.and_then(|grpc| grpc.text("cluster_name")) {
                checker.unknown_cluster(
                    span,
                    name,
                    format!("Unknown gRPC client cluster '{name}'"),
                );
            }
        }
    }
}

/// A value of runtime is a scalar, or a map that says more about one.
fn static_values(layer: &Message, checker: &mut Checker<'_>) {
    let Some(entry) = layer.get_by_name("static_layer") else {
        return;
    };
    let Value::Json(json) = &entry.value else {
        return;
    };
    let Json::Object(members) = &**json else {
        return;
    };
    let is_wrong = |value: &Json| matches!(value, Json::Null | Json::List(_));
    for (name, _) in members.iter().filter(|(_, value)| is_wrong(value)) {
        checker.error(
            entry.span,
            format!("Invalid runtime entry value for {name}"),
        );
    }
}

/// Formats of the application's log that JSON has no place for.
pub(super) fn application_log(bootstrap: &Message, checker: &mut Checker<'_>) {
    let config = bootstrap.child("application_log_config");
    let format = config.and_then(|config| config.child("log_format"));
    let Some(json) = format.and_then(|format| format.get_by_name("json_format")) else {
        return;
    };
    let Value::Json(members) = &json.value else {
        return;
    };
    let Json::Object(members) = &**members else {
        return;
    };
    for flag in ["%v", "%_"] {
        let uses = |value: &Json| matches!(value, Json::String(text) if text.contains(flag));
        if members.iter().any(|(_, value)| uses(value)) {
            let text = format!(
                "setJsonLogFormat error: INVALID_ARGUMENT: Usage of {flag} is unavailable for JSON log formats"
            );
            checker.error(json.span, text);
        }
    }
}

/// Layers of runtime: names once, and one admin layer at most.
pub(super) fn runtime_layers(bootstrap: &Message, checker: &mut Checker<'_>) {
    let Some(runtime) = bootstrap.child("layered_runtime") else {
        return;
    };
    let mut names = HashSet::new();
    let mut has_admin = false;
    for layer in runtime.children("layers") {
        static_values(layer, checker);
        if let Some((name, span)) = layer.text("name")
            && !names.insert(name)
        {
            checker.error(span, format!("Duplicate layer name: {name}"));
        }
        if layer.has("admin_layer") && std::mem::replace(&mut has_admin, true) {
            let text =
                "Too many admin layers specified in LayeredRuntime, at most one may be specified";
            checker.error(layer.key_place("admin_layer"), text);
        }
    }
}

/// Where spans go: a service, or a cluster and a path, of which Envoy asks for both.
pub(super) fn zipkin(config: &Message, checker: &mut Checker<'_>) {
    let given = |field: &str| {
        let text = config.text(field);
        text.is_some_and(|(text, _)| !text.is_empty()) || config.is_refused(field)
    };
    if let Some((name, span)) = config.text("collector_cluster")
        && !config.has("collector_service")
        && !name.is_empty()
    {
        let text = format!("envoy.tracers.zipkin: unknown cluster '{name}'");
        checker.unknown_cluster(span, name, text);
    }
    let by_cluster = given("collector_cluster") && given("collector_endpoint");
    if !config.has("collector_service") && !by_cluster {
        let text = "collector_cluster and collector_endpoint must be specified when not using collector_service";
        let missing = ["collector_cluster", "collector_endpoint"]
            .into_iter()
            .find(|field| !given(field));
        let span = missing.map_or(config.span, |field| config.place(field));
        checker.error(span, text);
    }
}

/// The agent's cluster.
pub(super) fn datadog(config: &Message, checker: &mut Checker<'_>) {
    if let Some((name, span)) = config.text("collector_cluster")
        && !name.is_empty()
    {
        let text = format!("envoy.tracers.datadog: unknown cluster '{name}'");
        checker.unknown_cluster(span, name, text);
    }
}
