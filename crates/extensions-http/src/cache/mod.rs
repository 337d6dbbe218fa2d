//! `envoy.filters.http.cache`: keeps answers, in memory or in files, and serves them again, by the rules of RFC 9111 as
//! Envoy reads them: freshness from `cache-control`, `expires` and `date`, `vary` by an allow list, ranges of what is kept,
//! validation by `if-none-match` and `if-modified-since`, and the client's wishes in `cache-control`.
//!
//! All filters of the process share one store in memory, as in Envoy, and those of one `cache_path` one in files. Trust:
//! what is kept is chosen by hosts and asked for by anybody, so that there are limits, where Envoy has none: 128 MiB in
//! memory, 16 MiB a body (`max_body_bytes` for less), 64 MiB of bodies that are still coming or being written; what was
//! used longest ago goes first.
//!
//! Different from Envoy: a request that is not served goes on through the filters behind this one and by its route, with its
//! timeouts, retries and rewrites, where Envoy asks the cluster past all of them; an answer to a part (206) is never kept,
//! which Envoy serves to whoever asks for the whole; an answer is kept only if the client took it to its end. What is served
//! does not pass the response path of the filters behind this one. Not there: `key_creator_params`.
//! Envoy's documentation: HTTP filters, cache.

mod config;
mod filter;
mod kept;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

use crate::caching::messages::FileSystemHttpCacheConfig;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.cache",
    message: "envoy.extensions.filters.http.cache.v3.CacheConfig",
    parse: config::parse,
    per_route: None,
    support: |table| {
        config::CacheConfig::support(table);
        config::SimpleHttpCacheConfig::support(table);
        FileSystemHttpCacheConfig::support(table);
    },
};
