//! Network filters and listener filters, one room each. A room is a folder: `mod.rs` says what it is, its limits and its trust;
//! `config.rs` parses its messages once; `filter.rs` is what it does. A new room is its folder and one line in
//! [`ROOMS`] or [`LISTENER_ROOMS`].
#![forbid(unsafe_code)]

use nuncio_contract::registry::{ListenerFilterRoom, NetworkFilterRoom};

pub mod connection_limit;
pub mod direct_response;
pub mod echo;
pub mod ext_authz;
pub mod ext_proc;
pub mod geoip;
pub mod listener;
pub mod local_ratelimit;
pub mod ratelimit;
pub mod rbac;
pub mod set_filter_state;
pub mod sni_cluster;
pub mod sni_dynamic_forward_proxy;
pub mod tcp_bandwidth_limit;
#[cfg(test)]
mod tests;

/// Every listener filter's room.
pub static LISTENER_ROOMS: &[&ListenerFilterRoom] = &[
    &listener::http_inspector::ROOM,
    &listener::local_ratelimit::ROOM,
    &listener::original_dst::ROOM,
    &listener::original_src::ROOM,
    &listener::proxy_protocol::ROOM,
    &listener::set_filter_state::ROOM,
    &listener::tls_inspector::ROOM,
];

/// Every network filter's room.
pub static ROOMS: &[&NetworkFilterRoom] = &[
    &connection_limit::ROOM,
    &direct_response::ROOM,
    &echo::ROOM,
    &ext_authz::ROOM,
    &ext_proc::ROOM,
    &geoip::ROOM,
    &local_ratelimit::ROOM,
    &ratelimit::ROOM,
    &rbac::ROOM,
    &set_filter_state::ROOM,
    &sni_cluster::ROOM,
    &sni_dynamic_forward_proxy::ROOM,
    &tcp_bandwidth_limit::ROOM,
];
