//! The messages of the JWT authentication filter.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{message, one_of};
use nuncio_contract::calls::CoreRetryPolicy;
use nuncio_contract::data_source::DataSource;
use nuncio_contract::matching::uri_template::PathExtension;
use nuncio_contract::matching::{
    HeaderMatcher, QueryParameterMatcher, RegexMatcher, StringMatcher,
};

message! {
    /// The filter's config.
    pub struct JwtAuthentication: "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" {
        pub(super) providers: Vec<(String, JwtProvider)>,
        pub(super) rules: Vec<RequirementRule>,
        pub(super) filter_state_rules: Option<FilterStateRule>,
        pub(super) bypass_cors_preflight: bool,
        pub(super) requirement_map: Vec<(String, JwtRequirement)>,
        pub(super) strip_failure_response: bool,
        pub(super) stat_prefix: String,
    }
}

message! {
    /// A route's.
    pub struct PerRouteConfig: "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig" {
        pub(super) oneof requirement_specifier: RequirementSpecifier,
    }
}

one_of! {
    /// What a route asks for.
    pub enum RequirementSpecifier {
        disabled => Disabled(bool),
        requirement_name => Named(String),
    }
}

message! {
    /// Who issues tokens.
    pub struct JwtProvider: "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider" {
        pub(super) issuer: String,
        pub(super) audiences: Vec<String>,
        pub(super) subjects: Option<StringMatcher>,
        pub(super) require_expiration: bool,
        pub(super) max_lifetime: Option<Duration>,
        pub(super) oneof jwks_source_specifier: JwksSource,
        pub(super) forward: bool,
        pub(super) from_headers: Vec<JwtHeader>,
        pub(super) from_params: Vec<String>,
        pub(super) from_cookies: Vec<String>,
        pub(super) forward_payload_header: Spanned<String>,
        pub(super) pad_forward_payload_header: bool,
        pub(super) payload_in_metadata: String,
        pub(super) normalize_payload_in_metadata: Option<NormalizePayload>,
        pub(super) header_in_metadata: String,
        pub(super) failed_status_in_metadata: String,
        pub(super) clock_skew_seconds: u32,
        pub(super) jwt_cache_config: Option<JwtCacheConfig>,
        pub(super) claim_to_headers: Vec<JwtClaimToHeader>,
        pub(super) clear_route_cache: bool,
    }
}

one_of! {
    /// Where keys come from.
    pub enum JwksSource {
        remote_jwks => Remote(RemoteJwks),
        local_jwks => Local(DataSource),
    }
}

message! {
    /// How claims are told in metadata.
    pub struct NormalizePayload: "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider.NormalizePayload" {
        pub(super) space_delimited_claims: Vec<String>,
    }
}

message! {
    /// How many tokens are remembered.
    pub struct JwtCacheConfig: "envoy.extensions.filters.http.jwt_authn.v3.JwtCacheConfig" {
        pub(super) jwt_cache_size: u32,
        pub(super) jwt_max_token_size: u32,
    }
}

message! {
    /// Keys that are fetched.
    pub struct RemoteJwks: "envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks" {
        pub(super) http_uri: Option<HttpUri>,
        pub(super) cache_duration: Option<Duration>,
        pub(super) async_fetch: Option<JwksAsyncFetch>,
        pub(super) retry_policy: Option<CoreRetryPolicy>,
    }
}

message! {
    /// Where from.
    pub struct HttpUri: "envoy.config.core.v3.HttpUri" {
        pub(super) uri: Spanned<String>,
        pub(super) oneof http_upstream_type: HttpUpstream,
        pub(super) timeout: Duration,
    }
}

one_of! {
    /// By which cluster.
    pub enum HttpUpstream {
        cluster => Cluster(Spanned<String>),
    }
}

message! {
    /// Keys that are fetched aside of requests.
    pub struct JwksAsyncFetch: "envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch" {
        inert fast_listener = "no listener waits for keys";
        pub(super) failed_refetch_duration: Option<Duration>,
    }
}

message! {
    /// A header that may hold a token.
    pub struct JwtHeader: "envoy.extensions.filters.http.jwt_authn.v3.JwtHeader" {
        pub(super) name: Spanned<String>,
        pub(super) value_prefix: String,
    }
}

message! {
    /// A claim and the header that tells it.
    pub struct JwtClaimToHeader: "envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader" {
        pub(super) header_name: Spanned<String>,
        pub(super) claim_name: String,
        pub(super) claim_path: Vec<PathSegment>,
    }
}

message! {
    /// A step to a claim.
    pub struct PathSegment: "envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader.PathSegment" {
        pub(super) oneof segment: Segment,
    }
}

one_of! {
    /// The step.
    pub enum Segment {
        key => Key(String),
    }
}

message! {
    /// What is asked for.
    pub struct JwtRequirement: "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement" {
        pub(super) oneof requires_type: Option<RequiresType>,
    }
}

one_of! {
    /// What is asked for.
    pub enum RequiresType {
        provider_name => Provider(Spanned<String>),
        provider_and_audiences => ProviderAndAudiences(ProviderWithAudiences),
        requires_any => Any(JwtRequirementOrList),
        requires_all => All(JwtRequirementAndList),
        allow_missing_or_failed => AllowMissingOrFailed(Empty),
        allow_missing => AllowMissing(Empty),
        extract_only_without_validation => ExtractOnly(ExtractOnlyWithoutValidation),
    }
}

message! {
    /// Nothing more.
    pub struct Empty: "google.protobuf.Empty" {}
}

message! {
    /// A provider, for these audiences.
    pub struct ProviderWithAudiences: "envoy.extensions.filters.http.jwt_authn.v3.ProviderWithAudiences" {
        pub(super) provider_name: Spanned<String>,
        pub(super) audiences: Vec<String>,
    }
}

message! {
    /// One of these.
    pub struct JwtRequirementOrList: "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementOrList" {
        pub(super) requirements: Vec<JwtRequirement>,
    }
}

message! {
    /// All of these.
    pub struct JwtRequirementAndList: "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementAndList" {
        pub(super) requirements: Vec<JwtRequirement>,
    }
}

message! {
    /// Claims that are passed on unbelieved.
    pub struct ExtractOnlyWithoutValidation: "envoy.extensions.filters.http.jwt_authn.v3.ExtractOnlyWithoutValidation" {
        pub(super) verification_status_header: Spanned<String>,
    }
}

message! {
    /// What requests of a kind are asked for.
    pub struct RequirementRule: "envoy.extensions.filters.http.jwt_authn.v3.RequirementRule" {
        pub(super) r#match: RouteMatch,
        pub(super) oneof requirement_type: Option<RequirementType>,
    }
}

one_of! {
    /// The requirement, or its name.
    pub enum RequirementType {
        requires => Requires(JwtRequirement),
        requirement_name => Named(Spanned<String>),
    }
}

message! {
    /// What another filter asks for.
    pub struct FilterStateRule: "envoy.extensions.filters.http.jwt_authn.v3.FilterStateRule" {
        pub(super) name: String,
        pub(super) requires: Vec<(String, JwtRequirement)>,
    }
}

message! {
    /// As much of a route's conditions as the filter looks at.
    pub struct RouteMatch: "envoy.config.route.v3.RouteMatch" {
        pub(super) oneof path_specifier: PathSpecifier,
        pub(super) case_sensitive: Option<bool>,
        pub(super) headers: Vec<HeaderMatcher>,
        pub(super) query_parameters: Vec<QueryParameterMatcher>,
    }
}

one_of! {
    /// The path.
    pub enum PathSpecifier {
        prefix => Prefix(String),
        path => Path(String),
        safe_regex => Regex(RegexMatcher),
        connect_matcher => Connect(ConnectMatcher),
        path_separated_prefix => SeparatedPrefix(String),
        path_match_policy => Policy(PathExtension),
    }
}

message! {
    /// CONNECT requests.
    pub struct ConnectMatcher: "envoy.config.route.v3.RouteMatch.ConnectMatcher" {}
}
