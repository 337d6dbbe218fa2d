//! `envoy.filters.http.csrf`: refuses requests that change something (POST, PUT, DELETE, PATCH) where the page that
//! sends them is of another origin than the target.
//!
//! Where a request comes from is the host and port in `origin`, or if that is empty, in `referer`; an origin of `null`
//! is none. No limit of its own. Trust: both headers are what the browser says; other clients may say anything.
//! Envoy's documentation: HTTP filters, CSRF.

mod config;
mod filter;
mod origin;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.csrf",
    message: "envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
        parse: config::parse_per_route,
    }),
    support: |table| config::CsrfPolicy::support(table),
};
