//! A message's fields, gathered by number first, since one may come in pieces.

use std::collections::BTreeMap;

use super::field::{self, Piece};
use super::sink::Sink;
use super::{Fault, Print, special};
use crate::MAX_DEPTH;
use crate::descriptor::{Field, Kind, Message, MessageId, Pool, Special};
use crate::wire::{Fields, Value};

/// The values of each field, in the order of numbers.
pub(super) type Gathered<'a> = BTreeMap<u32, Vec<Piece<'a>>>;

/// The fields of a message that its type has.
pub(super) fn gather<'a>(
    pool: &Pool,
    of: &Message,
    bytes: &'a [u8],
) -> Result<Gathered<'a>, Fault> {
    let mut gathered = Gathered::new();
    let mut fields = Fields::of(bytes);
    loop {
        // What is cut short within the number of a field is the end.
        let at_tag = fields;
        let Some(next) = fields.next() else {
            return Ok(gathered);
        };
        let Ok((number, value)) = next else {
            let mut tag = at_tag;
            return match tag.varint() {
                Err(_) => Ok(gathered),
                Ok(_) => Err(Fault::of("unexpected EOF")),
            };
        };
        let Some(field) = of.field(number) else {
            continue;
        };
        let pieces = gathered.entry(number).or_default();
        field::gather(pool, field, value, pieces)?;
        if !field.is_repeated && pieces.len() > 1 {
            let words = format!("repeated entries for singular field number {number}");
            return Err(Fault::of(words));
        }
    }
}

/// Writes a message.
pub(super) fn put(
    sink: &mut Sink,
    pool: &Pool,
    id: MessageId,
    bytes: &[u8],
    print: Print,
    depth: usize,
) -> Result<(), Fault> {
    if depth == MAX_DEPTH {
        return Err(Fault::of("allowed depth exceeded"));
    }
    let message = pool.message(id);
    if message.special != Special::None {
        return special::put(sink, pool, message, bytes, print, depth + 1);
    }
    sink.open(b'{');
    put_members(sink, pool, message, bytes, print, depth + 1)?;
    sink.close(b'}');
    Ok(())
}

/// Writes the members of an object.
pub(super) fn put_members(
    sink: &mut Sink,
    pool: &Pool,
    message: &Message,
    bytes: &[u8],
    print: Print,
    depth: usize,
) -> Result<(), Fault> {
    let mut gathered = gather(pool, message, bytes)?;
    if print.defaults {
        for field in &message.fields {
            if !field.has_presence {
                gathered.entry(field.number).or_default();
            }
        }
    }
    for (number, pieces) in &gathered {
        let Some(field) = message.field(*number) else {
            continue;
        };
        if field.is_repeated && pieces.is_empty() && !print.defaults {
            continue;
        }
        if !field.is_repeated
            && pieces
                .last()
                .is_some_and(|piece| is_nothing(pool, field, *piece))
        {
            continue;
        }
        sink.name(match print.file_names {
            true => &field.name,
            false => &field.json_name,
        });
        put_field(sink, pool, field, pieces, print, depth)?;
    }
    Ok(())
}

/// Whether it is a `Value` without any, which is not written.
fn is_nothing(pool: &Pool, field: &Field, piece: Piece<'_>) -> bool {
    match (field.kind, piece) {
        (Kind::Message(id), Piece::Bytes([])) => pool.message(id).special == Special::Value,
        _ => false,
    }
}

fn put_field(
    sink: &mut Sink,
    pool: &Pool,
    field: &Field,
    pieces: &[Piece<'_>],
    print: Print,
    depth: usize,
) -> Result<(), Fault> {
    let entry = match field.kind {
        Kind::Message(id) => Some(pool.message(id)).filter(|entry| entry.is_map_entry),
        _ => None,
    };
    if let Some(entry) = entry.filter(|_| field.is_repeated) {
        sink.open(b'{');
        for piece in pieces {
            if let Piece::Bytes(bytes) = piece {
                put_entry(sink, pool, entry, bytes, print, depth)?;
            }
        }
        sink.close(b'}');
        return Ok(());
    }
    if !field.is_repeated {
        let piece = pieces.last().copied().unwrap_or(Piece::Bits(0));
        return field::put(sink, pool, field.kind, piece, print, depth);
    }
    sink.open(b'[');
    for piece in pieces {
        sink.member();
        field::put(sink, pool, field.kind, *piece, print, depth)?;
    }
    sink.close(b']');
    Ok(())
}

fn put_entry(
    sink: &mut Sink,
    pool: &Pool,
    entry: &Message,
    bytes: &[u8],
    print: Print,
    depth: usize,
) -> Result<(), Fault> {
    let gathered = gather(pool, entry, bytes)?;
    let piece = |number| {
        let pieces = gathered.get(&number);
        pieces.and_then(|pieces| pieces.last().copied())
    };
    let (Some(key), Some(value)) = (entry.field(1), entry.field(2)) else {
        return Ok(());
    };
    let name = field::key(key.kind, piece(1).unwrap_or(Piece::Bits(0)))?;
    sink.name(&name);
    let piece = piece(2).unwrap_or(Piece::Bits(0));
    field::put(sink, pool, value.kind, piece, print, depth)
}

/// The value of a field as bytes, for messages whose fields are known.
pub(super) fn value_of(bytes: &[u8], wanted: u32) -> Option<Value<'_>> {
    let fields = Fields::of(bytes).map_while(Result::ok);
    fields
        .filter(|(number, _)| *number == wanted)
        .last()
        .map(|(_, value)| value)
}
