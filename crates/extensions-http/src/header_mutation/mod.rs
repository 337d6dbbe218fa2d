//! `envoy.filters.http.header_mutation`: adds, sets and removes headers of requests and responses.
//!
//! No limit of its own. Trust: values may hold `%OPERATORS%`, which may copy what a client sent.
//! Envoy's documentation: HTTP filters, Header Mutation. Mutations of query parameters and trailers are refused
//! as not supported yet.

mod config;
mod filter;
#[cfg(test)]
mod tests;

pub(crate) use config::{Mutation, steps};
pub(crate) use filter::change_request;
use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.header_mutation",
    message: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::HeaderMutation::support(table);
        config::HeaderMutationPerRoute::support(table);
    },
};
