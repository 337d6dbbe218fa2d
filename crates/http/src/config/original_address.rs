//! The messages of extensions that find out the client's address.

use nuncio_config::message;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::matching::CidrRange;

message! {
    /// From `x-forwarded-for`.
    pub struct XffConfig: "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig" {
        pub(crate) xff_num_trusted_hops: u32,
        pub(crate) xff_trusted_cidrs: Option<XffTrustedCidrs>,
        pub(crate) skip_xff_append: Option<bool>,
    }
}

message! {
    /// Proxies that are trusted.
    pub struct XffTrustedCidrs: "envoy.extensions.http.original_ip_detection.xff.v3.XffTrustedCidrs" {
        pub(crate) cidrs: Vec<CidrRange>,
    }
}

message! {
    /// From a header of choice.
    pub struct CustomHeaderConfig:
        "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig" {
        pub(crate) header_name: String,
        pub(crate) allow_extension_to_set_address_as_trusted: bool,
        pub(crate) reject_with_status: Option<HttpStatus>,
    }
}
