//! Fields of one message as bytes.

/// Writes the fields of one message, one after another.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.bytes.push(low_byte(value) | 0x80);
            value >>= 7;
        }
        self.bytes.push(low_byte(value));
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn tag(&mut self, number: u32, wire_type: u64) {
        self.varint(u64::from(number) << 3 | wire_type);
    }

    /// A number of variable length.
    pub(super) fn number(&mut self, number: u32, value: u64) {
        self.tag(number, 0);
        self.varint(value);
    }

    /// A number of 8 bytes.
    pub(super) fn fixed64(&mut self, number: u32, bits: u64) {
        self.tag(number, 1);
        self.bytes.extend(bits.to_le_bytes());
    }

    /// A number of 4 bytes.
    pub(super) fn fixed32(&mut self, number: u32, bits: u32) {
        self.tag(number, 5);
        self.bytes.extend(bits.to_le_bytes());
    }

    /// A string, bytes or a message.
    pub(super) fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, 2);
        self.varint(u64::try_from(bytes.len()).unwrap_or(0));
        self.bytes.extend_from_slice(bytes);
    }

    /// The same, unless it is empty, as protobuf leaves out what has no presence.
    pub(super) fn text(&mut self, number: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(number, text.as_bytes());
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the low seven bits")]
fn low_byte(value: u64) -> u8 {
    (value & 0x7f) as u8
}
