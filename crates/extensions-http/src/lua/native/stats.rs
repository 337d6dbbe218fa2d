//! Counters, gauges and histograms that scripts have.

use mlua::{Lua, String as LuaString, Table};

use crate::lua::live::Slot;

pub(super) fn add(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let find = move |_: &Lua, (kind, name, unit): (u8, LuaString, LuaString)| {
        let stats = std::rc::Rc::clone(&own.live().stats);
        Ok(
            match stats.find(kind, &name.to_string_lossy(), &unit.to_string_lossy()) {
                Ok(place) => (Some(place), None),
                Err(why) => (None, Some(why)),
            },
        )
    };
    table.set("stat_of", lua.create_function(find)?)?;
    let own = slot.clone();
    let change = move |_: &Lua, (how, place, value): (u8, usize, f64)| {
        let value = super::headers::whole(value).unwrap_or_default();
        let stats = std::rc::Rc::clone(&own.live().stats);
        stats.change(how, place, u64::try_from(value).unwrap_or(u64::MAX));
        Ok(())
    };
    table.set("stat", lua.create_function(change)?)?;
    let own = slot.clone();
    let read = move |_: &Lua, (kind, place): (u8, usize)| {
        let stats = std::rc::Rc::clone(&own.live().stats);
        Ok(stats.value(kind, place) as f64)
    };
    table.set("stat_value", lua.create_function(read)?)
}
