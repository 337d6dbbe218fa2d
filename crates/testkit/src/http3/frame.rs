//! Frames of HTTP/3, and the integers that they are made of.

/// Types of frames.
pub mod kind {
    /// A part of a body.
    pub const DATA: u64 = 0;
    /// A head or trailers.
    pub const HEADERS: u64 = 1;
    /// What a side is ready to take.
    pub const SETTINGS: u64 = 4;
    /// The end of what a side takes.
    pub const GOAWAY: u64 = 7;
}

/// Error codes by their names.
pub const ERRORS: [(u64, &str); 20] = [
    (0x100, "NO_ERROR"),
    (0x101, "GENERAL_PROTOCOL_ERROR"),
    (0x102, "INTERNAL_ERROR"),
    (0x103, "STREAM_CREATION_ERROR"),
    (0x104, "CLOSED_CRITICAL_STREAM"),
    (0x105, "FRAME_UNEXPECTED"),
    (0x106, "FRAME_ERROR"),
    (0x107, "EXCESSIVE_LOAD"),
    (0x108, "ID_ERROR"),
    (0x109, "SETTINGS_ERROR"),
    (0x10a, "MISSING_SETTINGS"),
    (0x10b, "REQUEST_REJECTED"),
    (0x10c, "REQUEST_CANCELLED"),
    (0x10d, "REQUEST_INCOMPLETE"),
    (0x10e, "MESSAGE_ERROR"),
    (0x10f, "CONNECT_ERROR"),
    (0x110, "VERSION_FALLBACK"),
    (0x200, "QPACK_DECOMPRESSION_FAILED"),
    (0x201, "QPACK_ENCODER_STREAM_ERROR"),
    (0x202, "QPACK_DECODER_STREAM_ERROR"),
];

/// The name of a code, or its number.
#[must_use]
pub fn error_name(code: u64) -> String {
    let known = ERRORS.iter().find(|(number, _)| *number == code);
    known.map_or_else(|| format!("{code:#x}"), |(_, name)| (*name).to_owned())
}

/// The code of a name or a number.
#[must_use]
pub fn error_code(text: &str) -> Option<u64> {
    let known = ERRORS.iter().find(|(_, name)| *name == text);
    known.map(|(code, _)| *code).or_else(|| text.parse().ok())
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u64,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame.
    pub fn new(kind: u64, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        Self { kind, payload }
    }

    /// The frame at the front of the bytes, and how many they are; none if it is cut off.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (kind, kind_len) = read_integer(bytes)?;
        let (len, len_len) = read_integer(&bytes[kind_len..])?;
        let start = kind_len + len_len;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        let payload = bytes.get(start..end)?.to_vec();
        Some((Self { kind, payload }, end))
    }

    /// As bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let len = u64::try_from(self.payload.len()).unwrap_or_default();
        [integer(self.kind), integer(len), self.payload.clone()].concat()
    }
}

/// An integer of variable length, as short as can be.
#[must_use]
pub fn integer(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let (from, mark) = match value {
        0..0x40 => (7, 0),
        0x40..0x4000 => (6, 0x40),
        0x4000..0x4000_0000 => (4, 0x80),
        _ => (0, 0xc0),
    };
    let mut short = bytes[from..].to_vec();
    short[0] |= mark;
    short
}

/// The integer at the front of the bytes, and how many they are.
#[must_use]
pub fn read_integer(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = 1 << (bytes.first()? >> 6);
    let mut value = u64::from(bytes[0] & 0x3f);
    for byte in bytes.get(1..len)? {
        value = value << 8 | u64::from(*byte);
    }
    Some((value, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integers_of_the_rfc_are_written_and_read() {
        // RFC 9000 appendix A.1.
        let rows: [(u64, &[u8]); 4] = [
            (151_288_809_941_952_652, b"\xc2\x19\x7c\x5e\xff\x14\xe8\x8c"),
            (494_878_333, b"\x9d\x7f\x3e\x7d"),
            (15_293, b"\x7b\xbd"),
            (37, b"\x25"),
        ];
        for (value, bytes) in rows {
            assert_eq!(integer(value), bytes);
            assert_eq!(read_integer(bytes), Some((value, bytes.len())));
        }
    }
}
