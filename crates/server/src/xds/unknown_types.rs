//! Extensions of types that the API does not have, as control planes send that are newer than the proxy.
//!
//! Such an `Any` comes unopened (`nuncio_config::wire`), and is wrong where somebody wants what is in it; this says so in
//! Envoy's words.

use nuncio_config::tree::{Any, Message, Value};

/// What an `Any` has inside that was not opened.
const UNOPENED: &str = "google.protobuf.Any";

/// Envoy's words for the first extension of a type that nobody knows, if there is one.
pub(super) fn complaint(message: &Message) -> Option<String> {
    let mut values = message.entries().iter().map(|entry| &entry.value);
    values.find_map(|value| complaint_of(value, message))
}

fn complaint_of(value: &Value, around: &Message) -> Option<String> {
    match value {
        Value::Any(any) if is_unopened(any) => {
            let name = around.get_by_name("name");
            let name = name.and_then(|entry| entry.value.as_str());
            Some(format!(
                "Didn't find a registered implementation for '{}' with type URL: '{}'",
                name.unwrap_or_default(),
                any.type_name()
            ))
        }
        Value::Any(any) => complaint(&any.message),
        Value::Message(inner) => complaint(inner),
        Value::List(items) => {
            let mut items = items.iter();
            items.find_map(|item| complaint_of(&item.value, around))
        }
        Value::Map(items) => {
            let mut items = items.iter();
            items.find_map(|item| complaint_of(&item.value, around))
        }
        _ => None,
    }
}

fn is_unopened(any: &Any) -> bool {
    !any.type_url.is_empty() && any.message.name() == UNOPENED && any.type_name() != UNOPENED
}

#[cfg(test)]
mod tests {
    use nuncio_config::diagnostic::Diagnostics;
    use nuncio_config::wire::discovery::{RawAny, open};

    use super::*;

    fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).expect("it is short");
        [&[number << 3 | 2, length], value].concat()
    }

    #[test]
    fn the_extension_is_named_and_what_nobody_has_to_know_is_not_wrong() {
        let socket = |type_name: &str| {
            let url = format!("type.googleapis.com/{type_name}");
            let config = bytes(3, &bytes(1, url.as_bytes()));
            let socket = [bytes(1, b"new"), config].concat();
            let filter_chain = bytes(6, &socket);
            let raw = RawAny {
                type_url: "type.googleapis.com/envoy.config.listener.v3.Listener".to_owned(),
                value: bytes(3, &filter_chain),
            };
            let any = open(&raw, &mut Vec::new(), &mut Diagnostics::default());
            complaint(&any.expect("it opens").message)
        };
        let complaint = socket("of.Tomorrow");
        let expected =
            "Didn't find a registered implementation for 'new' with type URL: 'of.Tomorrow'";
        assert_eq!(complaint.as_deref(), Some(expected));
        let known = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
        assert_eq!(socket(known), None);
    }
}
