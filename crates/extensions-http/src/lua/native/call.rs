//! Calls to clusters, and answers that a script gives itself.

use std::time::Duration;

use mlua::{Lua, String as LuaString, Table, Value};
use nuncio_contract::call_span::{CallSpan, collect_in_span};
use nuncio_contract::calls::{CallAnswer, CallOptions, HttpCall};
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::tracing::SharedSpan;

use super::headers::{as_value, name_of, set_length, tell_of_name};
use crate::lua::live::{Live, Slot};

const NO_CLUSTER: &str = "http call cluster invalid. Must be configured";
const NO_HEAD: &str = "http call headers must include ':path', ':method', and ':authority'";
const NO_STATUS: &str = ":status must be between 200-599";
const ON_RESPONSE: &str = "respond not currently supported in the response path";
const TOO_LATE: &str = "respond() cannot be called if headers have been continued";

/// Details of answers that scripts give.
const DETAILS: &str = "lua_response";

pub(super) fn add(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let call = move |_: &Lua, args: CallArguments| Ok(start(&mut own.live(), &args).err());
    table.set("call", lua.create_function(call)?)?;
    let own = slot.clone();
    let answer = move |lua: &Lua, keeps_all: bool| {
        let answer = own.live().answer.take();
        let answer = answer.unwrap_or_else(broken_off);
        let body = match answer.body.is_empty() {
            true => Value::Nil,
            false => Value::String(lua.create_string(&answer.body)?),
        };
        Ok((fields(lua, &answer.headers, keeps_all)?, body))
    };
    table.set("answer", lua.create_function(answer)?)?;
    let own = slot.clone();
    let may_respond = move |_: &Lua, ()| {
        let progress = own.live().progress;
        Ok(match (progress.is_response, progress.head_is_gone) {
            (true, _) => Some(ON_RESPONSE),
            (false, true) => Some(TOO_LATE),
            (false, false) => None,
        })
    };
    table.set("may_respond", lua.create_function(may_respond)?)?;
    let own = slot.clone();
    let respond = move |_: &Lua, (list, body): (Vec<LuaString>, Option<LuaString>)| {
        Ok(match reply(&list, body.as_ref()) {
            Ok(reply) => {
                own.live().reply = Some(reply);
                None
            }
            Err(why) => Some(why),
        })
    };
    table.set("respond", lua.create_function(respond)?)
}

/// The cluster, names and values of headers in turn, the body, milliseconds for it (0 for ever), whether nobody waits,
/// whether it goes without the client's address, and whether its span is sampled, if that is said.
type CallArguments = (
    LuaString,
    Vec<LuaString>,
    Option<LuaString>,
    f64,
    bool,
    bool,
    Option<bool>,
);

/// Names and values in turn, as headers.
fn pairs(list: &[LuaString]) -> Vec<(HeaderName, Vec<u8>)> {
    let (pairs, _) = list.as_chunks::<2>();
    let headers = pairs
        .iter()
        .filter_map(|[name, value]| match name_of(name) {
            Some(name) => Some((name, as_value(&value.as_bytes()).into_owned())),
            None => {
                tell_of_name(name);
                None
            }
        });
    headers.collect()
}

fn start(live: &mut Live, args: &CallArguments) -> Result<(), &'static str> {
    let (cluster, list, body, timeout_ms, is_async, hides_address, is_sampled) = args;
    let mut head = HeaderMap::request();
    for (name, value) in pairs(list) {
        head.append(&name, &value);
    }
    let is_whole = [Known::Path, Known::Method, Known::Authority]
        .iter()
        .all(|name| head.contains(*name));
    let calls = live.calls.clone().ok_or(NO_CLUSTER)?;
    if let Some(body) = body {
        set_length(&mut head, body.as_bytes().len());
    }
    let options = CallOptions {
        timeout: (*timeout_ms >= 1.0).then(|| Duration::from_millis(*timeout_ms as u64)),
        hides_address: *hides_address,
        ..CallOptions::default()
    };
    if !is_whole {
        return Err(NO_HEAD);
    }
    let cluster = cluster.to_string_lossy();
    let mut span = CallSpan::call(SharedSpan::of(&live.info), &cluster, None);
    if let (Some(span), Some(is_sampled)) = (&mut span, is_sampled) {
        span.set_sampled(*is_sampled);
    }
    let call = CallSpan::start(span.as_ref(), &*calls, &cluster, head, options);
    let mut call: Box<dyn HttpCall> = call.ok_or(NO_CLUSTER)?;
    match body {
        Some(body) => call.send(&body.as_bytes(), true),
        None => call.send(b"", true),
    }
    if *is_async {
        calls.spawn(Box::pin(async move {
            let _nobody_asks = collect_in_span(call, span).await;
        }));
    } else {
        live.call = Some((call, span));
    }
    Ok(())
}

/// What a script is told of an answer that broke off.
fn broken_off() -> CallAnswer {
    let mut headers = HeaderMap::response();
    headers.set(Known::Status, b"503");
    CallAnswer {
        headers,
        body: b"upstream failure".to_vec(),
    }
}

/// Headers as a table; of several of one name the last counts, unless all are wanted, which then are a list.
fn fields(lua: &Lua, headers: &HeaderMap, keeps_all: bool) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for header in headers.iter() {
        let name = lua.create_string(header.name)?;
        let value = lua.create_string(header.value)?;
        let before = match keeps_all {
            true => table.raw_get::<Value>(&name)?,
            false => Value::Nil,
        };
        match before {
            Value::Nil => table.raw_set(name, value)?,
            Value::Table(list) => list.raw_push(value)?,
            first => {
                let list = lua.create_table()?;
                list.raw_push(first)?;
                list.raw_push(value)?;
                table.raw_set(name, list)?;
            }
        }
    }
    Ok(table)
}

fn reply(list: &[LuaString], body: Option<&LuaString>) -> Result<Box<LocalReply>, &'static str> {
    let mut headers = pairs(list);
    let is_status = |name: &HeaderName| name.known() == Some(Known::Status);
    let status = headers.iter().find(|(name, _)| is_status(name));
    let status = status.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
    let status = status
        .filter(|status| (200..600).contains(status))
        .ok_or(NO_STATUS)?;
    headers.retain(|(name, _)| !name.is_pseudo());
    let body = body
        .map(|body| body.as_bytes().to_vec())
        .unwrap_or_default();
    if !body.is_empty() {
        // The length stands before what a mapping of local replies adds, and is then set in its place.
        let length = HeaderName::from(Known::ContentLength);
        headers.retain(|(name, _)| *name != length);
        headers.push((length, body.len().to_string().into_bytes()));
    }
    let mut reply = LocalReply::new(status, body, DETAILS);
    reply.headers = headers;
    reply.repeats_names = true;
    Ok(Box::new(reply))
}
