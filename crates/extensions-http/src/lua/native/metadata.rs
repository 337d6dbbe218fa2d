//! Metadata of routes and virtual hosts, the filter's context, and metadata and state of the stream.

use std::sync::Arc;

use mlua::{Lua, String as LuaString, Table, Value};
use nuncio_contract::stream_info::metadata::{Metadata, Struct};
use nuncio_contract::stream_info::{FilterStateObject, Text};

use super::values::{from_lua, struct_to_lua, to_lua};
use crate::lua::live::{Live, Slot};

/// Where the filter's metadata is when it is not under its name in the chain.
const CANONICAL: &str = "envoy.filters.http.lua";

/// Kinds of filter state that are made of a text.
const TEXTS: [&str; 7] = [
    "envoy.string",
    "envoy.hashable_string",
    "envoy.tcp_proxy.cluster",
    "envoy.network.upstream_server_name",
    "envoy.upstream.dynamic_host",
    "envoy.network.application_protocols",
    "envoy.network.upstream_subject_alt_names",
];

/// The metadata of a route (0) or its virtual host (1), or the context (2), as far as it is the filter's.
fn fields_of<R>(live: &Live, of: u8, read: impl FnOnce(Option<&Struct>) -> R) -> R {
    let metadata: Option<&Arc<Metadata>> = match of {
        0 => live.info.route_metadata.as_ref(),
        1 => live.info.virtual_host_metadata.as_ref(),
        _ => return read(live.filter_context.as_deref()),
    };
    let own = metadata.and_then(|it| it.namespace(&live.name));
    read(own.or_else(|| metadata.and_then(|it| it.namespace(CANONICAL))))
}

pub(super) fn add(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let get = move |lua: &Lua, (of, key): (u8, LuaString)| {
        let live = own.live();
        let key = key.to_string_lossy();
        fields_of(&live, of, |fields| {
            match fields.and_then(|fields| fields.get(&key)) {
                Some(value) => Ok((true, to_lua(lua, value)?)),
                None => Ok((false, Value::Nil)),
            }
        })
    };
    table.set("metadata_get", lua.create_function(get)?)?;
    let own = slot.clone();
    let all = move |lua: &Lua, of: u8| {
        let list = lua.create_table()?;
        let live = own.live();
        fields_of(&live, of, |fields| {
            let fields = fields.into_iter().flat_map(Struct::fields);
            for (at, (name, value)) in fields.enumerate() {
                list.raw_set(at * 2 + 1, name)?;
                list.raw_set(at * 2 + 2, to_lua(lua, value)?)?;
            }
            Ok::<_, mlua::Error>(())
        })?;
        Ok(list)
    };
    table.set("metadata_all", lua.create_function(all)?)?;
    add_dynamic(lua, table, slot)?;
    add_filter_state(lua, table, slot)
}

fn add_dynamic(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let get = move |lua: &Lua, namespace: LuaString| {
        let live = own.live();
        let metadata = live.info.dynamic_metadata();
        let fields = metadata.and_then(|it| it.namespace(&namespace.to_string_lossy()));
        fields.map(|fields| struct_to_lua(lua, fields)).transpose()
    };
    table.set("dynamic_get", lua.create_function(get)?)?;
    let own = slot.clone();
    let set = move |_: &Lua, (namespace, key, value): (LuaString, LuaString, Value)| {
        let value = match from_lua(&value, 0) {
            Ok(value) => value,
            Err(why) => return Ok(Some(why)),
        };
        let mut fields = Struct::default();
        fields.insert(key.to_string_lossy(), value);
        let mut live = own.live();
        let metadata = live.info.dynamic_metadata_mut();
        metadata.merge(&namespace.to_string_lossy(), fields);
        Ok(None)
    };
    table.set("dynamic_set", lua.create_function(set)?)?;
    let own = slot.clone();
    let all = move |lua: &Lua, ()| {
        let list = lua.create_table()?;
        let live = own.live();
        let namespaces = live.info.dynamic_metadata().into_iter();
        for (name, fields) in namespaces.flat_map(Metadata::namespaces) {
            list.raw_push(name)?;
            list.raw_push(struct_to_lua(lua, fields)?)?;
        }
        Ok(list)
    };
    table.set("dynamic_all", lua.create_function(all)?)
}

fn add_filter_state(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let get = move |_: &Lua, (name, field): (LuaString, Option<LuaString>)| {
        let live = own.live();
        let object = live.info.object(&name.to_string_lossy());
        Ok(object.and_then(|object| match field {
            Some(field) => object.field(&field.to_string_lossy()),
            None => object.serialize_as_string(),
        }))
    };
    table.set("filter_state_get", lua.create_function(get)?)?;
    let own = slot.clone();
    let set = move |_: &Lua, (name, kind, value): (LuaString, LuaString, LuaString)| {
        let kind = kind.to_string_lossy();
        if !TEXTS.contains(&&*kind) {
            return Ok(Some(format!("'{kind}' does not have an object factory")));
        }
        let object: Box<dyn FilterStateObject> =
            Box::new(Text(value.to_string_lossy().into_boxed_str()));
        let mut live = own.live();
        let state = live.info.filter_state_mut();
        state.set(&name.to_string_lossy(), object);
        Ok(None)
    };
    table.set("filter_state_set", lua.create_function(set)?)
}
