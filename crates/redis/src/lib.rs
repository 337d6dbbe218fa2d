//! `envoy.filters.network.redis_proxy`: clients' commands go to the hosts that their keys belong to, on connections
//! that all clients of a worker share.
//!
//! A connection (`session.rs`) reads commands, which are begun at once (`splitter/`) and answered in their order. A
//! command goes to the cluster of its key's prefix (`routes.rs`) and there to the host of the key's hash, on the
//! worker's one connection to it (`client/`); some are taken apart and put together again, some go to all hosts, some
//! are answered here. Transactions have connections of their own (`transaction.rs`).
//!
//! Limits, where Envoy has none: a command and an answer have 512 MiB, an array 2^20 values; a client that has 1,024
//! commands unanswered, or 1 MiB of answers unread, is not read. Defaults are Envoy's. Trust: clients are let in by
//! `downstream_auth_*`; hosts are trusted with what they answer. Envoy's documentation: network filters, Redis proxy.
//!
//! Different from Envoy: a command follows 16 redirections at most; `INFO` is not added up over several hosts; a host that was removed keeps its connection until another is opened. Refused as not
//! supported yet: version 3 of the protocol, `external_auth_provider`.
#![forbid(unsafe_code)]

mod around;
mod client;
mod commands;
mod config;
mod faults;
mod messages;
mod on_worker;
mod proxy;
mod routes;
mod session;
mod splitter;
mod stats;
mod targets;
mod transaction;

use nuncio_config::typed::{FromValue, SupportTable};

pub use config::RedisProxyConfig;
pub use proxy::RedisProxy;
pub use targets::CompileContext;

/// Envoy's name of the filter.
pub const NAME: &str = "envoy.filters.network.redis_proxy";
/// The full name of its message.
pub const MESSAGE: &str = "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy";

/// Adds what the crate honours to the support table.
pub fn support(table: &mut SupportTable) {
    messages::RedisProxyMessage::support(table);
}
