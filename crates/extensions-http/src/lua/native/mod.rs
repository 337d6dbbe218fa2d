//! The functions behind the objects of `prelude.lua`. They act on the stream in the slot, and say what is wrong by
//! values, never by errors: those would reach scripts as something else than Lua's own.

mod body;
mod call;
mod crypto;
mod headers;
mod info;
mod log;
mod metadata;
mod stats;
mod tls;
mod values;

pub(super) use log::LOGGER;

use mlua::{Lua, Table};

use super::live::Slot;

/// All of them, by name.
pub(super) fn functions(lua: &Lua, slot: &Slot) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    log::add(lua, &table)?;
    headers::add(lua, &table, slot)?;
    body::add(lua, &table, slot)?;
    call::add(lua, &table, slot)?;
    info::add(lua, &table, slot)?;
    metadata::add(lua, &table, slot)?;
    stats::add(lua, &table, slot)?;
    tls::add(lua, &table, slot)?;
    crypto::add(lua, &table)?;
    Ok(table)
}
