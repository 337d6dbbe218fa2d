//! `envoy.filters.http.aws_request_signing`: signs requests by AWS' Signature Versions 4 and 4A, in headers or in the query.
//!
//! Credentials are those of the configuration, of the environment, of a credentials file (read when the configuration is
//! loaded, or as it changes with `watched_directory`), or are fetched from services (`aws/`); requests wait while they are. The body is held back and
//! signed as well unless `use_unsigned_payload` is set; it may be as long as the buffer limit. Trust: what a client says
//! in the headers of the signature is replaced. Follows Envoy's documentation of its AWS request signing filter and
//! AWS' "Signature Version 4 signing process".
//!
//! Different from Envoy: IAM Roles Anywhere is not there and refused; places of credentials
//! behind those that are at hand are not asked.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.aws_request_signing",
    message: "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigningPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::AwsRequestSigning::support(table);
        config::AwsRequestSigningPerRoute::support(table);
    },
};
