//! `envoy.filters.http.header_to_metadata`: makes dynamic metadata of headers and cookies, for those who look at it
//! later: matchers, load balancing, access logs.
//!
//! Limits: a value has less than 8 KiB; one that is given as a protobuf message is at most 100 messages deep. Trust: a
//! client chooses values, and with `PROTOBUF_VALUE` their shape. Envoy's documentation: HTTP filters,
//! Header-To-Metadata. Different from Envoy: a text that is no UTF-8 has U+FFFD in the place of what is none; a rule
//! that would remove a pseudo-header or `host` is refused.

mod config;
mod filter;
mod protobuf;
#[cfg(test)]
mod tests;
mod value;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.header_to_metadata",
    message: "envoy.extensions.filters.http.header_to_metadata.v3.Config",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.header_to_metadata.v3.Config",
        parse: config::parse_per_route,
    }),
    support: |table| config::Config::support(table),
};
