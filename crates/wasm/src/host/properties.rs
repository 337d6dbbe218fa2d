//! Attributes of streams, and what plugins set beside them: objects of filter state named `wasm.<path>`.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nuncio_config::base64;
use nuncio_contract::cel::{NoProperty, PropertyContext};
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stream_info::FilterStateObject;

use super::Host;
use super::guest::Guest;
use super::link::Arguments;
use crate::pairs;
use crate::status::{Done, Status};

/// What stands before the names of set properties.
const PREFIX: &str = "wasm.";

/// How a property was declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    /// It can be set once.
    pub(crate) is_fixed: bool,
}

/// A property that a plugin set.
struct Property {
    value: Vec<u8>,
    is_fixed: bool,
}

impl FilterStateObject for Property {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        Some(String::from_utf8_lossy(&self.value).into_owned())
    }

    fn serialize_as_json(&self) -> Option<String> {
        let value = base64::encode(&self.value);
        Some(format!(
            "{{\"@type\":\"type.googleapis.com/google.protobuf.BytesValue\",\"value\":\"{value}\"}}"
        ))
    }
}

/// What attributes know of the process.
pub(super) struct Process(pub(super) Option<Arc<LocalNode>>);

impl Clock for Process {
    fn now(&self) -> Instant {
        SystemClock.now()
    }

    fn wall(&self) -> SystemTime {
        SystemClock.wall()
    }
}

impl WorkerServices for Process {
    fn random_u64(&self) -> u64 {
        0
    }

    fn sleep(&self, _duration: Duration) -> LocalFuture<()> {
        Box::pin(std::future::pending())
    }

    fn local_node(&self) -> Option<Arc<LocalNode>> {
        self.0.clone()
    }
}

/// Calls `ask` with what the context that is worked for may ask.
pub(super) fn asking<T>(host: &mut Host, ask: impl FnOnce(&PropertyContext<'_>) -> T) -> T {
    let sight = host.sight();
    let process = Process(host.node.clone());
    let live = &host.live;
    ask(&PropertyContext {
        info: &live.info,
        request: sight.request.then_some(&live.request),
        response: sight.response.then_some(&live.response),
        trailers: sight.response_trailers.then_some(&live.response_trailers),
        services: &process,
    })
}

/// Why a value cannot be had, as plugins are told.
pub(super) fn status_of(why: NoProperty) -> Status {
    match why {
        NoProperty::Missing => Status::NotFound,
        NoProperty::NoBytes => Status::SerializationFailure,
        NoProperty::Failed => Status::InternalFailure,
    }
}

pub(crate) fn get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let path = guest.read(args.u32(0), args.u32(1))?;
    let value = find(guest.host(), &path)?;
    guest.give(&value, args.u32(2), args.u32(3))
}

fn find(host: &mut Host, path: &[u8]) -> Done<Vec<u8>> {
    let path = path.strip_suffix(b"\0").unwrap_or(path);
    let text = std::str::from_utf8(path).map_err(|_| Status::NotFound)?;
    if text.is_empty() {
        return Err(Status::SerializationFailure);
    }
    let names: Vec<&str> = text.split('\0').collect();
    let first = names.first().copied().unwrap_or_default();
    let has_stream = host.live.context != 0 && host.live.context == host.at_work();
    let found = match has_stream || first == "xds" {
        true => asking(host, |asking| asking.find(&names, &|all| pairs::write(all))),
        false => Err(NoProperty::Missing),
    };
    match found {
        Ok(value) => return Ok(value),
        Err(NoProperty::Missing) => {}
        Err(other) => return Err(status_of(other)),
    }
    if names.len() > 1 {
        return Err(Status::NotFound);
    }
    own(host, first, has_stream)
}

/// What only plugins know.
fn own(host: &mut Host, name: &str, has_stream: bool) -> Done<Vec<u8>> {
    let plugin = host.context().plugin.clone();
    match name {
        "plugin_name" => plugin
            .map(|plugin| plugin.name.as_bytes().to_vec())
            .ok_or(Status::NotFound),
        "plugin_root_id" => {
            Ok(plugin.map_or_else(Vec::new, |plugin| plugin.root_id.as_bytes().to_vec()))
        }
        "plugin_vm_id" => Ok(host.base.vm_id.as_str().as_bytes().to_vec()),
        "connection_id" if has_stream && !host.sight().is_logged => {
            Ok(host.live.info.connection.id.to_le_bytes().to_vec())
        }
        _ if has_stream => {
            let name = format!("{PREFIX}{name}");
            let info = &host.live.info;
            let object = info.object(&name).or_else(|| {
                let upstream = info.upstream.filter_state.as_deref();
                upstream.and_then(|state| state.get(&name))
            });
            let object = object.ok_or(Status::NotFound)?;
            match object.as_any().downcast_ref::<Property>() {
                Some(property) => Ok(property.value.clone()),
                None => object
                    .serialize_as_string()
                    .map(String::into_bytes)
                    .ok_or(Status::NotFound),
            }
        }
        _ => Err(Status::NotFound),
    }
}

pub(crate) fn set(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let path = guest.read(args.u32(0), args.u32(1))?;
    let value = guest.read(args.u32(2), args.u32(3))?;
    let host = guest.host();
    if host.live.context == 0 || host.live.context != host.at_work() || host.sight().is_logged {
        return Err(Status::NotFound);
    }
    let root = host.root_id();
    let declared = host.contexts.get(&root);
    let declared = declared.and_then(|root| root.declared.get(&path).copied());
    let name = format!("{PREFIX}{}", String::from_utf8_lossy(&path));
    let state = host.live.info.filter_state_mut();
    if let Some(property) = state.get_mut_as::<Property>(&name) {
        if property.is_fixed {
            return Err(Status::BadArgument);
        }
        property.value = value;
        return Ok(());
    }
    let is_fixed = declared.unwrap_or_default().is_fixed;
    state.set(&name, Box::new(Property { value, is_fixed }));
    Ok(())
}
