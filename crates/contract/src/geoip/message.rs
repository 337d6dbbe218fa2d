//! The messages of MaxMind's provider.

use nuncio_config::message;
use nuncio_config::typed::{Any, Spanned};

message! {
    /// The provider of a filter.
    pub struct ProviderMessage: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(super) name: String,
        pub(super) typed_config: Any,
    }
}

message! {
    /// Which databases are asked, and what for.
    pub(super) struct MaxMindConfig: "envoy.extensions.geoip_providers.maxmind.v3.MaxMindConfig" {
        pub(super) city_db_path: Spanned<String>,
        pub(super) asn_db_path: Spanned<String>,
        pub(super) anon_db_path: Spanned<String>,
        pub(super) isp_db_path: Spanned<String>,
        pub(super) country_db_path: Spanned<String>,
        pub(super) common_provider_config: CommonConfig,
    }
}

message! {
    /// What is told under which keys.
    pub(super) struct CommonConfig: "envoy.extensions.geoip_providers.common.v3.CommonGeoipProviderConfig" {
        pub(super) geo_headers_to_add: Option<HeadersToAdd>,
        pub(super) geo_field_keys: Option<FieldKeys>,
    }
}

message! {
    /// The keys by their old name.
    pub(super) struct HeadersToAdd: "envoy.extensions.geoip_providers.common.v3.CommonGeoipProviderConfig.GeolocationHeadersToAdd" {
        pub(super) country: Spanned<String>,
        pub(super) city: Spanned<String>,
        pub(super) region: Spanned<String>,
        pub(super) asn: Spanned<String>,
        pub(super) asn_org: Spanned<String>,
        pub(super) is_anon: Spanned<String>,
        pub(super) anon: Spanned<String>,
        pub(super) anon_vpn: Spanned<String>,
        pub(super) anon_hosting: Spanned<String>,
        pub(super) anon_tor: Spanned<String>,
        pub(super) anon_proxy: Spanned<String>,
        pub(super) isp: Spanned<String>,
        pub(super) apple_private_relay: Spanned<String>,
    }
}

message! {
    /// The keys.
    pub(super) struct FieldKeys: "envoy.extensions.geoip_providers.common.v3.CommonGeoipProviderConfig.GeolocationFieldKeys" {
        pub(super) country: Spanned<String>,
        pub(super) city: Spanned<String>,
        pub(super) region: Spanned<String>,
        pub(super) asn: Spanned<String>,
        pub(super) asn_org: Spanned<String>,
        pub(super) anon: Spanned<String>,
        pub(super) anon_vpn: Spanned<String>,
        pub(super) anon_hosting: Spanned<String>,
        pub(super) anon_tor: Spanned<String>,
        pub(super) anon_proxy: Spanned<String>,
        pub(super) isp: Spanned<String>,
        pub(super) apple_private_relay: Spanned<String>,
    }
}
