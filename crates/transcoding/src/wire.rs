//! Protobuf's binary format: the fields of a message one by one, and how they are written.
//!
//! Nothing is copied. What is cut short ends the look with [`Malformed`]; groups are passed over as a whole.

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The value of a field, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes.
    Fixed32(u32),
    /// Bytes with their length before them.
    Bytes(&'a [u8]),
    /// A group, which nobody has a use for.
    Group,
}

/// How deep groups may nest.
const MAX_GROUPS: usize = 32;

/// Reads a message's fields.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of a message.
    pub fn of(bytes: &'a [u8]) -> Self {
        Fields { bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A number of variable length, as packed lists have them too.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in 0..10u32 {
            let (byte, rest) = self.bytes.split_first().ok_or(Malformed)?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << (shift * 7);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// So many bytes.
    fn take(&mut self, count: u64) -> Result<&'a [u8], Malformed> {
        let count = usize::try_from(count).map_err(|_| Malformed)?;
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(Malformed)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// Four bytes.
    pub fn fixed32(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?.try_into().map_err(|_| Malformed)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Eight bytes.
    pub fn fixed64(&mut self) -> Result<u64, Malformed> {
        let bytes = self.take(8)?.try_into().map_err(|_| Malformed)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn field(&mut self, depth: usize) -> Result<(u32, Option<Value<'a>>), Malformed> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        if number == 0 {
            return Err(Malformed);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.fixed64()?),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            3 => {
                self.pass_group(number, depth)?;
                Value::Group
            }
            4 => return Ok((number, None)),
            5 => Value::Fixed32(self.fixed32()?),
            _ => return Err(Malformed),
        };
        Ok((number, Some(value)))
    }

    fn pass_group(&mut self, group: u32, depth: usize) -> Result<(), Malformed> {
        if depth == MAX_GROUPS {
            return Err(Malformed);
        }
        loop {
            match self.field(depth + 1)? {
                (_, Some(_)) => {}
                (number, None) if number == group => return Ok(()),
                (_, None) => return Err(Malformed),
            }
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let field = self.field(0).and_then(|(number, value)| {
            let value = value.ok_or(Malformed)?;
            Ok((number, value))
        });
        if field.is_err() {
            self.bytes = &[];
        }
        Some(field)
    }
}

/// Appends a number of variable length.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends what says which field comes, and how it is written: 0, 1, 2 or 5.
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Appends a field of bytes.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, 2);
    put_varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}

/// A number as `sint32` and `sint64` write it.
pub fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned()
}

/// What [`zigzag`] made of a number.
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_one_by_one_and_groups_as_one() {
        let mut bytes = Vec::new();
        put_tag(&mut bytes, 1, 0);
        put_varint(&mut bytes, 300);
        put_bytes(&mut bytes, 2, b"ab");
        bytes.extend_from_slice(b"\x1b\x08\x01\x1c");
        let fields: Result<Vec<_>, _> = Fields::of(&bytes).collect();
        let expected = vec![
            (1, Value::Varint(300)),
            (2, Value::Bytes(b"ab")),
            (3, Value::Group),
        ];
        assert_eq!(fields, Ok(expected));
    }

    #[test]
    fn what_is_cut_short_is_no_message() {
        let malformed: [&[u8]; 7] = [
            b"\x08",
            b"\x12\x05abc",
            b"\x0d\0\0",
            b"\x1b\x08\x01",
            b"\x0c",
            b"\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ];
        for bytes in malformed {
            assert_eq!(Fields::of(bytes).last(), Some(Err(Malformed)), "{bytes:?}");
        }
        assert_eq!(Fields::of(&[0x1b; 100]).last(), Some(Err(Malformed)));
    }

    #[test]
    fn signs_alternate() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(-1), 1);
    }
}
