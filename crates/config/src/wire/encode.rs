//! Messages of the tree to protobuf's binary format, by the API's tables: fields by ascending number, repeated numbers
//! packed, as protobuf's own writer has it.

use nuncio_api::{self as api, Cardinality, Kind};

use super::writer::Writer;
use crate::interpret::wrapped;
use crate::tree::{Any, Item, Json, MapItem, Message, Value};

/// The bytes of a message.
pub fn encode(message: &Message) -> Vec<u8> {
    let mut writer = Writer::default();
    for entry in message.entries() {
        let Some(field) = message.descriptor.field_by_number(entry.number) else {
            continue;
        };
        if entry.value.is_default() && !field.has_presence() {
            continue;
        }
        match (field.cardinality(), &entry.value) {
            (Cardinality::Repeated, Value::List(items)) => {
                list(&mut writer, entry.number, field.kind(), items);
            }
            (Cardinality::Map { key, value }, Value::Map(items)) => {
                for item in items {
                    writer.bytes(entry.number, &map_item(item, key, value));
                }
            }
            _ => single(&mut writer, entry.number, field.kind(), &entry.value),
        }
    }
    writer.finish()
}

fn list(writer: &mut Writer, number: u32, kind: Kind, items: &[Item]) {
    if matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_)) {
        for item in items {
            single(writer, number, kind, &item.value);
        }
        return;
    }
    let mut packed = Writer::default();
    for item in items {
        let bits = bits(kind, &item.value);
        match kind {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
                bits.to_le_bytes()
                    .iter()
                    .for_each(|byte| packed.byte(*byte));
            }
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
                low_half(bits)
                    .to_le_bytes()
                    .iter()
                    .for_each(|byte| packed.byte(*byte));
            }
            _ => packed.varint(bits),
        }
    }
    writer.bytes(number, &packed.finish());
}

fn map_item(item: &MapItem, key: Kind, kind: Kind) -> Vec<u8> {
    let mut writer = Writer::default();
    match key {
        Kind::String => writer.bytes(1, item.key.as_bytes()),
        Kind::Bool => writer.number(1, u64::from(&*item.key == "true")),
        _ => {
            let signed = item.key.parse::<i64>().map(i64::cast_unsigned);
            let bits = signed.or_else(|_| item.key.parse::<u64>());
            let value = Value::U64(bits.unwrap_or(0));
            single(&mut writer, 1, key, &value);
        }
    }
    single(&mut writer, 2, kind, &item.value);
    writer.finish()
}

/// One value of a field.
fn single(writer: &mut Writer, number: u32, kind: Kind, value: &Value) {
    match (kind, value) {
        (Kind::Message(descriptor), value) => writer.bytes(number, &message(descriptor, value)),
        (_, Value::String(text)) => writer.bytes(number, text.as_bytes()),
        (_, Value::Bytes(bytes)) => writer.bytes(number, bytes),
        (Kind::Double | Kind::Fixed64 | Kind::Sfixed64, value) => {
            writer.fixed64(number, bits(kind, value));
        }
        (Kind::Float | Kind::Fixed32 | Kind::Sfixed32, value) => {
            writer.fixed32(number, low_half(bits(kind, value)));
        }
        (kind, value) => writer.number(number, bits(kind, value)),
    }
}

/// A message in whichever shape the tree has it.
fn message(descriptor: api::Message, value: &Value) -> Vec<u8> {
    let name = descriptor.full_name();
    match value {
        Value::Message(message) => encode(message),
        Value::Any(inner) => any(inner),
        Value::Json(inner) => json(name.trim_start_matches("google.protobuf."), inner),
        Value::Duration(seconds, nanos) | Value::Timestamp(seconds, nanos) => {
            let mut writer = Writer::default();
            if *seconds != 0 {
                writer.number(1, seconds.cast_unsigned());
            }
            if *nanos != 0 {
                writer.number(2, i64::from(*nanos).cast_unsigned());
            }
            writer.finish()
        }
        value => {
            let mut writer = Writer::default();
            if let Some(kind) = wrapped(name)
                && !value.is_default()
            {
                single(&mut writer, 1, kind, value);
            }
            writer.finish()
        }
    }
}

fn any(any: &Any) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(1, &any.type_url);
    let bytes = match any.message.entries() {
        [entry] if is_bare(any.message.name()) => message(any.message.descriptor, &entry.value),
        _ => encode(&any.message),
    };
    if !bytes.is_empty() {
        writer.bytes(2, &bytes);
    }
    writer.finish()
}

/// Whether a message of this type is held as its one value, see [`Any::message`].
fn is_bare(name: &str) -> bool {
    let short = name.strip_prefix("google.protobuf.");
    let shapes = [
        "Struct",
        "Value",
        "ListValue",
        "Duration",
        "Timestamp",
        "Any",
    ];
    short.is_some_and(|short| shapes.contains(&short)) || wrapped(name).is_some()
}

fn json(name: &str, json_value: &Json) -> Vec<u8> {
    let mut writer = Writer::default();
    match (name, json_value) {
        ("Struct", Json::Object(members)) => {
            for (key, value) in members {
                let mut member = Writer::default();
                member.bytes(1, key.as_bytes());
                member.bytes(2, &json("Value", value));
                writer.bytes(1, &member.finish());
            }
        }
        ("ListValue", Json::List(items)) => {
            items
                .iter()
                .for_each(|item| writer.bytes(1, &json("Value", item)));
        }
        (_, Json::Null) => writer.number(1, 0),
        (_, Json::Number(number)) => writer.fixed64(2, number.to_bits()),
        (_, Json::String(text)) => writer.bytes(3, text.as_bytes()),
        (_, Json::Bool(value)) => writer.number(4, u64::from(*value)),
        (_, Json::Object(_)) => writer.bytes(5, &json("Struct", json_value)),
        (_, Json::List(_)) => writer.bytes(6, &json("ListValue", json_value)),
    }
    writer.finish()
}

/// A number's bits on the wire.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a float was one before it was read"
)]
fn bits(kind: Kind, value: &Value) -> u64 {
    match (kind, value) {
        (_, Value::Bool(value)) => u64::from(*value),
        (Kind::Sint32 | Kind::Sint64, Value::I64(value)) => {
            ((value << 1) ^ (value >> 63)).cast_unsigned()
        }
        (_, Value::I64(value)) => value.cast_unsigned(),
        (_, Value::U64(value)) => *value,
        (Kind::Float, Value::F64(value)) => u64::from((*value as f32).to_bits()),
        (_, Value::F64(value)) => value.to_bits(),
        (_, Value::Enum(number)) => i64::from(*number).cast_unsigned(),
        _ => 0,
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the wire format says so")]
fn low_half(bits: u64) -> u32 {
    bits as u32
}
