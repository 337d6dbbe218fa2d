//! CORS policies: `envoy.extensions.filters.http.cors.v3.CorsPolicy`, which levels of the route table have in
//! `typed_per_filter_config`, and `envoy.config.route.v3.CorsPolicy`, the deprecated `cors` fields of routes and
//! virtual hosts. Both say the same and are compiled to the same.
//!
//! What a policy leaves open, another level says: an empty list or text, an absent boolean. Whether the filter runs is
//! the most specific policy's own.

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused};

use crate::level_config::LevelConfig;
use crate::matching::{CompiledStringMatcher, RuntimeFractionalPercent, StringMatcher};

message! {
    /// A level's policy in `typed_per_filter_config`.
    pub struct CorsPolicyMessage: "envoy.extensions.filters.http.cors.v3.CorsPolicy" {
        pub(crate) allow_origin_string_match: Vec<StringMatcher>,
        pub(crate) allow_methods: String,
        pub(crate) allow_headers: String,
        pub(crate) expose_headers: String,
        pub(crate) max_age: String,
        pub(crate) allow_credentials: Option<bool>,
        pub(crate) filter_enabled: Option<RuntimeFractionalPercent>,
        pub(crate) shadow_enabled: Option<RuntimeFractionalPercent>,
        pub(crate) allow_private_network_access: Option<bool>,
        pub(crate) forward_not_matching_preflights: Option<bool>,
    }
}

message! {
    /// The deprecated field of routes and virtual hosts.
    pub struct RouteCorsPolicyMessage: "envoy.config.route.v3.CorsPolicy" {
        pub(crate) allow_origin_string_match: Vec<StringMatcher>,
        pub(crate) allow_methods: String,
        pub(crate) allow_headers: String,
        pub(crate) expose_headers: String,
        pub(crate) max_age: String,
        pub(crate) allow_credentials: Option<bool>,
        pub(crate) oneof enabled_specifier: Option<RouteCorsEnabled>,
        pub(crate) shadow_enabled: Option<RuntimeFractionalPercent>,
        pub(crate) allow_private_network_access: Option<bool>,
        pub(crate) forward_not_matching_preflights: Option<bool>,
    }
}

nuncio_config::one_of! {
    /// Whether the filter runs.
    pub enum RouteCorsEnabled {
        filter_enabled => Fraction(RuntimeFractionalPercent),
    }
}

/// A compiled policy.
#[derive(Clone, Debug)]
pub struct CorsPolicy {
    /// Which origins are allowed; empty where another level says it.
    pub origins: Box<[CompiledStringMatcher]>,
    /// Whether one of them allows `*`, and so any origin.
    pub allows_any_origin: bool,
    /// `access-control-allow-methods`.
    pub methods: Box<str>,
    /// `access-control-allow-headers`.
    pub headers: Box<str>,
    /// `access-control-expose-headers`.
    pub exposed: Box<str>,
    /// `access-control-max-age`.
    pub max_age: Box<str>,
    /// Whether `access-control-allow-credentials` is sent.
    pub credentials: Option<bool>,
    /// Whether requests from public to private networks are allowed.
    pub private_network: Option<bool>,
    /// Whether preflights of other origins are left to the upstream.
    pub forwards_others: Option<bool>,
    filter_enabled: Option<RuntimeFractionalPercent>,
    shadow_enabled: Option<RuntimeFractionalPercent>,
}

macro_rules! compile {
    ($message:ident, $ctx:ident, $filter_enabled:expr) => {{
        let origins: Vec<_> = $message
            .allow_origin_string_match
            .iter()
            .map(|matcher| CompiledStringMatcher::compile(matcher, $ctx))
            .collect();
        let origins = origins.into_iter().collect::<Result<Box<[_]>, _>>()?;
        Ok(CorsPolicy {
            allows_any_origin: origins.iter().any(|origin| origin.matches(b"*")),
            origins,
            methods: $message.allow_methods.as_str().into(),
            headers: $message.allow_headers.as_str().into(),
            exposed: $message.expose_headers.as_str().into(),
            max_age: $message.max_age.as_str().into(),
            credentials: $message.allow_credentials,
            private_network: $message.allow_private_network_access,
            forwards_others: $message.forward_not_matching_preflights,
            filter_enabled: $filter_enabled,
            shadow_enabled: $message.shadow_enabled.clone(),
        })
    }};
}

impl CorsPolicyMessage {
    /// Compiles; a bad regular expression is reported at its place.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<CorsPolicy, Refused> {
        compile!(self, ctx, self.filter_enabled.clone())
    }
}

impl RouteCorsPolicyMessage {
    /// Compiles; a bad regular expression is reported at its place.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<CorsPolicy, Refused> {
        let filter_enabled = self
            .enabled_specifier
            .as_ref()
            .map(|RouteCorsEnabled::Fraction(fraction)| fraction.clone());
        compile!(self, ctx, filter_enabled)
    }
}

impl LevelConfig for CorsPolicy {}

impl CorsPolicy {
    /// Whether the filter acts on the request that draws this number.
    pub fn is_enabled(&self, random: impl FnOnce() -> u64) -> bool {
        self.filter_enabled
            .as_ref()
            .is_none_or(|fraction| fraction.chooses(random()))
    }

    /// Whether the filter only counts the request that draws this number, where it does not act on it.
    pub fn is_shadow_enabled(&self, random: impl FnOnce() -> u64) -> bool {
        self.shadow_enabled
            .as_ref()
            .is_some_and(|fraction| fraction.chooses(random()))
    }
}
