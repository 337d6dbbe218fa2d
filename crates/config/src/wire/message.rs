//! Messages, lists, maps and scalars.

use std::collections::BTreeMap;
use std::sync::Arc;

use nuncio_api::{self as api, Cardinality, Kind};

use super::reader::{Reader, Wire};
use super::{Broken, Unknown, wellknown};
use crate::interpret::default_value;
use crate::span::Span;
use crate::tree::{Entry, Item, MapItem, Message, Value, merge};

/// What has been read of a field.
enum Read {
    One(Value),
    List(Vec<Item>),
    Map(Vec<MapItem>),
}

pub(super) fn decode(
    descriptor: api::Message,
    bytes: &[u8],
    depth: usize,
    unknown: &mut Unknown<'_>,
) -> Result<Message, Broken> {
    let depth = depth
        .checked_sub(1)
        .ok_or(Broken::Format("messages are nested too deep"))?;
    let mut reader = Reader::new(bytes);
    let mut read: BTreeMap<u32, Read> = BTreeMap::new();
    let (at, mut numbers) = (unknown.enter(descriptor), Vec::new());
    while let Some((number, wire)) = reader.next()? {
        let Some(field) = descriptor.field_by_number(number) else {
            unknown.found(descriptor, number, &mut numbers)?;
            continue;
        };
        if let Some(oneof) = field.oneof() {
            for other in oneof.fields().filter(|other| *other != field) {
                read.remove(&other.number());
            }
        }
        add(&mut read, field, wire, (depth, unknown))?;
    }
    unknown.leave(descriptor, at, numbers);
    let entries = read.into_iter().filter_map(|(number, read)| {
        let field = descriptor.field_by_number(number)?;
        let value = match read {
            Read::One(value) => value,
            Read::List(items) => Value::List(items.into()),
            Read::Map(items) => Value::Map(items.into()),
        };
        let implicit = !field.has_presence() && value.is_default();
        let entry = Entry::new(number, Span::NONE, Span::NONE, value);
        Some(if implicit {
            entry.mark_implicit_default()
        } else {
            entry
        })
    });
    Ok(Message::with_entries(
        descriptor,
        Span::NONE,
        entries.collect(),
    ))
}

fn add(
    read: &mut BTreeMap<u32, Read>,
    field: api::Field,
    wire: Wire<'_>,
    (depth, unknown): (usize, &mut Unknown<'_>),
) -> Result<(), Broken> {
    let kind = field.kind();
    match field.cardinality() {
        Cardinality::Singular => {
            let value = value(kind, wire, depth, unknown)?;
            let merged = match (read.remove(&field.number()), value) {
                (Some(Read::One(Value::Message(mut old))), Value::Message(new)) => {
                    merge(Arc::make_mut(&mut old), &new);
                    Value::Message(old)
                }
                (_, value) => value,
            };
            read.insert(field.number(), Read::One(merged));
        }
        Cardinality::Repeated => {
            let slot = read
                .entry(field.number())
                .or_insert_with(|| Read::List(Vec::new()));
            let Read::List(items) = slot else {
                return Ok(());
            };
            match wire {
                Wire::Bytes(packed) if is_number(kind) => unpack(kind, packed, items)?,
                wire => items.push(Item {
                    span: Span::NONE,
                    value: value(kind, wire, depth, unknown)?,
                }),
            }
        }
        Cardinality::Map { key, value: kind } => {
            let slot = read
                .entry(field.number())
                .or_insert_with(|| Read::Map(Vec::new()));
            let (Read::Map(items), Wire::Bytes(bytes)) = (slot, wire) else {
                return Err(Broken::Format("a map's entry is no message"));
            };
            items.push(map_item((key, kind), bytes, depth, unknown)?);
        }
    }
    Ok(())
}

fn map_item(
    (key_kind, kind): (Kind, Kind),
    bytes: &[u8],
    depth: usize,
    unknown: &mut Unknown<'_>,
) -> Result<MapItem, Broken> {
    let mut key = default_value(key_kind, Span::NONE);
    let mut found = default_value(kind, Span::NONE);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => key = value(key_kind, wire, depth, unknown)?,
            2 => found = value(kind, wire, depth, unknown)?,
            _ => return Err(Broken::Format("a map's entry has a third part")),
        }
    }
    let key: Box<str> = match key {
        Value::String(text) => text,
        Value::Bool(value) => value.to_string().into(),
        Value::I64(value) => value.to_string().into(),
        Value::U64(value) => value.to_string().into(),
        _ => return Err(Broken::Format("a map's key is no key")),
    };
    Ok(MapItem {
        key,
        key_span: Span::NONE,
        span: Span::NONE,
        value: found,
    })
}

fn is_number(kind: Kind) -> bool {
    !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_))
}

fn unpack(kind: Kind, packed: &[u8], items: &mut Vec<Item>) -> Result<(), Broken> {
    let mut reader = Reader::new(packed);
    while !reader.is_empty() {
        let bits = match kind {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
                u64::from_le_bytes(reader.fixed::<8>()?)
            }
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
                u64::from(u32::from_le_bytes(reader.fixed::<4>()?))
            }
            _ => reader.varint()?,
        };
        items.push(Item {
            span: Span::NONE,
            value: number(kind, bits),
        });
    }
    Ok(())
}

pub(super) fn value(
    kind: Kind,
    wire: Wire<'_>,
    depth: usize,
    unknown: &mut Unknown<'_>,
) -> Result<Value, Broken> {
    match (kind, wire) {
        (Kind::Message(descriptor), Wire::Bytes(bytes)) => {
            wellknown::message(descriptor, bytes, depth, unknown)
        }
        (Kind::String, Wire::Bytes(bytes)) => {
            let text =
                std::str::from_utf8(bytes).map_err(|_| Broken::Format("a string is not UTF-8"))?;
            Ok(Value::String(text.into()))
        }
        (Kind::Bytes, Wire::Bytes(bytes)) => Ok(Value::Bytes(bytes.into())),
        (Kind::Message(_) | Kind::String | Kind::Bytes, Wire::Number(_)) | (_, Wire::Bytes(_)) => {
            Err(Broken::Format("a field has the wrong wire type"))
        }
        (kind, Wire::Number(bits)) => Ok(number(kind, bits)),
    }
}

/// A number from its bits on the wire; 32-bit types keep the low half, as protobuf does.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the wire format says so"
)]
fn number(kind: Kind, bits: u64) -> Value {
    match kind {
        Kind::Bool => Value::Bool(bits != 0),
        Kind::Double => Value::F64(f64::from_bits(bits)),
        Kind::Float => Value::F64(f64::from(f32::from_bits(bits as u32))),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(bits),
        Kind::Uint32 | Kind::Fixed32 => Value::U64(u64::from(bits as u32)),
        Kind::Int32 | Kind::Sfixed32 => Value::I64(i64::from(bits as u32 as i32)),
        Kind::Sint32 => Value::I64(zigzag(bits & 0xffff_ffff)),
        Kind::Sint64 => Value::I64(zigzag(bits)),
        Kind::Enum(_) => Value::Enum(bits as u32 as i32),
        _ => Value::I64(bits as i64),
    }
}

#[allow(clippy::cast_possible_wrap, reason = "the wire format says so")]
fn zigzag(bits: u64) -> i64 {
    (bits >> 1) as i64 ^ -((bits & 1) as i64)
}
