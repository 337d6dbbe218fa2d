//! Headers and trailers. As in Envoy names may be in any case and values of a name are joined by commas where one is
//! asked for. Unlike there, what a script makes is never another header on the wire: a name that is none is passed over
//! and logged, and of a value what may not be in one becomes spaces (RFC 9110 section 5.5). The script goes on, since
//! one that stops before it answers lets the request through.

use std::borrow::Cow;

use mlua::{Lua, String as LuaString, Table};
use nuncio_contract::application_log::{self, Severity};
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, MapKind, is_valid_value};

use super::LOGGER;
use crate::lua::live::Slot;

/// The name that a script means; pseudo-headers are those that there are.
pub(super) fn name_of(text: &LuaString) -> Option<HeaderName> {
    let bytes = text.as_bytes();
    let name = HeaderName::parse_with_pseudo(std::str::from_utf8(&bytes).ok()?).ok()?;
    (!name.is_pseudo() || name.known().is_some()).then_some(name)
}

pub(super) fn add(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    add_readers(lua, table, slot)?;
    let own = slot.clone();
    let append = move |_: &Lua, (of, key, value): (u8, LuaString, LuaString)| {
        change(&own, of, &key, &value, |map, name, value| {
            match name.is_pseudo() {
                // There is one of each.
                true => map.append_joined(name, value),
                false => map.append(name, value),
            }
        });
        Ok(())
    };
    table.set("add", lua.create_function(append)?)?;
    let own = slot.clone();
    let replace = move |_: &Lua, (of, key, value): (u8, LuaString, LuaString)| {
        change(&own, of, &key, &value, |map, name, value| {
            map.replace(name, value);
        });
        Ok(())
    };
    table.set("replace", lua.create_function(replace)?)?;
    let own = slot.clone();
    let remove = move |_: &Lua, (of, key): (u8, LuaString)| {
        if let Some(name) = name_of(&key) {
            own.live().map_to_change(of).remove(&name);
        }
        Ok(())
    };
    table.set("remove", lua.create_function(remove)?)?;
    let own = slot.clone();
    let may_change = move |_: &Lua, of: u8| Ok(own.live().may_change(of));
    table.set("may_change", lua.create_function(may_change)?)?;
    let own = slot.clone();
    let reason = move |_: &Lua, (of, phrase): (u8, LuaString)| {
        let mut live = own.live();
        let map = live.map(of);
        if map.kind() == MapKind::Response && is_valid_value(&phrase.as_bytes()) {
            map.keep_original_case()
                .set_reason_phrase(&phrase.as_bytes());
        }
        Ok(())
    };
    table.set("reason_phrase", lua.create_function(reason)?)
}

/// Changes a map, if the name is one.
fn change(
    slot: &Slot,
    of: u8,
    key: &LuaString,
    value: &LuaString,
    act: impl FnOnce(&mut HeaderMap, &HeaderName, &[u8]),
) {
    match name_of(key) {
        Some(name) => act(
            slot.live().map_to_change(of),
            &name,
            &as_value(&value.as_bytes()),
        ),
        None => tell_of_name(key),
    }
}

/// Logs that a name is none.
pub(super) fn tell_of_name(key: &LuaString) {
    let name = key.to_string_lossy().escape_debug().to_string();
    let text = format!("script log: '{name}' is not a valid header name");
    application_log::write(Severity::Error, LOGGER, &text);
}

/// The value, with spaces for what may not be in one.
pub(super) fn as_value(bytes: &[u8]) -> Cow<'_, [u8]> {
    if is_valid_value(bytes) {
        return Cow::Borrowed(bytes);
    }
    let replaced = bytes.iter().map(|byte| match is_valid_value(&[*byte]) {
        true => *byte,
        false => b' ',
    });
    Cow::Owned(replaced.collect())
}

fn add_readers(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let get = move |lua: &Lua, (of, key): (u8, LuaString)| {
        let Some(name) = name_of(&key) else {
            return Ok(None);
        };
        let mut live = own.live();
        let mut values = live.map(of).get_all_named(&name);
        let (Some(first), second) = (values.next(), values.next()) else {
            return Ok(None);
        };
        let Some(second) = second else {
            return lua.create_string(first).map(Some);
        };
        let mut joined = [first, b",", second].concat();
        for value in values {
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        lua.create_string(joined).map(Some)
    };
    table.set("get", lua.create_function(get)?)?;
    let own = slot.clone();
    let get_at = move |lua: &Lua, (of, key, index): (u8, LuaString, f64)| {
        let mut live = own.live();
        let (Some(name), Some(index)) = (name_of(&key), whole(index)) else {
            return Ok(None);
        };
        let mut values = live.map(of).get_all_named(&name);
        values
            .nth(index)
            .map(|it| lua.create_string(it))
            .transpose()
    };
    table.set("get_at", lua.create_function(get_at)?)?;
    let own = slot.clone();
    let count = move |_: &Lua, (of, key): (u8, LuaString)| {
        let mut live = own.live();
        let count = name_of(&key).map(|name| live.map(of).get_all_named(&name).count());
        Ok(count.unwrap_or(0))
    };
    table.set("count", lua.create_function(count)?)?;
    let own = slot.clone();
    let all = move |lua: &Lua, of: u8| {
        let list = lua.create_table()?;
        for header in own.live().map(of).iter() {
            list.raw_push(lua.create_string(header.name)?)?;
            list.raw_push(lua.create_string(header.value)?)?;
        }
        Ok(list)
    };
    table.set("all", lua.create_function(all)?)
}

/// A number of Lua's that counts something.
pub(super) fn whole(number: f64) -> Option<usize> {
    let cut = number.trunc();
    // All whole numbers up to this one are numbers of Lua's.
    (0.0..=9_007_199_254_740_992.0)
        .contains(&cut)
        .then_some(cut as usize)
}

/// The length as a header has it.
pub(super) fn set_length(map: &mut HeaderMap, bytes: usize) {
    map.set_integer(
        Known::ContentLength,
        u64::try_from(bytes).unwrap_or(u64::MAX),
    );
}
