//! What scripts may know of the stream, and where they may send it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use mlua::{Lua, String as LuaString, Table};
use nuncio_contract::stream_info::{Address, FilterStateObject, Protocol, StreamInfo, WantedHost};

use crate::lua::live::Slot;

/// The status where a host is wanted that there is not.
const NO_HOST: u16 = 503;

/// What the methods of `streamInfo()` give, in their order in `prelude.lua`.
fn text_of(info: &StreamInfo, at: u8) -> String {
    let connection = &*info.connection;
    let address = |address: Option<&Address>| address.and_then(Address::serialize_as_string);
    let name = |name: &Option<std::sync::Arc<str>>| name.as_deref().map(str::to_owned);
    let text = match at {
        1 => info.protocol.map(Protocol::as_str).map(str::to_owned),
        2 => name(&info.route_name),
        3 => name(&info.virtual_cluster_name),
        4 => address(connection.local_address.as_ref()),
        5 => address(connection.direct_local_address.as_ref()),
        6 => address(info.downstream_remote_address()),
        7 => address(connection.direct_remote_address.as_ref()),
        _ => Some(connection.requested_server_name.to_string()),
    };
    text.unwrap_or_default()
}

fn since_epoch(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// The address of a host, with or without its port, as it is logged; none if it is none.
fn host_address(text: &str) -> Option<Box<str>> {
    let is_socket = text.parse::<SocketAddr>().is_ok();
    let is_ip = text.parse::<std::net::IpAddr>().is_ok();
    (is_socket || is_ip).then(|| text.into())
}

pub(super) fn add(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let info = move |_: &Lua, at: u8| Ok(text_of(&own.live().info, at));
    table.set("info", lua.create_function(info)?)?;
    let own = slot.clone();
    let milliseconds = move |_: &Lua, ()| {
        let now = since_epoch(own.live().now);
        Ok(now.as_millis() as f64)
    };
    table.set("milliseconds", lua.create_function(milliseconds)?)?;
    let own = slot.clone();
    let time_text = move |_: &Lua, micros: bool| {
        let now = since_epoch(own.live().now);
        Ok(match micros {
            true => now.as_micros().to_string(),
            false => now.as_millis().to_string(),
        })
    };
    table.set("time_text", lua.create_function(time_text)?)?;
    let own = slot.clone();
    let host = move |_: &Lua, (host, strict): (LuaString, bool)| {
        let Some(address) = host_address(&host.to_string_lossy()) else {
            return Ok(false);
        };
        own.live().info.upstream.wanted_host = Some(Box::new(WantedHost {
            address,
            status_without_it: strict.then_some(NO_HOST),
        }));
        Ok(true)
    };
    table.set("override_host", lua.create_function(host)?)?;
    let own = slot.clone();
    let clear = move |_: &Lua, ()| {
        own.live().clears_route = true;
        Ok(())
    };
    table.set("clear_route", lua.create_function(clear)?)?;
    let own = slot.clone();
    let drain = move |_: &Lua, ()| {
        own.live().drains = true;
        Ok(())
    };
    table.set("drain", lua.create_function(drain)?)
}
