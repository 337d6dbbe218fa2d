//! The frames of messages: a byte of flags, four bytes of length, the message. Nothing of a message is kept.

/// What comes before each message.
pub(crate) const FRAME_HEADER_BYTES: usize = 5;

/// What comes before a message without flags; nothing says more of a longer one than that it is this long.
pub(crate) fn frame_header(message_bytes: usize) -> [u8; FRAME_HEADER_BYTES] {
    let length = u32::try_from(message_bytes).unwrap_or(u32::MAX);
    let [first, second, third, fourth] = length.to_be_bytes();
    [0, first, second, third, fourth]
}

/// A piece of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A frame begins, with these flags.
    Begin(u8),
    /// Its flags and its length have come.
    Header([u8; FRAME_HEADER_BYTES]),
    /// Bytes of its message.
    Message(&'a [u8]),
    /// It is complete.
    End,
}

/// Takes a body apart, in whatever pieces it comes.
#[derive(Debug, Default)]
pub(crate) struct FrameScanner {
    header: [u8; FRAME_HEADER_BYTES],
    /// How much of the header has come.
    header_bytes: usize,
    /// How much of the message is to come.
    left: u32,
}

impl FrameScanner {
    /// Calls `each` with the pieces in these bytes; where it does not want a frame, nothing more is looked at.
    pub(crate) fn scan(&mut self, mut bytes: &[u8], mut each: impl FnMut(Piece<'_>) -> bool) {
        while let Some((first, rest)) = bytes.split_first() {
            match self.header.get_mut(self.header_bytes) {
                Some(place) => {
                    if self.header_bytes == 0 && !each(Piece::Begin(*first)) {
                        return;
                    }
                    *place = *first;
                    self.header_bytes += 1;
                    bytes = rest;
                    if self.header_bytes == FRAME_HEADER_BYTES {
                        let [_, length @ ..] = self.header;
                        self.left = u32::from_be_bytes(length);
                        each(Piece::Header(self.header));
                        self.end_if_complete(&mut each);
                    }
                }
                None => {
                    let left = usize::try_from(self.left).unwrap_or(usize::MAX);
                    let (message, rest) = bytes.split_at(left.min(bytes.len()));
                    each(Piece::Message(message));
                    self.left -= u32::try_from(message.len()).unwrap_or(self.left);
                    bytes = rest;
                    self.end_if_complete(&mut each);
                }
            }
        }
    }

    fn end_if_complete(&mut self, each: &mut impl FnMut(Piece<'_>) -> bool) {
        if self.left == 0 {
            self.header_bytes = 0;
            each(Piece::End);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_wherever_a_body_is_cut() {
        let body = b"\x00\x00\x00\x00\x03abc\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01d";
        for cut in 0..body.len() {
            let (first, second) = body.split_at(cut);
            let (mut scanner, mut begun, mut ended, mut text) =
                (FrameScanner::default(), Vec::new(), 0, Vec::new());
            for part in [first, second] {
                scanner.scan(part, |piece| {
                    match piece {
                        Piece::Begin(flags) => begun.push(flags),
                        Piece::Message(bytes) => text.extend_from_slice(bytes),
                        Piece::End => ended += 1,
                        Piece::Header(header) => assert_eq!(header[..4], [header[0], 0, 0, 0]),
                    }
                    true
                });
            }
            assert_eq!((begun, ended), (vec![0, 1, 0], 3), "cut at {cut}");
            assert_eq!(text, b"abcd", "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_that_is_not_wanted_ends_the_look() {
        let mut scanner = FrameScanner::default();
        let mut pieces = 0;
        for _ in 0..2 {
            scanner.scan(b"\x80\x00\x00\x00\x00", |piece| {
                assert_eq!(piece, Piece::Begin(0x80));
                pieces += 1;
                false
            });
        }
        assert_eq!(pieces, 2);
    }
}
