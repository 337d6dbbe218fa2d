//! `envoy.filters.network.rbac`: lets connections be or closes them by policies, each of permissions (what is asked for)
//! and principals (who asks); shadow rules are tried and counted alone.
//!
//! Asked when the first bytes come, or with `enforcement_type: CONTINUOUS` each time some do; a TCP proxy behind it has
//! connected to a host by then, as in Envoy. A connection that is refused is closed, after `delay_deny` if that is
//! given. What a connection does not have (headers, a path) matches nothing but its negation. Trust: addresses are the
//! socket's or the PROXY header's. Envoy's documentation: network filters, Role Based Access Control (RBAC).
//!
//! Refused as not supported yet: `enforce_on_transport_ready`, and what the rules of the HTTP filter do not have either.

mod config;
mod filter;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.rbac",
    message: "envoy.extensions.filters.network.rbac.v3.RBAC",
    parse: config::parse,
    support: |table| {
        config::Rbac::support(table);
        nuncio_contract::rbac::support(table);
    },
};
