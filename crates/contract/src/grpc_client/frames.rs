//! The frames of messages: a byte of flags, four bytes of length, the message.
//!
//! Nothing is compressed in what we send, and what comes compressed is refused, as nothing was agreed on. A message is
//! kept until it is complete, up to the limit of who reads.

/// What comes before each message.
const HEADER_BYTES: usize = 5;

/// The message in its frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(HEADER_BYTES + message.len());
    framed.push(0);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Its flags mean nothing here.
    Flags,
    /// Its message is too long.
    TooLong,
}

/// Puts messages together, in whatever pieces they come.
#[derive(Debug, Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
    /// How much of it was given out.
    taken: usize,
    max_message_bytes: Option<usize>,
}

impl FrameReader {
    /// A reader of messages up to this length; any, if there is none.
    pub fn new(max_message_bytes: Option<usize>) -> Self {
        FrameReader {
            max_message_bytes,
            ..FrameReader::default()
        }
    }

    /// Whether messages may be of any length.
    pub(super) fn is_unlimited(&self) -> bool {
        self.max_message_bytes.is_none()
    }

    /// Takes more of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message that is complete.
    ///
    /// # Errors
    /// [`FrameError`] when the rest cannot be read.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return match rest.first() {
                Some(1..) => Err(FrameError::Flags),
                _ => Ok(None),
            };
        };
        let [flags, length @ ..] = header;
        if *flags != 0 {
            return Err(FrameError::Flags);
        }
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if self.max_message_bytes.is_some_and(|max| length > max) {
            return Err(FrameError::TooLong);
        }
        let message = rest.get(..length).map(<[u8]>::to_vec);
        if message.is_some() {
            self.taken += HEADER_BYTES + length;
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_together_from_pieces_of_any_size() {
        let mut body = frame(b"one");
        body.extend(frame(b""));
        body.extend(frame(b"three"));
        for size in 1..=body.len() {
            let mut reader = FrameReader::new(Some(5));
            let mut messages = Vec::new();
            for piece in body.chunks(size) {
                reader.push(piece);
                while let Some(message) = reader.next_message().expect("it is in order") {
                    messages.push(message);
                }
            }
            assert_eq!(messages, [&b"one"[..], b"", b"three"], "{size}");
        }
    }

    #[test]
    fn a_compressed_message_is_refused_with_its_first_byte() {
        let mut reader = FrameReader::new(None);
        reader.push(&[1]);
        assert_eq!(reader.next_message(), Err(FrameError::Flags));
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_before_it_has_come() {
        let mut reader = FrameReader::new(Some(4));
        reader.push(&[0, 0, 0, 0, 5]);
        assert_eq!(reader.next_message(), Err(FrameError::TooLong));
    }

    #[test]
    fn what_comes_before_a_bad_frame_is_given_out() {
        let mut reader = FrameReader::new(None);
        reader.push(&frame(b"good"));
        reader.push(&[128, 0, 0, 0, 0]);
        assert_eq!(reader.next_message(), Ok(Some(b"good".to_vec())));
        assert_eq!(reader.next_message(), Err(FrameError::Flags));
    }
}
