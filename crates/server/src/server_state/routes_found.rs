//! The route configurations that stand inside of listeners, for `/config_dump`.

use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::tree::{Message, Value};

use crate::admin::state::DumpedScopes;

const ROUTE_CONFIGURATION: &str = "envoy.config.route.v3.RouteConfiguration";
const CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const SCOPED_ROUTES: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes";

/// The route configurations inside of the connection managers of a listener.
#[derive(Default)]
pub(super) struct RoutesFound {
    pub(super) tables: Vec<Arc<Message>>,
    /// Those of scopes, which are told by their scopes.
    pub(super) scoped: Vec<Arc<Message>>,
    /// Whether there is a connection manager.
    pub(super) has_managers: bool,
}

impl RoutesFound {
    pub(super) fn of(tree: &Message) -> Self {
        let mut found = RoutesFound::default();
        found.collect(tree);
        found
    }

    fn collect(&mut self, message: &Message) {
        for entry in message.entries() {
            self.collect_value(&entry.value);
        }
    }

    fn collect_value(&mut self, value: &Value) {
        match value {
            Value::Message(message) => match message.name() {
                ROUTE_CONFIGURATION => self.tables.push(Arc::clone(message)),
                SCOPED_ROUTES => self.scoped.push(Arc::clone(message)),
                _ => self.collect(message),
            },
            Value::Any(any) => {
                self.has_managers |= any.message.name() == CONNECTION_MANAGER;
                self.collect(&any.message);
            }
            Value::List(items) => items
                .iter()
                .for_each(|item| self.collect_value(&item.value)),
            _ => {}
        }
    }
}

/// The scopes that stand in the configuration itself.
pub(super) fn inline(scoped: &Message, last_updated: SystemTime) -> Option<DumpedScopes> {
    let list = [
        "scoped_route_configurations_list",
        "scoped_route_configurations",
    ];
    let scopes = scoped.find(&list)?.as_list()?.iter();
    let name = scoped.find(&["name"]).and_then(Value::as_str);
    Some(DumpedScopes {
        name: name.unwrap_or_default().to_owned(),
        scopes: scopes
            .filter_map(|item| item.value.as_message().cloned())
            .collect(),
        last_updated,
    })
}
