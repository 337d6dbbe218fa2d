//! `envoy.filters.http.lua`: runs scripts of Lua over requests and responses. A script is a coroutine that gives way
//! while it waits for a body, trailers or a call; each worker has a state of Lua for each script.
//!
//! Limits: a body that a script holds, as for all filters; tables that become metadata are at most 512 deep and lists
//! 65,536 long; 4,096 stats of a kind. Trust: scripts are the operator's and are trusted with time and memory, as in
//! Envoy; but they get no unsafe libraries (`ffi`, most of `debug`, modules in C), cannot make headers that would be
//! others on the wire, and what they keep of a stream fails when it is used after its turn.
//!
//! Where it differs from Envoy: objects are tables, not userdata; a body can be asked for after a call, however much of
//! it has come meanwhile; typed metadata, metadata of connections and OIDs of certificates are always empty; spans of
//! calls are not made. Envoy's documentation: HTTP filters, Lua.

pub mod cluster_specifier;
mod config;
mod direction;
mod filter;
mod live;
mod messages;
mod native;
mod script_stats;
#[cfg(test)]
mod tests;
mod vm;
mod worker;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.lua",
    message: "envoy.extensions.filters.http.lua.v3.Lua",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.lua.v3.LuaPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        messages::Lua::support(table);
        messages::LuaPerRoute::support(table);
    },
};
