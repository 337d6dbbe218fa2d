//! `envoy.filters.http.cache_v2`: keeps answers and serves them again, by the rules of RFC 9111 as Envoy reads them. What
//! is not kept yet is asked for once, by a call of the proxy's own ([`fetch`]) to the route's cluster or to
//! `override_upstream_cluster`; all who ask for it meanwhile get it as it comes ([`insertion`]). What must be validated is
//! validated once for all who wait ([`sessions`], [`flight`]). Answers that vary are not kept, ranges are served of what
//! has the status 200, and requests with a body, with credentials or with conditions pass on to the next filter.
//!
//! All filters of the process share one store in memory, and those of one `cache_path` one in files. Trust: what is kept
//! is chosen by hosts and asked for by anybody, so that there are limits, where Envoy has none: 128 MiB in memory, 16 MiB a
//! body (`max_body_bytes` for less, which Envoy does not look at), 64 MiB of bodies that are still coming, 32 MiB for what
//! is known of keys that are asked for. A body that turns out to be too large goes to those who are reading it, at the
//! pace of the slowest, and is not kept.
//!
//! Different from Envoy: a kept answer counts as asked for when its request was, so that its age covers the time its host
//! took; an answer to a part (206) is never kept; a range of what has no `content-length` and is still coming is all of it;
//! where a host's answer breaks off before its head the client gets 503. Not there: `key_creator_params`, which Envoy does
//! not look at either. Envoy's documentation: HTTP filters, cache v2.

mod config;
mod fetch;
mod filter;
mod flight;
mod insertion;
mod resolve;
mod serving;
mod sessions;
mod stats;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

use crate::caching::messages::FileSystemHttpCacheV2Config;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.cache_v2",
    message: "envoy.extensions.filters.http.cache_v2.v3.CacheV2Config",
    parse: config::parse,
    per_route: None,
    support: |table| {
        config::CacheV2Config::support(table);
        config::SimpleHttpCacheV2Config::support(table);
        FileSystemHttpCacheV2Config::support(table);
    },
};
