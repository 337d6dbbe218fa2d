//! Values one by one: what each protocol reads and writes of them.

use super::head::length_of;
use super::input::{Input, write_varint_i32, write_zigzag};
use super::{DecodeError, Protocol, Read};

/// What fields and members hold, by the numbers of the binary protocol; others are kept until a value is read.
pub(super) mod kind {
    pub(in super::super) const STOP: u8 = 0;
    pub(in super::super) const BOOL: u8 = 2;
    pub(in super::super) const BYTE: u8 = 3;
    pub(in super::super) const DOUBLE: u8 = 4;
    pub(in super::super) const I16: u8 = 6;
    pub(in super::super) const I32: u8 = 8;
    pub(in super::super) const I64: u8 = 10;
    pub(in super::super) const STRING: u8 = 11;
    pub(in super::super) const STRUCT: u8 = 12;
    pub(in super::super) const MAP: u8 = 13;
    pub(in super::super) const SET: u8 = 14;
    pub(in super::super) const LIST: u8 = 15;
}

/// The number of a kind in the binary protocol, by that in the compact one.
const BY_COMPACT: [u8; 13] = [0, 2, 2, 3, 6, 8, 10, 4, 11, 15, 14, 13, 12];

/// The other way round: members that are bools are 1.
fn compact_of(kind: u8) -> Result<u8, DecodeError> {
    let place = BY_COMPACT.iter().position(|known| *known == kind);
    let place = place.and_then(|place| u8::try_from(place).ok());
    place.ok_or_else(|| DecodeError::new(format!("unknown protocol field type {kind}")))
}

pub(super) fn from_compact(number: u8) -> Result<u8, DecodeError> {
    let known = BY_COMPACT.get(usize::from(number)).copied();
    known.ok_or_else(|| DecodeError::new(format!("unknown compact protocol field type {number}")))
}

/// A field as it begins.
pub(super) struct Field {
    pub(super) kind: u8,
    pub(super) id: i16,
    /// Bools of the compact protocol are their fields' kinds.
    pub(super) bool: Option<bool>,
}

pub(super) fn read_field(protocol: Protocol, last_id: i16, input: &mut Input<'_>) -> Read<Field> {
    let Some(first) = input.byte() else {
        return Ok(None);
    };
    let field = |kind, id, bool| Ok(Some(Field { kind, id, bool }));
    if protocol != Protocol::Compact {
        return match first {
            kind::STOP => field(kind::STOP, 0, None),
            kind => match input.i16() {
                Some(id) => field(kind, id, None),
                None => Ok(None),
            },
        };
    }
    let (delta, number) = (first >> 4, first & 0x0f);
    if first == 0 {
        return field(kind::STOP, 0, None);
    }
    let id = match delta {
        0 => match input.zigzag_i32()? {
            Some(id) => i16::try_from(id)
                .map_err(|_| DecodeError::new(format!("invalid compact protocol field id {id}")))?,
            None => return Ok(None),
        },
        delta => last_id.wrapping_add(i16::from(delta)),
    };
    let bool = matches!(number, 1 | 2).then_some(number == 1);
    field(from_compact(number)?, id, bool)
}

pub(super) fn write_field(
    protocol: Protocol,
    last_id: i16,
    field: &Field,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    if protocol != Protocol::Compact {
        out.push(field.kind);
        out.extend_from_slice(&field.id.to_be_bytes());
        out.extend(field.bool.map(u8::from));
        return Ok(());
    }
    let number = match field.bool {
        Some(true) => 1,
        Some(false) => 2,
        None => compact_of(field.kind)?,
    };
    match i32::from(field.id) - i32::from(last_id) {
        delta @ 1..=15 => out.push(u8::try_from(delta).unwrap_or_default() << 4 | number),
        _ => {
            out.push(number);
            write_zigzag(i64::from(field.id), out);
        }
    }
    Ok(())
}

/// The kind and the count of a list's or a set's members.
pub(super) fn read_list(protocol: Protocol, input: &mut Input<'_>) -> Read<(u8, usize)> {
    let Some(first) = input.byte() else {
        return Ok(None);
    };
    if protocol != Protocol::Compact {
        return match input.i32() {
            Some(count) => Ok(Some((
                first,
                length_of(count, "binary protocol list/set size")?,
            ))),
            None => Ok(None),
        };
    }
    let count = match first >> 4 {
        15 => match input.varint_i32()? {
            Some(count) => length_of(count, "compact protocol list/set size")?,
            None => return Ok(None),
        },
        count => usize::from(count),
    };
    Ok(Some((from_compact(first & 0x0f)?, count)))
}

pub(super) fn write_list(
    protocol: Protocol,
    (kind, count): (u8, usize),
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let long = i32::try_from(count).unwrap_or(i32::MAX);
    if protocol != Protocol::Compact {
        out.push(kind);
        out.extend_from_slice(&long.to_be_bytes());
        return Ok(());
    }
    let kind = compact_of(kind)?;
    match u8::try_from(count) {
        Ok(count @ 0..=14) => out.push(count << 4 | kind),
        _ => {
            out.push(0xf0 | kind);
            write_varint_i32(long, out);
        }
    }
    Ok(())
}

/// The kinds of keys and values, and how many there are.
pub(super) fn read_map(protocol: Protocol, input: &mut Input<'_>) -> Read<(u8, u8, usize)> {
    if protocol != Protocol::Compact {
        let (Some([key, value]), Some(count)) = (input.array(), input.i32()) else {
            return Ok(None);
        };
        let count = length_of(count, "binary protocol map size")?;
        return Ok(Some((key, value, count)));
    }
    let Some(count) = input.varint_i32()? else {
        return Ok(None);
    };
    let count = length_of(count, "compact protocol map size")?;
    if count == 0 {
        return Ok(Some((kind::STOP, kind::STOP, 0)));
    }
    let Some(kinds) = input.byte() else {
        return Ok(None);
    };
    let (key, value) = (from_compact(kinds >> 4)?, from_compact(kinds & 0x0f)?);
    Ok(Some((key, value, count)))
}

pub(super) fn write_map(
    protocol: Protocol,
    (key, value, count): (u8, u8, usize),
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let long = i32::try_from(count).unwrap_or(i32::MAX);
    if protocol != Protocol::Compact {
        out.extend_from_slice(&[key, value]);
        out.extend_from_slice(&long.to_be_bytes());
        return Ok(());
    }
    write_varint_i32(long, out);
    if count > 0 {
        out.push(compact_of(key)? << 4 | compact_of(value)?);
    }
    Ok(())
}

/// Reads a value that holds no others and writes it in the other protocol; none, and nothing written, if it has not come
/// whole.
pub(super) fn copy_plain(
    kind: u8,
    (from, to): (Protocol, Protocol),
    input: &mut Input<'_>,
    out: &mut Vec<u8>,
) -> Read<()> {
    let is_compact = from == Protocol::Compact;
    let number = |value: i64, bytes: usize, out: &mut Vec<u8>| match to {
        Protocol::Compact => write_zigzag(value, out),
        _ => out.extend_from_slice(value.to_be_bytes().get(8 - bytes..).unwrap_or_default()),
    };
    let done = match kind {
        kind::BOOL => input.byte().map(|byte| out.push(u8::from(byte != 0))),
        kind::BYTE => input.byte().map(|byte| out.push(byte)),
        // Envoy reads and writes them alike in all protocols.
        kind::DOUBLE => input.take(8).map(|bytes| out.extend_from_slice(bytes)),
        kind::I16 if is_compact => match input.zigzag_i32()? {
            Some(value) => {
                let value = i16::try_from(value).map_err(|_| {
                    let text = "compact protocol i16 exceeds allowable range";
                    DecodeError::new(format!("{text} {value}"))
                })?;
                number(i64::from(value), 2, out);
                Some(())
            }
            None => None,
        },
        kind::I16 => input.i16().map(|value| number(i64::from(value), 2, out)),
        kind::I32 if is_compact => input
            .zigzag_i32()?
            .map(|value| number(i64::from(value), 4, out)),
        kind::I32 => input.i32().map(|value| number(i64::from(value), 4, out)),
        kind::I64 if is_compact => input.zigzag_i64()?.map(|value| number(value, 8, out)),
        kind::I64 => input
            .array()
            .map(|bytes| number(i64::from_be_bytes(bytes), 8, out)),
        kind::STRING => return copy_string((from, to), input, out),
        _ => return Err(DecodeError::new(format!("unknown field type {kind}"))),
    };
    Ok(done)
}

fn copy_string(
    (from, to): (Protocol, Protocol),
    input: &mut Input<'_>,
    out: &mut Vec<u8>,
) -> Read<()> {
    let (length, what) = match from {
        Protocol::Compact => (input.varint_i32()?, "compact protocol string/binary length"),
        _ => (input.i32(), "binary protocol string/binary length"),
    };
    let Some(length) = length else {
        return Ok(None);
    };
    let Some(bytes) = input.take(length_of(length, what)?) else {
        return Ok(None);
    };
    match to {
        Protocol::Compact => write_varint_i32(length, out),
        _ => out.extend_from_slice(&length.to_be_bytes()),
    }
    out.extend_from_slice(bytes);
    Ok(Some(()))
}
