//! `google.protobuf.Value` from its binary form, as a client sends it.
//!
//! Limit: 100 messages inside of each other, as protobuf has it. Fields that are unknown or of another wire type are
//! passed over; a text that is no UTF-8 refuses the whole.

use nuncio_contract::stream_info::metadata::Value;

const DEPTH: u32 = 100;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const GROUP: u64 = 3;
const END_OF_GROUP: u64 = 4;
const FIXED32: u64 = 5;

/// A message's bytes that are not read yet.
struct Reader<'a>(&'a [u8]);

/// What stands in a field.
enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Unknown,
}

/// The value; none if the bytes are none.
pub(super) fn value(bytes: &[u8]) -> Option<Value> {
    read_value(bytes, DEPTH)
}

fn read_value(bytes: &[u8], depth: u32) -> Option<Value> {
    let inside = depth.checked_sub(1)?;
    let mut reader = Reader(bytes);
    let mut value = Value::Null;
    while let Some(field) = reader.next(inside)? {
        match field {
            (1, Field::Varint(_)) => value = Value::Null,
            (2, Field::Fixed64(bytes)) => value = Value::Number(f64::from_le_bytes(bytes)),
            (3, Field::Bytes(text)) => value = Value::String(utf8(text)?.into()),
            (4, Field::Varint(number)) => value = Value::Bool(number != 0),
            (5, Field::Bytes(bytes)) => {
                let fields = read_struct(bytes, inside)?;
                match &mut value {
                    Value::Struct(before) => fields
                        .into_iter()
                        .for_each(|(name, value)| before.insert(name, value)),
                    _ => value = Value::Struct(fields.into_iter().collect()),
                }
            }
            (6, Field::Bytes(bytes)) => {
                let values = read_list(bytes, inside)?;
                match &mut value {
                    Value::List(before) => before.extend(values),
                    _ => value = Value::List(values),
                }
            }
            _ => {}
        }
    }
    Some(value)
}

fn read_struct(bytes: &[u8], depth: u32) -> Option<Vec<(Box<str>, Value)>> {
    let inside = depth.checked_sub(1)?;
    let mut reader = Reader(bytes);
    let mut fields = Vec::new();
    while let Some(field) = reader.next(inside)? {
        if let (1, Field::Bytes(entry)) = field {
            fields.push(read_entry(entry, inside)?);
        }
    }
    Some(fields)
}

fn read_entry(bytes: &[u8], depth: u32) -> Option<(Box<str>, Value)> {
    let inside = depth.checked_sub(1)?;
    let mut reader = Reader(bytes);
    let mut entry = (Box::default(), Value::Null);
    while let Some(field) = reader.next(inside)? {
        match field {
            (1, Field::Bytes(name)) => entry.0 = utf8(name)?.into(),
            (2, Field::Bytes(value)) => entry.1 = read_value(value, inside)?,
            _ => {}
        }
    }
    Some(entry)
}

fn read_list(bytes: &[u8], depth: u32) -> Option<Vec<Value>> {
    let inside = depth.checked_sub(1)?;
    let mut reader = Reader(bytes);
    let mut values = Vec::new();
    while let Some(field) = reader.next(inside)? {
        if let (1, Field::Bytes(value)) = field {
            values.push(read_value(value, inside)?);
        }
    }
    Some(values)
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

impl<'a> Reader<'a> {
    /// The next field with its number; `Some(None)` at the end, `None` if the bytes are wrong.
    #[expect(clippy::option_option, reason = "the end is not a fault")]
    fn next(&mut self, depth: u32) -> Option<Option<(u64, Field<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let (number, wire_type) = self.tag()?;
        let field = match wire_type {
            VARINT => Field::Varint(self.varint()?),
            FIXED64 => Field::Fixed64(*self.take(8)?.first_chunk()?),
            LENGTH => {
                let length = self.varint()?;
                Field::Bytes(self.take(usize::try_from(length).ok()?)?)
            }
            GROUP => {
                self.skip_group(number, depth)?;
                Field::Unknown
            }
            FIXED32 => {
                self.take(4)?;
                Field::Unknown
            }
            _ => return None,
        };
        Some(Some((number, field)))
    }

    fn tag(&mut self) -> Option<(u64, u64)> {
        let tag = self.varint().filter(|tag| *tag <= u64::from(u32::MAX))?;
        let number = tag >> 3;
        (number > 0).then_some((number, tag & 7))
    }

    fn skip_group(&mut self, number: u64, depth: u32) -> Option<()> {
        let inside = depth.checked_sub(1)?;
        loop {
            let mut ahead = Reader(self.0);
            let (end, wire_type) = ahead.tag()?;
            if wire_type == END_OF_GROUP {
                self.0 = ahead.0;
                return (end == number).then_some(());
            }
            self.next(inside)??;
        }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use nuncio_contract::stream_info::metadata::Struct;

    use super::*;

    #[test]
    fn values_of_every_kind_are_read() {
        let text = |text: &str| Value::String(text.into());
        let list = Value::List(vec![text("x"), Value::Null]);
        let fields = Value::Struct([("k", text("v"))].into_iter().collect::<Struct>());
        for (bytes, expected) in [
            (b"".as_slice(), Some(Value::Null)),
            (b"\x1a\x02hi", Some(text("hi"))),
            (b"\x11\0\0\0\0\0\0\x04\x40", Some(Value::Number(2.5))),
            (b"\x20\x01", Some(Value::Bool(true))),
            (b"\x32\x07\x0a\x03\x1a\x01x\x0a\0", Some(list)),
            (b"\x2a\x0a\x0a\x08\x0a\x01k\x12\x03\x1a\x01v", Some(fields)),
            (b"\x1a\x01a\x20\0", Some(Value::Bool(false))),
            (b"\x18\x07", Some(Value::Null)),
            (b"\x53\x50\x07\x54\x1a\x01g", Some(text("g"))),
            (b"\x1a\x05hi", None),
            (b"\x1a\x01\xff", None),
            (b"\0\x01", None),
            (b"\x53\x50\x07", None),
            (b"\x53\x5c", None),
            (b"\x54", None),
            (b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
        ] {
            assert_eq!(value(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |lists: usize| {
            let mut bytes = Vec::new();
            for _ in 0..lists {
                let mut list = vec![0x0a];
                put_length(&mut list, &bytes);
                let mut value = vec![0x32];
                put_length(&mut value, &list);
                bytes = value;
            }
            bytes
        };
        assert!(value(&nested(49)).is_some());
        assert!(value(&nested(50)).is_none());
    }

    fn put_length(out: &mut Vec<u8>, bytes: &[u8]) {
        let length = bytes.len();
        out.push(u8::try_from(length & 0x7f | 0x80).expect("seven bits"));
        out.push(u8::try_from(length >> 7).expect("short"));
        out.extend_from_slice(bytes);
    }
}
