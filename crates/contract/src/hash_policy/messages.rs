//! `envoy.config.route.v3.RouteAction.HashPolicy`.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{message, one_of};

use crate::matching::RegexMatchAndSubstitute;

message! {
    /// One thing of a request that is hashed.
    pub struct HashPolicyMessage: "envoy.config.route.v3.RouteAction.HashPolicy" {
        pub(crate) oneof policy_specifier: PolicySpecifier,
        pub(crate) terminal: bool,
    }
}

one_of! {
    /// What it is.
    pub enum PolicySpecifier {
        header => Header(HeaderPolicy),
        cookie => Cookie(CookiePolicy),
        connection_properties => Connection(ConnectionPolicy),
        query_parameter => QueryParameter(QueryParameterPolicy),
        filter_state => FilterState(FilterStatePolicy),
    }
}

message! {
    /// A header's values.
    pub struct HeaderPolicy: "envoy.config.route.v3.RouteAction.HashPolicy.Header" {
        pub(crate) header_name: Spanned<String>,
        pub(crate) regex_rewrite: Option<RegexMatchAndSubstitute>,
    }
}

message! {
    /// A cookie, which is made if there is none.
    pub struct CookiePolicy: "envoy.config.route.v3.RouteAction.HashPolicy.Cookie" {
        pub(crate) name: String,
        pub(crate) ttl: Option<Duration>,
        pub(crate) path: String,
        pub(crate) attributes: Vec<CookieAttribute>,
    }
}

message! {
    /// An attribute of a cookie that is made.
    pub struct CookieAttribute: "envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute" {
        pub(crate) name: String,
        pub(crate) value: String,
    }
}

message! {
    /// The client's address.
    pub struct ConnectionPolicy: "envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties" {
        pub(crate) source_ip: bool,
    }
}

message! {
    /// A parameter of the path's query.
    pub struct QueryParameterPolicy: "envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter" {
        pub(crate) name: String,
    }
}

message! {
    /// An object of the filter state.
    pub struct FilterStatePolicy: "envoy.config.route.v3.RouteAction.HashPolicy.FilterState" {
        pub(crate) key: String,
    }
}
