//! A reader of the protobuf wire format: just what descriptors need.

/// One field of a message: its number and its undecoded value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireField<'a> {
    pub(crate) number: u32,
    pub(crate) value: WireValue<'a>,
}

/// A value by its wire type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WireValue<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> WireValue<'a> {
    /// The bytes of a length-delimited value; nothing for another wire type.
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            WireValue::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// A length-delimited value as text.
    pub(crate) fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The number of a scalar value; 0 for a length-delimited one.
    pub(crate) fn number(self) -> u64 {
        match self {
            WireValue::Varint(number) | WireValue::Fixed64(number) => number,
            WireValue::Fixed32(number) => u64::from(number),
            WireValue::Bytes(_) => 0,
        }
    }

    /// A scalar value as a flag.
    pub(crate) fn flag(self) -> bool {
        self.number() != 0
    }
}

/// The fields of a message in the order of its bytes.
///
/// # Panics
/// On bytes that are no message: the sources are compilers' output.
pub(crate) fn fields(mut bytes: &[u8]) -> Vec<WireField<'_>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => WireValue::Varint(varint(&mut bytes)),
            1 => WireValue::Fixed64(u64::from_le_bytes(array(take(&mut bytes, 8)))),
            2 => {
                let length = varint(&mut bytes) as usize;
                WireValue::Bytes(take(&mut bytes, length))
            }
            5 => WireValue::Fixed32(u32::from_le_bytes(array(take(&mut bytes, 4)))),
            wire_type => panic!("wire type {wire_type} in a descriptor"),
        };
        let number = (tag >> 3) as u32;
        fields.push(WireField { number, value });
    }
    fields
}

/// The last value of field `number`, as protobuf merges them.
pub(crate) fn field(bytes: &[u8], number: u32) -> Option<WireValue<'_>> {
    let found = fields(bytes)
        .into_iter()
        .rfind(|field| field.number == number);
    found.map(|field| field.value)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("taken with this length")
}

/// Reads a varint off the front of `bytes`.
pub(crate) fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte, rest @ ..] = bytes else {
            panic!("a varint without an end")
        };
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}
