//! `envoy.filters.http.ip_tagging`: tells by a header which sets of address ranges the client's address is in.
//!
//! The tags are in the config, or in a file of YAML or JSON that is read at load (8 MiB at most); a watched directory is
//! not supported yet. They go to `x-envoy-ip-tags`, behind what is there, or to `ip_tag_header`: in the place of what
//! clients sent (`SANITIZE`, which takes it away where there is no tag) or behind it. Afterwards the route is looked for
//! again. `request_type` leaves out external or internal requests, the runtime's `ip_tagging.http_filter_enabled` a share.
//!
//! A look-up costs one hash for each length of prefix that is in use, however many ranges there are. Several tags stand in
//! the order of the config; in Envoy, in any. A file's counters are its filter's own; in Envoy those of whoever read it
//! first. Envoy's documentation: HTTP filters, IP tagging.

mod config;
mod file;
mod filter;
mod tags;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.ip_tagging",
    message: "envoy.extensions.filters.http.ip_tagging.v3.IPTagging",
    parse: config::parse,
    per_route: None,
    support: config::IpTagging::support,
};
