//! Frames: their heads, their kinds and flags (RFC 9113 sections 4.1 and 6).

/// Bytes of a frame's head.
pub(super) const HEAD_BYTES: usize = 9;
/// The largest payload that we take; our SETTINGS do not raise it.
pub(super) const MAX_PAYLOAD: usize = 16_384;
/// What a client says first (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The kinds of frames.
pub(super) mod kind {
    pub(in crate::http2) const DATA: u8 = 0;
    pub(in crate::http2) const HEADERS: u8 = 1;
    pub(in crate::http2) const PRIORITY: u8 = 2;
    pub(in crate::http2) const RST_STREAM: u8 = 3;
    pub(in crate::http2) const SETTINGS: u8 = 4;
    pub(in crate::http2) const PING: u8 = 6;
    pub(in crate::http2) const GOAWAY: u8 = 7;
    pub(in crate::http2) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::http2) const CONTINUATION: u8 = 9;
    /// An extension.
    pub(in crate::http2) const METADATA: u8 = 0x4d;
}

/// The flags of frames.
pub(super) mod flag {
    pub(in crate::http2) const END_STREAM: u8 = 0x1;
    pub(in crate::http2) const ACK: u8 = 0x1;
    pub(in crate::http2) const END_HEADERS: u8 = 0x4;
    pub(in crate::http2) const PADDED: u8 = 0x8;
    pub(in crate::http2) const PRIORITY: u8 = 0x20;
}

/// The parameters of SETTINGS.
pub(super) mod parameter {
    pub(in crate::http2) const HEADER_TABLE_SIZE: u16 = 1;
    pub(in crate::http2) const ENABLE_PUSH: u16 = 2;
    pub(in crate::http2) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(in crate::http2) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(in crate::http2) const MAX_FRAME_SIZE: u16 = 5;
    pub(in crate::http2) const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHead {
    /// Bytes of the payload.
    pub(super) len: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// The stream's number, without the reserved bit.
    pub(super) stream: u32,
}

impl FrameHead {
    /// The head at the start of `input`, if it is all there.
    #[inline]
    pub(super) fn read(input: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, id @ ..] = *input.first_chunk::<HEAD_BYTES>()?;
        Some(Self {
            len: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            stream: u32::from_be_bytes(id) & 0x7fff_ffff,
        })
    }

    /// Appends the head.
    #[inline]
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    #[inline]
    pub(super) fn bytes(self) -> [u8; HEAD_BYTES] {
        // A payload has at most 2^24 - 1 bytes, as the peer's SETTINGS are checked.
        let [_, a, b, c] = (self.len as u32).to_be_bytes();
        let [s1, s2, s3, s4] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s1, s2, s3, s4]
    }

    #[inline]
    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The number at the start of `payload`.
#[inline]
pub(super) fn read_u32(payload: &[u8]) -> Option<u32> {
    payload
        .first_chunk::<4>()
        .map(|bytes| u32::from_be_bytes(*bytes))
}
