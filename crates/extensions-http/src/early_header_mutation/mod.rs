//! `envoy.http.early_header_mutation.header_mutation`: adds, sets and removes headers of a request before its route is
//! looked for, so that routes see them.
//!
//! No limit of its own. Trust: values may hold `%OPERATORS%`, which may copy what a client sent; what they make is
//! sanitised as if the client had sent it. Follows Envoy's "early header mutation". Different from Envoy: `:path` and
//! the like, and `host`, cannot be removed.

mod config;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::early_header_mutation::EarlyHeaderMutationRoom;

/// The room.
pub static ROOM: EarlyHeaderMutationRoom = EarlyHeaderMutationRoom {
    name: "envoy.http.early_header_mutation.header_mutation",
    message: "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
    parse: config::parse,
    support: config::EarlyMutation::support,
};
