//! The body: whole, or its chunks as they come; and what there is of trailers.

use mlua::{Lua, String as LuaString, Table};

use super::headers::{set_length, whole};
use crate::lua::live::Slot;

pub(super) fn add(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let body = move |_: &Lua, always: bool| Ok(own.live().whole_body(always) as u8);
    table.set("body", lua.create_function(body)?)?;
    let own = slot.clone();
    let trailers = move |_: &Lua, ()| Ok(own.live().trailers_presence() as u8);
    table.set("trailers", lua.create_function(trailers)?)?;
    add_chunks(lua, table, slot)?;
    let own = slot.clone();
    let length = move |_: &Lua, ()| Ok(own.live().body.len());
    table.set("length", lua.create_function(length)?)?;
    let own = slot.clone();
    let bytes = move |lua: &Lua, (index, length): (f64, f64)| {
        let live = own.live();
        let (Some(index), Some(length)) = (whole(index), whole(length)) else {
            return Ok(None);
        };
        let end = index.saturating_add(length);
        let part = live.body.readable().get(index..end);
        part.map(|part| lua.create_string(part)).transpose()
    };
    table.set("bytes", lua.create_function(bytes)?)?;
    let own = slot.clone();
    let set = move |_: &Lua, bytes: LuaString| {
        let mut live = own.live();
        live.body.clear();
        live.body.extend(&bytes.as_bytes());
        let length = live.body.len();
        if live.progress.holds_body && !live.progress.head_is_gone {
            set_length(&mut live.headers, length);
        }
        Ok(length)
    };
    table.set("set_bytes", lua.create_function(set)?)
}

fn add_chunks(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let begin = move |_: &Lua, ()| {
        let progress = &mut own.live().progress;
        let is_new = !progress.streams && !progress.holds_body;
        progress.streams |= is_new && !progress.has_ended;
        Ok(is_new)
    };
    table.set("begin_chunks", lua.create_function(begin)?)?;
    let own = slot.clone();
    let awaits = move |_: &Lua, ()| {
        let progress = own.live().progress;
        Ok(!progress.has_ended && !progress.has_trailers)
    };
    table.set("awaits_chunk", lua.create_function(awaits)?)?;
    let own = slot.clone();
    let has = move |_: &Lua, ()| Ok(own.live().progress.has_chunk);
    table.set("has_chunk", lua.create_function(has)?)
}
