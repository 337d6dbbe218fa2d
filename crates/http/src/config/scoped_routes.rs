//! The messages of scoped routes: route configurations of which a request has the one of its key.

use nuncio_config::typed::Spanned;
use nuncio_config::{message, one_of};
use nuncio_contract::config_source::ConfigSource;

use super::route::RouteConfiguration;

message! {
    /// Scopes, and how a request's key is made.
    pub struct ScopedRoutes: "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes" {
        pub(crate) name: String,
        pub(crate) scope_key_builder: ScopeKeyBuilderMessage,
        /// Scopes of the configuration itself have their routes in it.
        pub(crate) rds_config_source: Option<ConfigSource>,
        pub(crate) oneof config_specifier: ScopesSpecifier,
    }
}

one_of! {
    /// Where the scopes are.
    pub enum ScopesSpecifier {
        scoped_route_configurations_list => List(ScopedRouteConfigurationsList),
        scoped_rds => Rds(ScopedRds),
    }
}

message! {
    /// Scopes that come from elsewhere.
    pub struct ScopedRds: "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds" {
        pub(crate) scoped_rds_config_source: ConfigSource,
    }
}

message! {
    /// Scopes of the configuration itself.
    pub struct ScopedRouteConfigurationsList: "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList" {
        pub(crate) scoped_route_configurations: Vec<ScopedRouteConfiguration>,
    }
}

message! {
    /// A scope.
    pub struct ScopedRouteConfiguration: "envoy.config.route.v3.ScopedRouteConfiguration" {
        inert on_demand = "read where scopes come from elsewhere; the routes of the configuration itself are always there",
        pub(crate) name: String,
        pub(crate) route_configuration_name: Spanned<String>,
        pub(crate) route_configuration: Option<RouteConfiguration>,
        pub(crate) key: ScopeKeyMessage,
    }
}

message! {
    /// Its key.
    pub struct ScopeKeyMessage: "envoy.config.route.v3.ScopedRouteConfiguration.Key" {
        pub(crate) fragments: Vec<KeyFragment>,
    }
}

message! {
    /// A part of it.
    pub struct KeyFragment: "envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment" {
        pub(crate) oneof r#type: KeyFragmentType,
    }
}

one_of! {
    /// Its kinds.
    pub enum KeyFragmentType {
        string_key => StringKey(String),
    }
}

message! {
    /// How the key of a request is made.
    pub struct ScopeKeyBuilderMessage: "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder" {
        pub(crate) fragments: Vec<FragmentBuilder>,
    }
}

message! {
    /// How a part of it is made.
    pub struct FragmentBuilder: "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder" {
        pub(crate) oneof r#type: FragmentBuilderType,
    }
}

one_of! {
    /// Its kinds.
    pub enum FragmentBuilderType {
        header_value_extractor => HeaderValue(HeaderValueExtractor),
    }
}

message! {
    /// A part of a header's value.
    pub struct HeaderValueExtractor: "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor" {
        pub(crate) name: Spanned<String>,
        pub(crate) element_separator: String,
        pub(crate) oneof extract_type: ExtractType,
    }
}

one_of! {
    /// Which part.
    pub enum ExtractType {
        index => Index(u32),
        element => Element(KvElement),
    }
}

message! {
    /// The value of a key.
    pub struct KvElement: "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.KvElement" {
        pub(crate) separator: String,
        pub(crate) key: String,
    }
}
