//! What came by updates, as it stands in its sections.

use std::sync::Arc;

use super::model::{Node, Resource};
use crate::admin::state::{
    DumpedScopes, DynamicConfig, DynamicListener, DynamicSecret, RejectedConfig,
};
use nuncio_config::sorting;

/// The clusters.
pub(super) fn clusters(configs: Vec<DynamicConfig>) -> Vec<Resource> {
    let configs = configs.into_iter();
    configs
        .map(|config| resource(config, "ClustersConfigDump.DynamicCluster", "cluster"))
        .collect()
}

/// The route configurations.
pub(super) fn routes(configs: Vec<DynamicConfig>) -> Vec<Resource> {
    let configs = configs.into_iter();
    configs
        .map(|config| {
            resource(
                config,
                "RoutesConfigDump.DynamicRouteConfig",
                "route_config",
            )
        })
        .collect()
}

/// The scopes of routes.
pub(super) fn scopes(configs: Vec<(Arc<str>, DumpedScopes)>) -> Vec<Resource> {
    let configs = configs.into_iter().map(|(version, scopes)| {
        let mut fields = vec![("name", Node::Text(scopes.name.clone()))];
        let version = Some(version).filter(|version| !version.is_empty());
        fields.extend(version.map(|version| ("version_info", Node::Text(version.to_string()))));
        if !scopes.scopes.is_empty() {
            fields.push(("scoped_route_configs", Node::Anys(scopes.scopes)));
        }
        fields.push(("last_updated", Node::Time(scopes.last_updated)));
        Resource {
            name: scopes.name,
            kind: "ScopedRoutesConfigDump.DynamicScopedRouteConfigs",
            fields,
        }
    });
    configs.collect()
}

/// The listeners, and behind them what was rejected of the last update.
pub(super) fn listeners(
    listeners: Vec<DynamicListener>,
    rejected: Vec<RejectedConfig>,
) -> Vec<Resource> {
    const KIND: &str = "ListenersConfigDump.DynamicListener";
    let listeners = listeners.into_iter().map(|listener| {
        let mut fields = vec![("name", Node::Text(listener.name.clone()))];
        let active = listener.active.map(|config| fields_of(config, "listener"));
        fields.extend(active.map(|active| ("active_state", Node::Fields(active))));
        let warming = listener.warming.map(|config| fields_of(config, "listener"));
        fields.extend(warming.map(|state| ("warming_state", Node::Fields(state))));
        let draining = listener
            .draining
            .map(|config| fields_of(config, "listener"));
        fields.extend(draining.map(|state| ("draining_state", Node::Fields(state))));
        fields.extend(listener.rejected.map(error_state));
        Resource {
            name: listener.name,
            kind: KIND,
            fields,
        }
    });
    let rejected = rejected.into_iter().map(|rejected| Resource {
        name: String::new(),
        kind: KIND,
        fields: vec![error_state(rejected)],
    });
    listeners.chain(rejected).collect()
}

/// The configurations of filters.
pub(super) fn extensions(configs: Vec<DynamicConfig>) -> Vec<Resource> {
    let configs = configs.into_iter();
    configs
        .map(|config| resource(config, "EcdsConfigDump.EcdsFilterConfig", "ecds_filter"))
        .collect()
}

/// The secrets that have come, and those that have not.
pub(super) fn secrets(secrets: Vec<DynamicSecret>) -> (Vec<Resource>, Vec<Resource>) {
    let has_come = |secret: &DynamicSecret| secret.version.is_some();
    let (active, warming): (Vec<_>, Vec<_>) = secrets.into_iter().partition(has_come);
    let all = |secrets: Vec<DynamicSecret>| secrets.into_iter().map(secret).collect();
    (all(active), all(warming))
}

/// As in Envoy a secret stands behind the time of its coming.
fn secret(secret: DynamicSecret) -> Resource {
    let version = secret.version.as_deref().unwrap_or("uninitialized");
    let config = DynamicConfig {
        version: version.into(),
        config: secret.config,
    };
    let mut resource = resource(config, "SecretsConfigDump.DynamicSecret", "secret");
    let name = Node::Text(resource.name.clone());
    resource.fields.insert(0, ("name", name));
    let secret = |(field, _): &(&str, Node)| *field == "secret";
    sorting::sort_by_key(&mut resource.fields, secret);
    resource
}

fn error_state(rejected: RejectedConfig) -> (&'static str, Node) {
    let mut fields = vec![("failed_configuration", Node::Any(rejected.message))];
    let last = rejected.last_attempt;
    fields.extend(last.map(|last| ("last_update_attempt", Node::Time(last))));
    fields.push(("details", Node::Text(rejected.details)));
    ("error_state", Node::Fields(fields))
}

fn resource(config: DynamicConfig, kind: &'static str, field: &'static str) -> Resource {
    let name = config.config.message.find(&["name"]);
    Resource {
        name: name
            .and_then(|name| name.as_str())
            .unwrap_or_default()
            .to_owned(),
        kind,
        fields: fields_of(config, field),
    }
}

fn fields_of(config: DynamicConfig, field: &'static str) -> Vec<(&'static str, Node)> {
    let version = (!config.version.is_empty())
        .then(|| ("version_info", Node::Text(config.version.to_string())));
    let mut fields: Vec<_> = version.into_iter().collect();
    fields.push((field, Node::Any(config.config.message)));
    fields.push(("last_updated", Node::Time(config.config.last_updated)));
    fields
}
