//! `envoy.filters.network.thrift_proxy`: calls of Thrift go to the clusters that routes choose, on connections that
//! serve one call after another.
//!
//! A connection (`session.rs`) reads messages (`nuncio_codec::thrift`). Each is a call of its own (`call/`): its route
//! is found once its head is there (`routes.rs`), the filters see it (`filters/`), and when it is there whole it goes to
//! a host (`exchange.rs`), in what the host speaks. Answers go to the client as they come, with the numbers of their
//! calls.
//!
//! Limits, where Envoy has none: a message has 16,384,000 bytes at most, values stand 1,024 deep in each other; a client
//! that has 256 calls unanswered, or 1 MiB of answers unread, is not read. Defaults are Envoy's. Trust: clients and hosts
//! are trusted with what they say, as in Envoy; whatever they say stays within the limits. Envoy's documentation:
//! network filters, Thrift proxy.
//!
//! Different from Envoy: a call goes to its host once it is there whole, where Envoy begins with its head; a connection
//! of a host that says more than was asked for is closed. Refused as not supported yet: routes from control planes
//! (`trds`), Twitter's protocol, filters behind the router.
#![forbid(unsafe_code)]

mod call;
mod cluster_stats;
mod config;
mod context;
mod exchange;
mod filters;
mod messages;
mod on_worker;
mod proxy;
mod reply;
mod routes;
mod session;
mod stats;

use nuncio_config::typed::{FromValue, SupportTable};

pub use config::ThriftProxyConfig;
pub use context::CompileContext;
pub use proxy::ThriftProxy;

/// Envoy's name of the filter.
pub const NAME: &str = "envoy.filters.network.thrift_proxy";
/// The full name of its message.
pub const MESSAGE: &str = "envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy";

/// Adds what the crate honours to the support table.
pub fn support(table: &mut SupportTable) {
    messages::ThriftProxyMessage::support(table);
    filters::support(table);
}
