//! Messages made of fields by name, for services that are told of what runs here.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::tree::{Entry, Item, Message, Value};
use nuncio_contract::stream_info::Address;
use nuncio_upstream::cluster::Locality;

/// A message with these fields; those that the API does not have are left out.
pub(crate) fn message(name: &str, fields: Vec<(&str, Value)>) -> Option<Message> {
    let descriptor = nuncio_api::message(name)?;
    let entry = |(name, value)| {
        let number = descriptor.field(name)?.number();
        Some(Entry::new(number, Span::NONE, Span::NONE, value))
    };
    let entries = fields.into_iter().filter_map(entry).collect();
    Some(Message::with_entries(descriptor, Span::NONE, entries))
}

/// The same as a value.
pub(crate) fn value(name: &str, fields: Vec<(&str, Value)>) -> Option<Value> {
    Some(Value::Message(Arc::new(message(name, fields)?)))
}

/// A list.
pub(crate) fn list(values: impl IntoIterator<Item = Value>) -> Value {
    let item = |value| Item {
        span: Span::NONE,
        value,
    };
    Value::List(values.into_iter().map(item).collect())
}

/// A text.
pub(crate) fn text(text: &str) -> Value {
    Value::String(text.into())
}

/// An address as `Address`.
pub(crate) fn address(of: &Address) -> Option<Value> {
    let kind = match of {
        Address::Ip(of) => {
            let fields = vec![
                ("address", text(&of.ip().to_string())),
                ("port_value", Value::U64(of.port().into())),
            ];
            let socket = value("envoy.config.core.v3.SocketAddress", fields)?;
            ("socket_address", socket)
        }
        Address::Pipe(path) => {
            let pipe = value("envoy.config.core.v3.Pipe", vec![("path", text(path))])?;
            ("pipe", pipe)
        }
        Address::Internal(of) => {
            let mut fields = vec![("server_listener_name", text(&of.listener))];
            if !of.endpoint_id.is_empty() {
                fields.push(("endpoint_id", text(&of.endpoint_id)));
            }
            let internal = value("envoy.config.core.v3.EnvoyInternalAddress", fields)?;
            ("envoy_internal_address", internal)
        }
    };
    value("envoy.config.core.v3.Address", vec![kind])
}

/// A place as `Locality`; parts that are empty are left out.
pub(crate) fn locality(of: &Locality) -> Option<Value> {
    let parts = [
        ("region", &of.region),
        ("zone", &of.zone),
        ("sub_zone", &of.sub_zone),
    ];
    let parts = parts.into_iter().filter(|(_, part)| !part.is_empty());
    let parts = parts.map(|(name, part)| (name, text(part))).collect();
    value("envoy.config.core.v3.Locality", parts)
}
