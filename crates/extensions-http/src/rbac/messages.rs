//! The messages of the RBAC filter.

use nuncio_config::message;
use nuncio_contract::match_tree::MatcherMessage;
use nuncio_contract::rbac::Rules;

message! {
    /// The filter's config.
    pub(super) struct Rbac: "envoy.extensions.filters.http.rbac.v3.RBAC" {
        pub(super) rules: Option<Rules>,
        pub(super) matcher: Option<MatcherMessage>,
        pub(super) shadow_matcher: Option<MatcherMessage>,
        pub(super) rules_stat_prefix: String,
        pub(super) shadow_rules: Option<Rules>,
        pub(super) shadow_rules_stat_prefix: String,
        pub(super) track_per_rule_stats: bool,
    }
}

message! {
    /// A route's.
    pub(super) struct RbacPerRoute: "envoy.extensions.filters.http.rbac.v3.RBACPerRoute" {
        pub(super) rbac: Option<Rbac>,
    }
}
