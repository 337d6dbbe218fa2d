//! The messages that JSON has another form for.

use super::field::{self, put_double};
use super::message::{gather, put_members, value_of};
use super::sink::Sink;
use super::{Fault, Print, message};
use crate::descriptor::{Message, Pool, Special};
use crate::number;
use crate::request::{MOST_SECONDS, TIMESTAMPS, TYPE_URL, type_of};
use crate::wire::{Fields, Value};

/// Writes such a message.
pub(super) fn put(
    sink: &mut Sink,
    pool: &Pool,
    of: &Message,
    bytes: &[u8],
    print: Print,
    depth: usize,
) -> Result<(), Fault> {
    match of.special {
        Special::None => {}
        Special::Timestamp => sink.text(&timestamp(bytes)?),
        Special::Duration => sink.text(&duration(bytes)?),
        Special::FieldMask => sink.text(&field_mask(bytes)?),
        Special::Any => return any(sink, pool, of, bytes, print, depth),
        Special::Wrapper => {
            let Some(value) = of.field(1) else {
                return Ok(());
            };
            let gathered = gather(pool, of, bytes)?;
            let piece = gathered.get(&1).and_then(|pieces| pieces.last().copied());
            let piece = piece.unwrap_or(field::Piece::Bits(0));
            return field::put(sink, pool, value.kind, piece, print, depth);
        }
        Special::Struct | Special::ListValue => return members(sink, of.special, bytes, depth),
        Special::Value => return value(sink, bytes, depth),
    }
    Ok(())
}

/// A `Struct` or a `ListValue`.
fn members(sink: &mut Sink, of: Special, bytes: &[u8], depth: usize) -> Result<(), Fault> {
    if depth >= crate::MAX_DEPTH {
        return Err(Fault::of("allowed depth exceeded"));
    }
    let is_list = of == Special::ListValue;
    sink.open(if is_list { b'[' } else { b'{' });
    for field in Fields::of(bytes) {
        let (number, member) = field.map_err(|_| Fault::of("unexpected EOF"))?;
        let (1, Value::Bytes(member)) = (number, member) else {
            continue;
        };
        if is_list {
            sink.member();
            value(sink, member, depth + 1)?;
            continue;
        }
        // A member whose value is none is not written.
        if matches!(value_of(member, 2), Some(Value::Bytes([]))) {
            continue;
        }
        let name = match value_of(member, 1) {
            Some(Value::Bytes(name)) => str::from_utf8(name),
            _ => Ok(""),
        };
        sink.name(name.map_err(|_| Fault::of("proto3 strings must be UTF-8"))?);
        match value_of(member, 2) {
            Some(Value::Bytes(of_member)) => value(sink, of_member, depth + 1)?,
            _ => sink.raw("null"),
        }
    }
    sink.close(if is_list { b']' } else { b'}' });
    Ok(())
}

/// A `Value`.
fn value(sink: &mut Sink, bytes: &[u8], depth: usize) -> Result<(), Fault> {
    let mut last = None;
    for field in Fields::of(bytes) {
        last = Some(field.map_err(|_| Fault::of("unexpected EOF"))?);
    }
    match last {
        Some((2, Value::Fixed64(bits))) => {
            let double = f64::from_bits(bits);
            if !double.is_finite() {
                let words = "google.protobuf.Value cannot encode double values for infinity or nan";
                return Err(Fault::of(words));
            }
            put_double(sink, double, number::double);
        }
        Some((3, Value::Bytes(text))) => {
            let text = str::from_utf8(text);
            sink.text(text.map_err(|_| Fault::of("proto3 strings must be UTF-8"))?);
        }
        Some((4, Value::Varint(bits))) => sink.raw(if bits == 0 { "false" } else { "true" }),
        Some((5, Value::Bytes(of))) => return members(sink, Special::Struct, of, depth + 1),
        Some((6, Value::Bytes(of))) => return members(sink, Special::ListValue, of, depth + 1),
        _ => sink.raw("null"),
    }
    Ok(())
}

fn any(
    sink: &mut Sink,
    pool: &Pool,
    of: &Message,
    bytes: &[u8],
    print: Print,
    depth: usize,
) -> Result<(), Fault> {
    let gathered = gather(pool, of, bytes)?;
    let piece = |number| {
        let pieces = gathered.get(&number);
        pieces.and_then(|pieces| pieces.last().map(|piece| piece.bytes()))
    };
    let Some(url) = piece(1) else {
        sink.open(b'{');
        sink.close(b'}');
        return Ok(());
    };
    let url = String::from_utf8_lossy(url).into_owned();
    let id = type_of(pool, &url).map_err(|words| Fault {
        words,
        is_unknown_type: url.starts_with(TYPE_URL),
    })?;
    let inner = pool.message(id);
    let bytes = piece(2).unwrap_or_default();
    if depth >= crate::MAX_DEPTH {
        return Err(Fault::of("allowed depth exceeded"));
    }
    sink.open(b'{');
    sink.name("@type");
    sink.text(&url);
    if inner.special == Special::None {
        put_members(sink, pool, inner, bytes, print, depth + 1)?;
    } else {
        sink.name("value");
        message::put(sink, pool, id, bytes, print, depth + 1)?;
    }
    sink.close(b'}');
    Ok(())
}

/// Seconds and billionths.
fn seconds_and_nanos(bytes: &[u8]) -> Result<(i64, i32), Fault> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields::of(bytes) {
        match field.map_err(|_| Fault::of("unexpected EOF"))? {
            (1, Value::Varint(bits)) => seconds = bits.cast_signed(),
            (2, Value::Varint(bits)) => {
                let bits = bits.cast_signed();
                nanos = i32::try_from(bits).unwrap_or(i32::MAX);
            }
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

/// A point and 3, 6 or 9 digits; nothing where there is no fraction.
fn fraction(nanos: u32) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos.is_multiple_of(1_000_000) => format!(".{:03}", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1000) => format!(".{:06}", nanos / 1000),
        _ => format!(".{nanos:09}"),
    }
}

const BILLION: u32 = 1_000_000_000;

fn timestamp(bytes: &[u8]) -> Result<String, Fault> {
    let (seconds, nanos) = seconds_and_nanos(bytes)?;
    if seconds < *TIMESTAMPS.start() {
        return Err(Fault::of(
            "minimum acceptable time value is 0001-01-01T00:00:00Z",
        ));
    }
    if seconds > *TIMESTAMPS.end() {
        return Err(Fault::of(
            "maximum acceptable time value is 9999-12-31T23:59:59Z",
        ));
    }
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < BILLION);
    let nanos = nanos.ok_or_else(|| Fault::of("out-of-range nanos for a timestamp"))?;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that begin in March, in eras of 400 of them.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let in_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * in_era + in_era / 4 - in_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + in_era + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = fraction(nanos);
    Ok(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

fn duration(bytes: &[u8]) -> Result<String, Fault> {
    let (seconds, nanos) = seconds_and_nanos(bytes)?;
    if seconds.unsigned_abs() > MOST_SECONDS.unsigned_abs() || nanos.unsigned_abs() >= BILLION {
        return Err(Fault::of("duration out of range"));
    }
    if (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0) {
        return Err(Fault::of("nanos and seconds signs do not match"));
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = fraction(nanos.unsigned_abs());
    Ok(format!("{sign}{}{fraction}s", seconds.unsigned_abs()))
}

fn field_mask(bytes: &[u8]) -> Result<String, Fault> {
    let mut out = String::new();
    let mut is_first = true;
    for field in Fields::of(bytes) {
        let (1, Value::Bytes(path)) = field.map_err(|_| Fault::of("unexpected EOF"))? else {
            continue;
        };
        if !std::mem::replace(&mut is_first, false) {
            out.push(',');
        }
        let path = str::from_utf8(path);
        let mut raises = false;
        for letter in path
            .map_err(|_| Fault::of("proto3 strings must be UTF-8"))?
            .chars()
        {
            match letter {
                '_' => raises = true,
                _ if std::mem::replace(&mut raises, false) => out.push(letter.to_ascii_uppercase()),
                _ => out.push(letter),
            }
        }
    }
    Ok(out)
}
