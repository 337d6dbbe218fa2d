//! `envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter`: a place in a chain of HTTP filters, of
//! connection managers, clusters and routers alike.

use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{message, one_of};

use crate::discovered::ExtensionConfigSource;

message! {
    /// A filter of the chain.
    pub struct HttpFilterMessage: "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter" {
        /// Its name, by which routes say what is theirs.
        pub name: Spanned<String>,
        /// What it does.
        pub oneof config_type: Option<HttpFilterConfigType>,
        /// Whether it is left out where nobody knows it.
        pub is_optional: bool,
        /// Whether it is off unless a route switches it on.
        pub disabled: bool,
    }
}

one_of! {
    /// Where the filter's config comes from.
    pub enum HttpFilterConfigType {
        typed_config => TypedConfig(Any),
        config_discovery => ConfigDiscovery(ExtensionConfigSource),
    }
}
