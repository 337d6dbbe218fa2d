//! Heads of frames: a type and a length.

use super::varint;

/// Types of frames (RFC 9114 section 7.2; RFC 9218 section 7.2).
pub(super) mod kind {
    pub(in crate::http3) const DATA: u64 = 0x0;
    pub(in crate::http3) const HEADERS: u64 = 0x1;
    pub(in crate::http3) const CANCEL_PUSH: u64 = 0x3;
    pub(in crate::http3) const SETTINGS: u64 = 0x4;
    pub(in crate::http3) const PUSH_PROMISE: u64 = 0x5;
    pub(in crate::http3) const GOAWAY: u64 = 0x7;
    pub(in crate::http3) const MAX_PUSH_ID: u64 = 0xd;
    pub(in crate::http3) const PRIORITY_UPDATE: u64 = 0xf0700;

    /// Whether a type is one of HTTP/2 that HTTP/3 has no use for.
    pub(in crate::http3) const fn is_of_http2(kind: u64) -> bool {
        matches!(kind, 0x2 | 0x6 | 0x8 | 0x9)
    }
}

/// Two integers of the longest kind.
const MAX_HEAD_BYTES: usize = 16;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) kind: u64,
    pub(super) len: u64,
    /// How many bytes it took itself.
    pub(super) bytes: usize,
}

impl FrameHead {
    fn read(input: &[u8]) -> Option<Self> {
        let (kind, kind_len) = varint::read(input)?;
        let (len, len_len) = varint::read(input.get(kind_len..)?)?;
        let bytes = kind_len + len_len;
        Some(Self { kind, len, bytes })
    }
}

/// Appends the head of a frame.
#[inline]
pub(super) fn write_head(out: &mut Vec<u8>, kind: u64, len: usize) {
    varint::write(out, kind);
    varint::write(out, len as u64);
}

/// A head that may come in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadReader {
    bytes: [u8; MAX_HEAD_BYTES],
    len: usize,
}

impl HeadReader {
    /// Takes what it needs of the input: how much, and the head if it is there now.
    pub(super) fn take(&mut self, input: &[u8]) -> (usize, Option<FrameHead>) {
        if self.len == 0
            && let Some(head) = FrameHead::read(input)
        {
            return (head.bytes, Some(head));
        }
        let held = self.len;
        let mut len = held;
        for (place, byte) in self.bytes.iter_mut().skip(held).zip(input) {
            *place = *byte;
            len += 1;
        }
        match self.bytes.get(..len).and_then(FrameHead::read) {
            Some(head) => {
                self.len = 0;
                (head.bytes.saturating_sub(held), Some(head))
            }
            None => {
                self.len = len;
                (len - held, None)
            }
        }
    }

    /// Whether a part of a head has come.
    pub(super) fn is_cut_off(&self) -> bool {
        self.len > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_in_pieces_is_the_same_as_at_once() {
        let mut bytes = Vec::new();
        write_head(&mut bytes, kind::PRIORITY_UPDATE, 70_000);
        let head_len = bytes.len();
        bytes.extend_from_slice(b"payload");
        let (taken, whole) = HeadReader::default().take(&bytes);
        assert_eq!(taken, head_len);
        assert_eq!(
            whole.map(|head| (head.kind, head.len)),
            Some((kind::PRIORITY_UPDATE, 70_000))
        );
        for cut in 1..head_len {
            let mut reader = HeadReader::default();
            assert_eq!(reader.take(&bytes[..cut]), (cut, None));
            assert!(reader.is_cut_off());
            assert_eq!(reader.take(&bytes[cut..]), (head_len - cut, whole));
            assert!(!reader.is_cut_off());
        }
    }
}
