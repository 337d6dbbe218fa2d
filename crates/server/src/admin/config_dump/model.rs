//! The dump as sections of fields, before anything is picked or printed.

use std::sync::Arc;
use std::time::SystemTime;

use nuncio_api as api;
use nuncio_config::tree::{Message, Value};
use nuncio_contract::matching::CompiledRegex;

use super::{dynamic, endpoints};
use crate::admin::json::Json;
use crate::admin::state::{AdminState, ClusterHandle, DumpedConfig, DumpedScopes, DynamicSecret};

/// One of the messages `envoy.admin.v3.*ConfigDump`.
pub(super) struct Section {
    pub(super) kind: &'static SectionKind,
    /// The fields that are set.
    pub(super) fields: Vec<(&'static str, Node)>,
    /// The lists that are not empty.
    pub(super) lists: Vec<(&'static str, Vec<Resource>)>,
}

/// What a section may hold.
pub(super) struct SectionKind {
    pub(super) name: &'static str,
    pub(super) fields: &'static [&'static str],
    pub(super) lists: &'static [&'static str],
}

/// An element of a list.
pub(super) struct Resource {
    /// The name that `name_regex` looks at.
    pub(super) name: String,
    /// The message, as it stands below `envoy.admin.v3.`.
    pub(super) kind: &'static str,
    pub(super) fields: Vec<(&'static str, Node)>,
}

/// The value of a field.
pub(super) enum Node {
    /// A message.
    Message(Arc<Message>),
    /// A message in an `Any`.
    Any(Arc<Message>),
    /// The hosts of a cluster as a message in an `Any`, read when they are printed.
    Endpoints(Arc<dyn ClusterHandle>),
    /// A message in an `Any` that is made here, as JSON without its type.
    JsonAny(&'static str, Json),
    /// Messages, each in an `Any`.
    Anys(Vec<Arc<Message>>),
    /// A text.
    Text(String),
    /// A time.
    Time(SystemTime),
    /// A message that is made here.
    Fields(Vec<(&'static str, Node)>),
}

/// The kinds in the order of their keys in Envoy.
const BOOTSTRAP: &SectionKind = &SectionKind {
    name: "BootstrapConfigDump",
    fields: &["bootstrap", "last_updated"],
    lists: &[],
};
const CLUSTERS: &SectionKind = &SectionKind {
    name: "ClustersConfigDump",
    fields: &["version_info"],
    lists: &[
        "static_clusters",
        "dynamic_active_clusters",
        "dynamic_warming_clusters",
    ],
};
pub(super) const ENDPOINTS: &SectionKind = &SectionKind {
    name: "EndpointsConfigDump",
    fields: &[],
    lists: &["static_endpoint_configs", "dynamic_endpoint_configs"],
};
const LISTENERS: &SectionKind = &SectionKind {
    name: "ListenersConfigDump",
    fields: &["version_info"],
    lists: &["static_listeners", "dynamic_listeners"],
};
const SCOPED_ROUTES: &SectionKind = &SectionKind {
    name: "ScopedRoutesConfigDump",
    fields: &[],
    lists: &[
        "inline_scoped_route_configs",
        "dynamic_scoped_route_configs",
    ],
};
const ROUTES: &SectionKind = &SectionKind {
    name: "RoutesConfigDump",
    fields: &[],
    lists: &["static_route_configs", "dynamic_route_configs"],
};
const ECDS: &SectionKind = &SectionKind {
    name: "EcdsConfigDump",
    fields: &[],
    lists: &["ecds_filters"],
};
const SECRETS: &SectionKind = &SectionKind {
    name: "SecretsConfigDump",
    fields: &[],
    lists: &[
        "static_secrets",
        "dynamic_active_secrets",
        "dynamic_warming_secrets",
    ],
};

/// All sections.
pub(super) fn sections(state: &dyn AdminState, include_eds: bool) -> Vec<Section> {
    let dump = state.config_dump();
    let bootstrap = vec![
        ("bootstrap", Node::Message(dump.bootstrap.message)),
        ("last_updated", Node::Time(dump.bootstrap.last_updated)),
    ];
    let all = |configs: Vec<DumpedConfig>, kind, field| -> Vec<Resource> {
        configs
            .into_iter()
            .map(|config| static_resource(config, kind, field))
            .collect()
    };
    let dynamic = dump.dynamic;
    let clusters = all(
        dump.static_clusters,
        "ClustersConfigDump.StaticCluster",
        "cluster",
    );
    let listeners = all(
        dump.static_listeners,
        "ListenersConfigDump.StaticListener",
        "listener",
    );
    let routes = all(
        dump.static_route_configs,
        "RoutesConfigDump.StaticRouteConfig",
        "route_config",
    );
    let scopes = dump.inline_scopes.into_iter().map(inline_scopes).collect();
    let mut sections = vec![
        Section {
            kind: BOOTSTRAP,
            fields: bootstrap,
            lists: Vec::new(),
        },
        list(CLUSTERS, "static_clusters", clusters)
            .with_version(dynamic.clusters_version)
            .with(
                "dynamic_active_clusters",
                dynamic::clusters(dynamic.clusters),
            )
            .with(
                "dynamic_warming_clusters",
                dynamic::clusters(dynamic.warming_clusters),
            ),
    ];
    if let Some(configs) = dynamic.extension_configs {
        sections.push(list(ECDS, "ecds_filters", dynamic::extensions(configs)));
    }
    if include_eds {
        sections.push(endpoints::section(state.cluster_handles()));
    }
    let of_updates = dynamic::listeners(dynamic.listeners, dynamic.rejected_listeners);
    let listeners = list(LISTENERS, "static_listeners", listeners)
        .with_version(dynamic.listeners_version)
        .with("dynamic_listeners", of_updates);
    sections.push(listeners);
    if dump.has_managers {
        let of_updates = dynamic::routes(dynamic.route_configs);
        let of_scopes = dynamic::scopes(dynamic.scope_configs);
        sections.extend([
            list(SCOPED_ROUTES, "inline_scoped_route_configs", scopes)
                .with("dynamic_scoped_route_configs", of_scopes),
            list(ROUTES, "static_route_configs", routes).with("dynamic_route_configs", of_updates),
        ]);
    }
    sections.push(secrets(dump.static_secrets, dynamic.secrets));
    sections
}

fn secrets(of_bootstrap: Vec<DumpedConfig>, of_updates: Vec<DynamicSecret>) -> Section {
    let (active, warming) = dynamic::secrets(of_updates);
    let secrets = of_bootstrap.into_iter().map(static_secret).collect();
    list(SECRETS, "static_secrets", secrets)
        .with("dynamic_active_secrets", active)
        .with("dynamic_warming_secrets", warming)
}

fn list(kind: &'static SectionKind, name: &'static str, resources: Vec<Resource>) -> Section {
    let section = Section {
        kind,
        fields: Vec::new(),
        lists: Vec::new(),
    };
    section.with(name, resources)
}

fn static_resource(config: DumpedConfig, kind: &'static str, field: &'static str) -> Resource {
    let name = config
        .message
        .find(&["name"])
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let updated = Node::Time(config.last_updated);
    Resource {
        name,
        kind,
        fields: vec![
            (field, Node::Any(config.message)),
            ("last_updated", updated),
        ],
    }
}

fn inline_scopes(scopes: DumpedScopes) -> Resource {
    Resource {
        name: scopes.name.clone(),
        kind: "ScopedRoutesConfigDump.InlineScopedRouteConfigs",
        fields: vec![
            ("name", Node::Text(scopes.name)),
            ("scoped_route_configs", Node::Anys(scopes.scopes)),
            ("last_updated", Node::Time(scopes.last_updated)),
        ],
    }
}

/// A secret stands with its name and, as in Envoy, without a time; what is sensitive in it is redacted when it is
/// printed.
fn static_secret(config: DumpedConfig) -> Resource {
    let mut resource = static_resource(config, "SecretsConfigDump.StaticSecret", "secret");
    resource.fields.retain(|(field, _)| *field == "secret");
    let name = Node::Text(resource.name.clone());
    resource.fields.insert(0, ("name", name));
    resource
}

impl Node {
    /// The type of the message in an `Any`.
    pub(super) fn message_in_any(&self) -> Option<api::Message> {
        match self {
            Node::Any(message) => Some(message.descriptor),
            Node::JsonAny(name, _) => api::message(name),
            Node::Endpoints(_) => api::message(endpoints::MESSAGE),
            _ => None,
        }
    }
}

impl Section {
    fn with_version(mut self, version: Option<Arc<str>>) -> Self {
        let version = version.filter(|version| !version.is_empty());
        let field = version.map(|version| ("version_info", Node::Text(version.to_string())));
        self.fields.extend(field);
        self
    }

    pub(super) fn with(mut self, name: &'static str, resources: Vec<Resource>) -> Self {
        if !resources.is_empty() {
            self.lists.push((name, resources));
        }
        self
    }

    /// Leaves only resources whose name matches.
    pub(super) fn keep_names(&mut self, names: &CompiledRegex) {
        for (_, resources) in &mut self.lists {
            resources.retain(|resource| names.is_full_match(resource.name.as_bytes()));
        }
        self.lists.retain(|list| !list.1.is_empty());
    }
}
