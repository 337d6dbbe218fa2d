//! `envoy.filters.http.rbac`: lets requests through or refuses them by policies, each of permissions (what is asked
//! for) and principals (who asks); shadow rules are tried and counted alone.
//!
//! Policies are looked at in the order of their names, the first that matches counts. Of several values of a header
//! each is matched on its own, never joined. What a connection without TLS does not have (a server name, a
//! certificate) matches nothing but its negation. No limit of its own; the depth of rules is that of a configuration.
//! Trust: `remote_ip` is what the connection manager makes of `x-forwarded-for`; all but addresses is what the client
//! says. Envoy's documentation: HTTP filters, Role Based Access Control (RBAC).
//!
//! CEL (conditions, and inputs of `matcher` and `shadow_matcher`) and alternative names of the type `OTHER_NAME` are
//! refused as not supported yet.

mod config;
mod filter;
mod messages;
mod stats;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.rbac",
    message: "envoy.extensions.filters.http.rbac.v3.RBAC",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        messages::Rbac::support(table);
        messages::RbacPerRoute::support(table);
        nuncio_contract::rbac::support(table);
    },
};
