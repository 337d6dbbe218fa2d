//! `envoy.filters.http.aws_lambda`: a request becomes the call of a function of AWS Lambda, as JSON or as it is, signed by
//! Signature Version 4, and what the function returns as JSON becomes the response.
//!
//! Before the router only requests to clusters are changed whose metadata say that they lead to Lambda (`com.amazonaws.lambda`,
//! `egress_gateway: true`). Bodies are held back whole, up to the buffer limit: 413 for requests, 500 for responses. Trust:
//! clients choose everything that goes into the JSON but the function; a function chooses status, headers and body of
//! its response, where what would break the framing counts for nothing. Credentials are those of
//! `aws_request_signing`.
//!
//! Different from Envoy: a body with trailers behind it is one as well, where Envoy passes it on unsigned; the names of the
//! JSON are written in the order of the request. Envoy's documentation: HTTP filters, AWS Lambda.

mod config;
mod filter;
mod json;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.aws_lambda",
    message: "envoy.extensions.filters.http.aws_lambda.v3.Config",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.aws_lambda.v3.PerRouteConfig",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::Config::support(table);
        config::PerRouteConfig::support(table);
    },
};
