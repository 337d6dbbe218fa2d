//! `envoy.filters.http.match_delegate`: runs another filter but for streams that a tree of matchers says are to skip it,
//! or tells a composite filter which filters to run.
//!
//! The tree is asked whenever more of the stream is known, until it decides; until then the filter runs. A level of the
//! route table may have another tree; without any the filter is skipped. What levels have for the inner filter goes by
//! the name of this one. Limits: the inner filter's. Trust: what a client sends chooses whether a filter runs, so that
//! one that protects something must not be skipped by what clients say of themselves. Envoy's documentation: HTTP
//! filters, Match Delegate. The deprecated `matcher`, filters that end a chain, and trees of routes that ask of trailers
//! are refused as not supported yet.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.match_delegate",
    message: "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::ExtensionWithMatcher::support(table);
        config::ExtensionWithMatcherPerRoute::support(table);
        crate::delegation::support(table);
    },
};
