//! `envoy.filters.http.composite`: runs other filters, chosen for each stream by a tree: its own, that of a level of the
//! route table, or the one of a `match_delegate` around it.
//!
//! A filter is made when the stream's tree says so and sees the stream from there on. What ran is told in filter state
//! (`envoy.extensions.filters.http.composite.matched_actions`). Limits: those of the filters that it runs; as nobody
//! knows before which they are, it sees all bodies. Trust: what a client sends chooses among configured filters. Envoy's
//! documentation: HTTP filters, Composite. `dynamic_config` is refused as not supported yet, and so are filters that end
//! a chain. As in Envoy, a sample and a name that no chain has run nothing.

mod config;
mod filter;
mod matched;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

pub(crate) use config::{CompositeConfig, MESSAGE, compile};
pub(crate) use filter::{CompositeFilter, CompositeWorker};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.composite",
    message: MESSAGE,
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.composite.v3.CompositePerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::Composite::support(table);
        config::CompositePerRoute::support(table);
        crate::delegation::support(table);
    },
};
