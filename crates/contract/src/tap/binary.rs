//! Protobuf's binary format.

use super::fields::{Field, Value, time_parts};

const VARINT: u32 = 0;
const LENGTH_DELIMITED: u32 = 2;

/// The bytes of a message.
pub(super) fn write(message: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in message.iter().filter(|field| field.is_written()) {
        match &field.value {
            Value::Small(number) | Value::Name(_, number) => {
                scalar(&mut out, field.number, (*number).into());
            }
            Value::Large(number) => scalar(&mut out, field.number, *number),
            Value::Flag(flag) => scalar(&mut out, field.number, (*flag).into()),
            Value::Text(text) => bytes(&mut out, field.number, text.as_bytes()),
            Value::Bytes(some) => bytes(&mut out, field.number, some),
            Value::Time(time) => {
                let (seconds, nanos) = time_parts(*time);
                let parts = [
                    Field::new("seconds", 1, Value::Large(seconds)),
                    Field::new("nanos", 2, Value::Small(nanos)),
                ];
                bytes(&mut out, field.number, &write(&parts));
            }
            Value::Message(inner) => bytes(&mut out, field.number, &write(inner)),
            Value::List(list) => {
                for inner in list {
                    bytes(&mut out, field.number, &write(inner));
                }
            }
        }
    }
    out
}

/// The same behind its length.
pub(super) fn write_delimited(message: &[Field]) -> Vec<u8> {
    let bytes = write(message);
    let mut out = Vec::with_capacity(bytes.len() + 5);
    varint(&mut out, length(&bytes));
    out.extend(bytes);
    out
}

fn scalar(out: &mut Vec<u8>, number: u32, value: u64) {
    varint(out, (number << 3 | VARINT).into());
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    varint(out, (number << 3 | LENGTH_DELIMITED).into());
    varint(out, length(bytes));
    out.extend_from_slice(bytes);
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}
