//! Values of metadata as values of Lua, and back.

use mlua::{IntoLua, Lua, Table, Value as LuaValue};
use nuncio_contract::stream_info::metadata::{Struct, Value};

/// How deep a table of a script may be.
const MAX_DEPTH: usize = 512;
/// How long a list may be, with its gaps.
const MAX_LIST: usize = 1 << 16;

/// A value for scripts.
pub(super) fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::Nil,
        Value::Number(number) => LuaValue::Number(*number),
        Value::Bool(value) => LuaValue::Boolean(*value),
        Value::String(text) => LuaValue::String(lua.create_string(text.as_bytes())?),
        Value::Struct(fields) => LuaValue::Table(struct_to_lua(lua, fields)?),
        Value::List(values) => {
            let table = lua.create_table()?;
            for (at, value) in values.iter().enumerate() {
                table.raw_set(at + 1, to_lua(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

/// A structure for scripts.
pub(super) fn struct_to_lua(lua: &Lua, fields: &Struct) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in fields.fields() {
        table.raw_set(name.into_lua(lua)?, to_lua(lua, value)?)?;
    }
    Ok(table)
}

/// A script's value, or what is wrong with it.
pub(super) fn from_lua(value: &LuaValue, depth: usize) -> Result<Value, String> {
    Ok(match value {
        LuaValue::Nil => Value::Null,
        LuaValue::Boolean(value) => Value::Bool(*value),
        LuaValue::Integer(number) => Value::Number(*number as f64),
        LuaValue::Number(number) => Value::Number(*number),
        LuaValue::String(text) => Value::String(text.to_string_lossy().into()),
        LuaValue::Table(_) if depth >= MAX_DEPTH => return Err("table is too deep".to_owned()),
        LuaValue::Table(table) if is_object(table) => {
            return Err("unexpected type 'userdata' in dynamicMetadata".to_owned());
        }
        LuaValue::Table(table) => from_table(table, depth + 1)?,
        other => {
            let kind = other.type_name();
            return Err(format!("unexpected type '{kind}' in dynamicMetadata"));
        }
    })
}

/// Whether a table is one of the objects of `prelude.lua`.
fn is_object(table: &Table) -> bool {
    let marked = table.metatable().map(|meta| meta.raw_get("is_of_envoy"));
    matches!(marked, Some(Ok(LuaValue::Boolean(true))))
}

/// A list if all keys are places of one, else a structure.
fn from_table(table: &Table, depth: usize) -> Result<Value, String> {
    let mut pairs = Vec::new();
    for pair in table.pairs::<LuaValue, LuaValue>() {
        pairs.push(pair.map_err(|error| error.to_string())?);
    }
    let places: Option<Vec<usize>> = pairs.iter().map(|(key, _)| place(key)).collect();
    match places {
        Some(places) if !places.is_empty() => list(&places, &pairs, depth),
        _ => structure(&pairs, depth).map(Value::Struct),
    }
}

/// The place in a list that a key stands for.
fn place(key: &LuaValue) -> Option<usize> {
    let number = match key {
        LuaValue::Integer(number) => usize::try_from(*number).ok()?,
        LuaValue::Number(number) if number.fract() == 0.0 => super::headers::whole(*number)?,
        _ => return None,
    };
    number.checked_sub(1)
}

fn list(places: &[usize], pairs: &[(LuaValue, LuaValue)], depth: usize) -> Result<Value, String> {
    let last = places.iter().copied().max().unwrap_or_default();
    if last >= MAX_LIST {
        return Err("list is too long".to_owned());
    }
    let mut values = vec![Value::Null; last + 1];
    for (at, (_, value)) in places.iter().zip(pairs) {
        if let Some(place) = values.get_mut(*at) {
            *place = from_lua(value, depth)?;
        }
    }
    Ok(Value::List(values))
}

fn structure(pairs: &[(LuaValue, LuaValue)], depth: usize) -> Result<Struct, String> {
    let field = |(key, value): &(LuaValue, LuaValue)| match key {
        LuaValue::String(name) => Ok((name.to_string_lossy(), from_lua(value, depth)?)),
        other => {
            let kind = match other.type_name() {
                "integer" => "number",
                kind => kind,
            };
            Err(format!(
                "unexpected type {kind} in table key (only string keys are supported)"
            ))
        }
    };
    pairs.iter().map(field).collect()
}
