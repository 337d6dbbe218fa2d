//! The value of a field: from the wire, and as JSON.

use super::sink::Sink;
use super::{Fault, Print, message};
use crate::descriptor::{Field, Kind, Pool};
use crate::number;
use crate::wire::{Fields, Malformed, Value, unzigzag};

/// A value: the bits of a scalar, or bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'a> {
    Bits(u64),
    Bytes(&'a [u8]),
}

impl<'a> Piece<'a> {
    fn bits(self) -> u64 {
        match self {
            Piece::Bits(bits) => bits,
            Piece::Bytes(_) => 0,
        }
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Piece::Bits(_) => &[],
            Piece::Bytes(bytes) => bytes,
        }
    }
}

/// The number of a kind in `FieldDescriptorProto.Type`.
fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::Double => 1,
        Kind::Float => 2,
        Kind::Int64 => 3,
        Kind::Uint64 => 4,
        Kind::Int32 => 5,
        Kind::Fixed64 => 6,
        Kind::Fixed32 => 7,
        Kind::Bool => 8,
        Kind::String => 9,
        Kind::Group => 10,
        Kind::Message(_) => 11,
        Kind::Bytes => 12,
        Kind::Uint32 => 13,
        Kind::Enum(_) => 14,
        Kind::Sfixed32 => 15,
        Kind::Sfixed64 => 16,
        Kind::Sint32 => 17,
        Kind::Sint64 => 18,
    }
}

/// Adds what a field has on the wire: one value, or many that are packed.
pub(super) fn gather<'a>(
    _pool: &Pool,
    field: &Field,
    value: Value<'a>,
    pieces: &mut Vec<Piece<'a>>,
) -> Result<(), Fault> {
    let wire_type = field.kind.wire_type();
    let unfit = |what: &str| {
        let (kind, number) = (type_number(field.kind), field.number);
        Fault::of(format!(
            "field type {kind} (number {number}) does not support {what} fields"
        ))
    };
    match value {
        Value::Varint(bits) if wire_type == 0 => {
            if field.kind == Kind::Bool && bits > 1 {
                let shown: String = bits.to_string();
                let shown = u8::try_from(bits).map_or(shown, |byte| format!("\\x{byte:02x}"));
                return Err(Fault::of(format!("bad value for bool: {shown}")));
            }
            pieces.push(Piece::Bits(bits));
        }
        Value::Varint(_) => return Err(unfit("varint")),
        Value::Fixed64(bits) if wire_type == 1 => pieces.push(Piece::Bits(bits)),
        Value::Fixed64(_) => return Err(unfit("64-bit")),
        Value::Fixed32(bits) if wire_type == 5 => pieces.push(Piece::Bits(bits.into())),
        Value::Fixed32(_) => return Err(unfit("32-bit")),
        Value::Bytes(bytes) if wire_type == 2 => {
            if field.kind == Kind::String && str::from_utf8(bytes).is_err() {
                return Err(Fault::of("proto3 strings must be UTF-8"));
            }
            pieces.push(Piece::Bytes(bytes));
        }
        Value::Bytes(_) if field.kind == Kind::Group => {
            let (kind, number) = (type_number(field.kind), field.number);
            return Err(Fault::of(format!(
                "field type {kind} (number {number}) does not support type 2 records"
            )));
        }
        Value::Bytes(packed) => {
            let mut fields = Fields::of(packed);
            while !fields.is_empty() {
                let bits = packed_value(&mut fields, wire_type);
                pieces.push(Piece::Bits(bits.map_err(|_| Fault::of("unexpected EOF"))?));
            }
        }
        Value::Group if field.kind == Kind::Group => return Err(unfit("group")),
        Value::Group => {
            let words = format!("field number {} is not a group", field.number);
            return Err(Fault::of(words));
        }
    }
    Ok(())
}

fn packed_value(fields: &mut Fields<'_>, wire_type: u8) -> Result<u64, Malformed> {
    match wire_type {
        1 => fields.fixed64(),
        5 => fields.fixed32().map(Into::into),
        _ => fields.varint(),
    }
}

/// The lower half, as the kinds of 32 bits have it.
fn low(bits: u64) -> u32 {
    let [a, b, c, d, ..] = bits.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Integers as text, and whether JSON has them in quotes.
fn integer(kind: Kind, bits: u64) -> Option<(String, bool)> {
    Some(match kind {
        Kind::Int64 | Kind::Sfixed64 => (bits.cast_signed().to_string(), true),
        Kind::Sint64 => (unzigzag(bits).to_string(), true),
        Kind::Uint64 | Kind::Fixed64 => (bits.to_string(), true),
        Kind::Int32 | Kind::Sfixed32 => (low(bits).cast_signed().to_string(), false),
        Kind::Sint32 => (unzigzag(low(bits).into()).to_string(), false),
        Kind::Uint32 | Kind::Fixed32 => (low(bits).to_string(), false),
        _ => return None,
    })
}

/// The name of a map's member.
pub(super) fn key(kind: Kind, piece: Piece<'_>) -> Result<String, Fault> {
    if let Some((text, _)) = integer(kind, piece.bits()) {
        return Ok(text);
    }
    match kind {
        Kind::Bool => Ok((piece.bits() != 0).to_string()),
        _ => text(piece).map(str::to_owned),
    }
}

fn text<'a>(piece: Piece<'a>) -> Result<&'a str, Fault> {
    str::from_utf8(piece.bytes()).map_err(|_| Fault::of("proto3 strings must be UTF-8"))
}

fn special_double(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// Writes a value.
pub(super) fn put(
    sink: &mut Sink,
    pool: &Pool,
    kind: Kind,
    piece: Piece<'_>,
    print: Print,
    depth: usize,
) -> Result<(), Fault> {
    if let Some((text, is_quoted)) = integer(kind, piece.bits()) {
        match is_quoted {
            true => sink.text(&text),
            false => sink.raw(&text),
        }
        return Ok(());
    }
    match kind {
        Kind::Double => put_double(sink, f64::from_bits(piece.bits()), number::double),
        Kind::Float => {
            let value = f32::from_bits(low(piece.bits()));
            put_double(sink, value.into(), |_| number::float(value));
        }
        Kind::Bool => sink.raw(if piece.bits() != 0 { "true" } else { "false" }),
        Kind::String => sink.text(text(piece)?),
        Kind::Bytes => sink.text(&base64(piece.bytes())),
        Kind::Enum(id) => {
            let known = pool.enumeration(id);
            let number = low(piece.bits()).cast_signed();
            match known.name_of(number).filter(|_| !print.enums_as_numbers) {
                _ if *known.name == *"google.protobuf.NullValue" => sink.raw("null"),
                Some(name) => sink.text(name),
                None => sink.raw(&number.to_string()),
            }
        }
        Kind::Message(id) => return message::put(sink, pool, id, piece.bytes(), print, depth),
        // A name has been written, and nothing may be left of it alone.
        _ => return Err(Fault::of("groups can't be written")),
    }
    Ok(())
}

/// Writes a double, those that JSON has no number for as text.
pub(super) fn put_double(sink: &mut Sink, value: f64, show: impl Fn(f64) -> String) {
    match special_double(value) {
        Some(word) => sink.text(word),
        None => sink.raw(&show(value)),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(DIGITS.get(bits as usize & 63).copied().unwrap_or(b'='));
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.push(digit(bits >> 18));
        out.push(digit(bits >> 12));
        out.push(if group.len() > 1 {
            digit(bits >> 6)
        } else {
            '='
        });
        out.push(if group.len() > 2 { digit(bits) } else { '=' });
    }
    out
}
