//! `envoy.config.route.v3`: route configurations, virtual hosts, routes and their actions.

use std::time::Duration;

use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::cluster_specifier::ClusterSpecifierPlugin;
use nuncio_contract::config_source::ConfigSource;
use nuncio_contract::cors::RouteCorsPolicyMessage;
use nuncio_contract::data_source::DataSource;
use nuncio_contract::formatter::SubstitutionFormatString;
use nuncio_contract::hash_policy::HashPolicyMessage;
use nuncio_contract::header_mutation::HeaderValueOption;
use nuncio_contract::match_tree::MatcherMessage;
use nuncio_contract::matching::uri_template::PathExtension;
use nuncio_contract::matching::{
    FilterStateMatcher, HeaderMatcher, MetadataMatcher, QueryParameterMatcher,
    RegexMatchAndSubstitute, RegexMatcher, RuntimeFractionalPercent, StringMatcher,
};
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::rate_limit::RateLimitMessage;
use nuncio_upstream::mirror::RequestMirrorPolicy;
use nuncio_upstream::retry::RetryPolicyMessage;

use super::resilience::{
    HedgePolicy, InternalRedirectAction, InternalRedirectPolicy, MaxStreamDuration, RoutingPriority,
};

use super::tracing::{Decorator, RouteTracing};

message! {
    /// A route table.
    pub struct RouteConfiguration: "envoy.config.route.v3.RouteConfiguration" {
        pub(crate) name: String,
        pub(crate) virtual_hosts: Vec<VirtualHost>,
        pub(crate) internal_only_headers: Vec<Spanned<String>>,
        pub(crate) response_headers_to_add: Vec<HeaderValueOption>,
        pub(crate) response_headers_to_remove: Vec<Spanned<String>>,
        pub(crate) request_headers_to_add: Vec<HeaderValueOption>,
        pub(crate) request_headers_to_remove: Vec<Spanned<String>>,
        pub(crate) most_specific_header_mutations_wins: bool,
        pub(crate) validate_clusters: Option<bool>,
        pub(crate) max_direct_response_body_size_bytes: Option<u32>,
        pub(crate) ignore_port_in_host_matching: bool,
        pub(crate) ignore_path_parameters_in_path_matching: bool,
        pub(crate) vhost_header: Spanned<String>,
        pub(crate) typed_per_filter_config: Vec<(String, Any)>,
        pub(crate) request_mirror_policies: Vec<RequestMirrorPolicy>,
        pub(crate) cluster_specifier_plugins: Vec<ClusterSpecifierPlugin>,
        pub(crate) vhds: Option<Vhds>,
        inert metadata = "nothing that Nuncio has asks for it";
    }
}

message! {
    /// Where virtual hosts come from beside those that are said.
    pub struct Vhds: "envoy.config.route.v3.Vhds" {
        pub(crate) config_source: ConfigSource,
    }
}

message! {
    /// The routes of some domains.
    pub struct VirtualHost: "envoy.config.route.v3.VirtualHost" {
        pub(crate) name: Spanned<String>,
        pub(crate) domains: Vec<Spanned<String>>,
        pub(crate) routes: Vec<Route>,
        pub(crate) require_tls: TlsRequirement,
        pub(crate) request_headers_to_add: Vec<HeaderValueOption>,
        pub(crate) request_headers_to_remove: Vec<Spanned<String>>,
        pub(crate) response_headers_to_add: Vec<HeaderValueOption>,
        pub(crate) response_headers_to_remove: Vec<Spanned<String>>,
        pub(crate) typed_per_filter_config: Vec<(String, Any)>,
        pub(crate) include_request_attempt_count: bool,
        pub(crate) include_attempt_count_in_response: bool,
        pub(crate) include_is_timeout_retry_header: bool,
        pub(crate) retry_policy: Option<RetryPolicyMessage>,
        inert retry_policy_typed_config = "Envoy 1.40 does not look at it";
        pub(crate) hedge_policy: Option<HedgePolicy>,
        pub(crate) request_mirror_policies: Vec<RequestMirrorPolicy>,
        pub(crate) per_request_buffer_limit_bytes: Option<u32>,
        pub(crate) request_body_buffer_limit: Option<u64>,
        pub(crate) virtual_clusters: Vec<VirtualCluster>,
        pub(crate) metadata: Option<MetadataMessage>,
        pub(crate) cors: Option<RouteCorsPolicyMessage>,
        pub(crate) matcher: Option<MatcherMessage>,
        pub(crate) rate_limits: Vec<RateLimitMessage>,
    }
}

message! {
    /// Routes of which the first that matches counts; an action of a virtual host's matcher.
    pub struct RouteList: "envoy.config.route.v3.RouteList" {
        pub(crate) routes: Vec<Route>,
    }
}

message! {
    /// Requests that are counted apart.
    pub struct VirtualCluster: "envoy.config.route.v3.VirtualCluster" {
        pub(crate) headers: Vec<HeaderMatcher>,
        pub(crate) name: String,
    }
}

enumeration! {
    /// Whether plain-text requests are redirected to https.
    pub enum TlsRequirement: "envoy.config.route.v3.VirtualHost.TlsRequirementType" {
        NONE => None,
        EXTERNAL_ONLY => ExternalOnly,
        ALL => All,
    }
}

message! {
    /// A match and what is done with what matches.
    pub struct Route: "envoy.config.route.v3.Route" {
        pub(crate) name: String,
        pub(crate) r#match: RouteMatch,
        pub(crate) oneof action: Action,
        pub(crate) typed_per_filter_config: Vec<(String, Any)>,
        pub(crate) request_headers_to_add: Vec<HeaderValueOption>,
        pub(crate) request_headers_to_remove: Vec<Spanned<String>>,
        pub(crate) response_headers_to_add: Vec<HeaderValueOption>,
        pub(crate) response_headers_to_remove: Vec<Spanned<String>>,
        pub(crate) metadata: Option<MetadataMessage>,
        pub(crate) decorator: Option<Decorator>,
        pub(crate) tracing: Option<RouteTracing>,
        pub(crate) stat_prefix: String,
        pub(crate) per_request_buffer_limit_bytes: Option<u32>,
        pub(crate) request_body_buffer_limit: Option<u64>,
    }
}

one_of! {
    /// What is done with a matching request.
    pub enum Action {
        route => Route(RouteAction),
        redirect => Redirect(RedirectAction),
        direct_response => DirectResponse(DirectResponseAction),
        non_forwarding_action => NonForwarding(NonForwardingAction),
        filter_action => Filter(FilterAction),
    }
}

message! {
    /// For filters that answer themselves; the router gives 404.
    pub struct NonForwardingAction: "envoy.config.route.v3.NonForwardingAction" {}
}

message! {
    /// For filters that make the route theirs; the router finds no cluster.
    pub struct FilterAction: "envoy.config.route.v3.FilterAction" {
        inert action = "no filter of Envoy 1.40 looks at it";
    }
}

message! {
    /// What a request has to be like.
    pub struct RouteMatch: "envoy.config.route.v3.RouteMatch" {
        pub(crate) oneof path_specifier: PathSpecifier,
        pub(crate) case_sensitive: Option<bool>,
        pub(crate) runtime_fraction: Option<RuntimeFractionalPercent>,
        pub(crate) headers: Vec<HeaderMatcher>,
        pub(crate) query_parameters: Vec<QueryParameterMatcher>,
        pub(crate) cookies: Vec<CookieMatcher>,
        pub(crate) grpc: Option<GrpcRouteMatchOptions>,
        pub(crate) tls_context: Option<TlsContextMatchOptions>,
        pub(crate) dynamic_metadata: Vec<MetadataMatcher>,
        pub(crate) filter_state: Vec<FilterStateMatcher>,
    }
}

one_of! {
    /// How the path is matched.
    pub enum PathSpecifier {
        prefix => Prefix(String),
        path => Path(String),
        safe_regex => SafeRegex(RegexMatcher),
        path_separated_prefix => PathSeparatedPrefix(String),
        path_match_policy => Policy(PathExtension),
        connect_matcher => Connect(ConnectMatcher),
    }
}

message! {
    /// Every CONNECT request matches, and no other.
    pub struct ConnectMatcher: "envoy.config.route.v3.RouteMatch.ConnectMatcher" {}
}

message! {
    /// Only gRPC requests match.
    pub struct GrpcRouteMatchOptions: "envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions" {}
}

message! {
    /// What the client's certificate has to be like.
    pub struct TlsContextMatchOptions: "envoy.config.route.v3.RouteMatch.TlsContextMatchOptions" {
        pub(crate) presented: Option<bool>,
        pub(crate) validated: Option<bool>,
    }
}

message! {
    /// What a cookie has to be like.
    pub struct CookieMatcher: "envoy.config.route.v3.CookieMatcher" {
        pub(crate) name: String,
        pub(crate) string_match: StringMatcher,
        pub(crate) invert_match: bool,
    }
}

message! {
    /// Forwarding to a cluster.
    pub struct RouteAction: "envoy.config.route.v3.RouteAction" {
        pub(crate) oneof cluster_specifier: ClusterSpecifier,
        pub(crate) cluster_not_found_response_code: ClusterNotFoundResponseCode,
        pub(crate) prefix_rewrite: String,
        pub(crate) regex_rewrite: Option<RegexMatchAndSubstitute>,
        pub(crate) path_rewrite_policy: Option<PathExtension>,
        pub(crate) path_rewrite: Spanned<String>,
        pub(crate) oneof host_rewrite_specifier: Option<HostRewrite>,
        pub(crate) append_x_forwarded_host: bool,
        pub(crate) cors: Option<RouteCorsPolicyMessage>,
        pub(crate) timeout: Option<Duration>,
        pub(crate) idle_timeout: Option<Duration>,
        pub(crate) flush_timeout: Option<Duration>,
        pub(crate) upgrade_configs: Vec<UpgradeConfig>,
        pub(crate) hash_policy: Vec<HashPolicyMessage>,
        pub(crate) metadata_match: Option<MetadataMessage>,
        pub(crate) priority: RoutingPriority,
        pub(crate) retry_policy: Option<RetryPolicyMessage>,
        pub(crate) hedge_policy: Option<HedgePolicy>,
        inert early_data_policy = "only HTTP/3 towards hosts has early data";
        inert retry_policy_typed_config = "Envoy 1.40 does not look at it";
        pub(crate) internal_redirect_policy: Option<InternalRedirectPolicy>,
        pub(crate) internal_redirect_action: InternalRedirectAction,
        pub(crate) max_internal_redirects: Option<u32>,
        pub(crate) request_mirror_policies: Vec<RequestMirrorPolicy>,
        pub(crate) max_stream_duration: Option<MaxStreamDuration>,
        pub(crate) max_grpc_timeout: Option<Duration>,
        pub(crate) grpc_timeout_offset: Option<Duration>,
        pub(crate) rate_limits: Vec<RateLimitMessage>,
        pub(crate) include_vh_rate_limits: Option<bool>,
    }
}

message! {
    /// An upgrade that the route allows or forbids.
    pub struct UpgradeConfig: "envoy.config.route.v3.RouteAction.UpgradeConfig" {
        pub(crate) upgrade_type: Spanned<String>,
        pub(crate) enabled: Option<bool>,
        pub(crate) connect_config: Option<ConnectConfig>,
    }
}

message! {
    /// The bytes of CONNECT go to the host as they are.
    pub struct ConnectConfig: "envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig" {
        pub(crate) proxy_protocol_config: Option<ProxyProtocolConfig>,
        pub(crate) allow_post: bool,
    }
}

message! {
    /// Addresses that go before the bytes.
    pub struct ProxyProtocolConfig: "envoy.config.core.v3.ProxyProtocolConfig" {
        pub(crate) version: ProxyProtocolVersion,
    }
}

enumeration! {
    /// Its forms.
    pub enum ProxyProtocolVersion: "envoy.config.core.v3.ProxyProtocolConfig.Version" {
        V1 => V1,
        V2 => V2,
    }
}

one_of! {
    /// How the cluster is chosen.
    pub enum ClusterSpecifier {
        cluster => Cluster(Spanned<String>),
        cluster_header => ClusterHeader(Spanned<String>),
        weighted_clusters => WeightedClusters(WeightedCluster),
        cluster_specifier_plugin => Plugin(Spanned<String>),
        inline_cluster_specifier_plugin => InlinePlugin(ClusterSpecifierPlugin),
    }
}

enumeration! {
    /// The answer where the cluster does not exist.
    pub enum ClusterNotFoundResponseCode: "envoy.config.route.v3.RouteAction.ClusterNotFoundResponseCode" {
        SERVICE_UNAVAILABLE => ServiceUnavailable,
        NOT_FOUND => NotFound,
        INTERNAL_SERVER_ERROR => InternalServerError,
    }
}

one_of! {
    /// How `:authority` is rewritten.
    pub enum HostRewrite {
        host_rewrite_literal => Literal(String),
        auto_host_rewrite => Auto(Option<bool>),
        host_rewrite_header => Header(Spanned<String>),
        host_rewrite_path_regex => PathRegex(RegexMatchAndSubstitute),
        host_rewrite => Format(Spanned<String>),
    }
}

message! {
    /// Clusters that share the requests.
    pub struct WeightedCluster: "envoy.config.route.v3.WeightedCluster" {
        pub(crate) clusters: Vec<ClusterWeight>,
        inert total_weight = "Envoy ignores it: the weights' own sum counts";
        pub(crate) runtime_key_prefix: String,
        pub(crate) oneof random_value_specifier: Option<RandomValue>,
    }
}

one_of! {
    /// What the cluster is picked by, instead of by chance.
    pub enum RandomValue {
        header_name => Header(Spanned<String>),
        use_hash_policy => Hash(Option<bool>),
    }
}

message! {
    /// One of the clusters and its weight.
    pub struct ClusterWeight: "envoy.config.route.v3.WeightedCluster.ClusterWeight" {
        pub(crate) name: Spanned<String>,
        pub(crate) cluster_header: Spanned<String>,
        pub(crate) weight: Option<u32>,
        pub(crate) metadata_match: Option<MetadataMessage>,
        pub(crate) oneof host_rewrite_specifier: Option<ClusterHostRewrite>,
        pub(crate) request_headers_to_add: Vec<HeaderValueOption>,
        pub(crate) request_headers_to_remove: Vec<Spanned<String>>,
        pub(crate) response_headers_to_add: Vec<HeaderValueOption>,
        pub(crate) response_headers_to_remove: Vec<Spanned<String>>,
        pub(crate) typed_per_filter_config: Vec<(String, Any)>,
    }
}

one_of! {
    /// What becomes of the host when this cluster is picked.
    pub enum ClusterHostRewrite {
        host_rewrite_literal => Literal(String),
    }
}

message! {
    /// An answer that sends the client elsewhere.
    pub struct RedirectAction: "envoy.config.route.v3.RedirectAction" {
        pub(crate) oneof scheme_rewrite_specifier: Option<SchemeRewrite>,
        pub(crate) host_redirect: String,
        pub(crate) port_redirect: u32,
        pub(crate) oneof path_rewrite_specifier: Option<PathRedirect>,
        pub(crate) response_code: RedirectResponseCode,
        pub(crate) strip_query: bool,
    }
}

one_of! {
    /// The scheme of the new location.
    pub enum SchemeRewrite {
        https_redirect => Https(bool),
        scheme_redirect => Scheme(String),
    }
}

one_of! {
    /// The path of the new location.
    pub enum PathRedirect {
        path_redirect => Path(String),
        prefix_rewrite => Prefix(String),
        regex_rewrite => Regex(RegexMatchAndSubstitute),
        path_rewrite => Format(Spanned<String>),
    }
}

enumeration! {
    /// The status of a redirect.
    pub enum RedirectResponseCode: "envoy.config.route.v3.RedirectAction.RedirectResponseCode" {
        MOVED_PERMANENTLY => MovedPermanently,
        FOUND => Found,
        SEE_OTHER => SeeOther,
        TEMPORARY_REDIRECT => TemporaryRedirect,
        PERMANENT_REDIRECT => PermanentRedirect,
    }
}

message! {
    /// An answer from the config itself.
    pub struct DirectResponseAction: "envoy.config.route.v3.DirectResponseAction" {
        pub(crate) status: Spanned<u32>,
        pub(crate) body: Option<DataSource>,
        pub(crate) body_format: Option<SubstitutionFormatString>,
    }
}

message! {
    /// Switches a filter off or on for a route.
    pub struct FilterConfig: "envoy.config.route.v3.FilterConfig" {
        pub(crate) config: Option<Any>,
        pub(crate) is_optional: bool,
        pub(crate) disabled: bool,
    }
}
