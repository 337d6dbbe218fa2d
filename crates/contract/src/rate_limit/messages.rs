//! The messages of rate limits in routes, virtual hosts and filters.

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message, one_of};

use crate::formatter::FormatterExtension;
use crate::matching::{AddressMatcher, HeaderMatcher, QueryParameterMatcher};
use crate::metadata_key::MetadataKey;

message! {
    /// A descriptor of a request, for limits to go by.
    pub struct RateLimitMessage: "envoy.config.route.v3.RateLimit" {
        pub(crate) stage: Option<Spanned<u32>>,
        pub(crate) disable_key: Spanned<String>,
        pub(crate) actions: Vec<ActionMessage>,
        pub(crate) limit: Option<OverrideMessage>,
        pub(crate) hits_addend: Option<HitsAddend>,
        pub(crate) apply_on_stream_done: bool,
        pub(crate) x_ratelimit_option: XRateLimitOption,
    }
}

message! {
    /// How much a request counts for.
    pub struct HitsAddend: "envoy.config.route.v3.RateLimit.HitsAddend" {
        pub(crate) number: Option<u64>,
        pub(crate) format: Spanned<String>,
        pub(crate) is_negative_hits: bool,
    }
}

message! {
    /// Another limit than a server's own, which requests bring with them.
    pub struct OverrideMessage: "envoy.config.route.v3.RateLimit.Override" {
        pub(crate) oneof override_specifier: OverrideKind,
    }
}

one_of! {
    /// Where it stands.
    pub enum OverrideKind {
        dynamic_metadata => DynamicMetadata(OverrideMetadata),
        rate_limit => RateLimit(OverrideLimit),
    }
}

message! {
    /// In the configuration itself.
    pub struct OverrideLimit: "envoy.config.route.v3.RateLimit.Override.RateLimitOverride" {
        pub(crate) requests_per_unit: u32,
        pub(crate) unit: OverrideUnit,
    }
}

enumeration! {
    /// Units of time.
    pub enum OverrideUnit: "envoy.type.v3.RateLimitUnit" {
        UNKNOWN => Unknown,
        SECOND => Second,
        MINUTE => Minute,
        HOUR => Hour,
        DAY => Day,
        MONTH => Month,
        YEAR => Year,
        WEEK => Week,
    }
}

impl OverrideUnit {
    /// Its number in the API.
    pub(super) fn number(&self) -> i32 {
        match self {
            OverrideUnit::Unknown => 0,
            OverrideUnit::Second => 1,
            OverrideUnit::Minute => 2,
            OverrideUnit::Hour => 3,
            OverrideUnit::Day => 4,
            OverrideUnit::Month => 5,
            OverrideUnit::Year => 6,
            OverrideUnit::Week => 7,
        }
    }
}

message! {
    /// In metadata.
    pub struct OverrideMetadata: "envoy.config.route.v3.RateLimit.Override.DynamicMetadata" {
        pub(crate) metadata_key: MetadataKey,
    }
}

enumeration! {
    /// Whether headers tell of the limit.
    pub enum XRateLimitOption: "envoy.config.route.v3.RateLimit.XRateLimitOption" {
        UNSPECIFIED => Unspecified,
        OFF => Off,
        DRAFT_VERSION_03 => DraftVersion03,
    }
}

message! {
    /// What adds an entry to the descriptor.
    pub struct ActionMessage: "envoy.config.route.v3.RateLimit.Action" {
        pub(crate) oneof action_specifier: ActionKind,
    }
}

one_of! {
    /// The kinds of action.
    pub enum ActionKind {
        source_cluster => SourceCluster(()),
        destination_cluster => DestinationCluster(()),
        request_headers => RequestHeaders(RequestHeaders),
        query_parameters => QueryParameters(QueryParameters),
        remote_address => RemoteAddress(()),
        masked_remote_address => MaskedRemoteAddress(MaskedRemoteAddress),
        remote_address_match => RemoteAddressMatch(RemoteAddressMatch),
        generic_key => GenericKey(GenericKey),
        header_value_match => HeaderValueMatch(HeaderValueMatch),
        query_parameter_value_match => QueryParameterValueMatch(QueryParameterValueMatch),
        metadata => Metadata(MetaData),
        extension => Extension(FormatterExtension),
    }
}

message! {
    /// The first value of a header.
    pub struct RequestHeaders: "envoy.config.route.v3.RateLimit.Action.RequestHeaders" {
        pub(crate) header_name: String,
        pub(crate) descriptor_key: String,
        pub(crate) skip_if_absent: bool,
    }
}

message! {
    /// The first value of a query parameter.
    pub struct QueryParameters: "envoy.config.route.v3.RateLimit.Action.QueryParameters" {
        pub(crate) query_parameter_name: String,
        pub(crate) descriptor_key: String,
        pub(crate) skip_if_absent: bool,
    }
}

message! {
    /// The client's network.
    pub struct MaskedRemoteAddress: "envoy.config.route.v3.RateLimit.Action.MaskedRemoteAddress" {
        pub(crate) v4_prefix_mask_len: Option<u32>,
        pub(crate) v6_prefix_mask_len: Option<u32>,
    }
}

message! {
    /// A text where the client's address is in some ranges.
    pub struct RemoteAddressMatch: "envoy.config.route.v3.RateLimit.Action.RemoteAddressMatch" {
        pub(crate) descriptor_value: Spanned<String>,
        pub(crate) descriptor_key: String,
        pub(crate) address_matcher: AddressMatcher,
        pub(crate) default_value: String,
    }
}

message! {
    /// A text.
    pub struct GenericKey: "envoy.config.route.v3.RateLimit.Action.GenericKey" {
        pub(crate) descriptor_value: String,
        pub(crate) descriptor_key: String,
        inert default_value = "Envoy looks at it where values are formats, which they are only if runtime says so",
    }
}

message! {
    /// A text where headers are as wanted.
    pub struct HeaderValueMatch: "envoy.config.route.v3.RateLimit.Action.HeaderValueMatch" {
        pub(crate) descriptor_value: String,
        pub(crate) expect_match: Option<bool>,
        pub(crate) headers: Vec<HeaderMatcher>,
        pub(crate) descriptor_key: String,
        inert default_value = "Envoy looks at it where values are formats, which they are only if runtime says so",
    }
}

message! {
    /// A text where query parameters are as wanted.
    pub struct QueryParameterValueMatch: "envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch" {
        pub(crate) descriptor_value: String,
        pub(crate) expect_match: Option<bool>,
        pub(crate) query_parameters: Vec<QueryParameterMatcher>,
        pub(crate) descriptor_key: String,
        inert default_value = "Envoy looks at it where values are formats, which they are only if runtime says so",
    }
}

message! {
    /// A text in metadata.
    pub struct MetaData: "envoy.config.route.v3.RateLimit.Action.MetaData" {
        pub(crate) descriptor_key: String,
        pub(crate) metadata_key: MetadataKey,
        pub(crate) default_value: String,
        pub(crate) source: MetadataSource,
        pub(crate) skip_if_absent: bool,
    }
}

enumeration! {
    /// Whose metadata.
    pub enum MetadataSource: "envoy.config.route.v3.RateLimit.Action.MetaData.Source" {
        DYNAMIC => Dynamic,
        ROUTE_ENTRY => RouteEntry,
        CLUSTER_ENTRY => ClusterEntry,
        CLUSTER_LOCALITY_ENTRY => ClusterLocalityEntry,
    }
}
