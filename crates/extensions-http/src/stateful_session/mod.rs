//! `envoy.filters.http.stateful_session`: a client goes to the host that it went to before. The host's address is in
//! a cookie or a header of the request; where another host answered, the response tells the new one.
//!
//! A strict session is answered by the proxy where its host is not there any more; any other then goes where the load
//! balancer says. Trust: the client chooses among the hosts of the cluster, whose addresses it gets to know; a cookie
//! is neither signed nor encrypted, as in Envoy. An envelope is a header of the host's own that has the host's address
//! put before its value on the way to the client, and taken off on the way back; what could be no header's value is not
//! unpacked. Envoy's documentation: HTTP filters, stateful session.

mod config;
mod cookie;
mod envelope;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.stateful_session",
    message: "envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::StatefulSession::support(table);
        config::StatefulSessionPerRoute::support(table);
        config::CookieBasedSessionState::support(table);
        config::HeaderBasedSessionState::support(table);
        config::EnvelopeSessionState::support(table);
    },
};
