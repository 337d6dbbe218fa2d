//! The messages of a response, of gRPC or of a stream of the Connect protocol, whose last frame says in JSON how the
//! call ended and is no message.

use crate::grpc::{FrameScanner, Piece};

/// The flag of Connect's last frame.
const END_OF_STREAM: u8 = 2;

/// What is kept of Connect's last frame at most; a longer one tells of no success.
const MAX_END_BYTES: usize = 1 << 20;

/// Counts the messages of a response.
#[derive(Debug, Default)]
pub(super) struct ResponseMessages {
    scanner: FrameScanner,
    /// How many have begun.
    pub(super) count: u64,
    end: Option<End>,
}

/// Connect's last frame.
#[derive(Debug, Default)]
struct End {
    text: Vec<u8>,
    is_complete: bool,
}

impl ResponseMessages {
    /// Looks at more of the body; how many more messages have begun.
    pub(super) fn inspect(&mut self, bytes: &[u8]) -> u64 {
        let before = self.count;
        let (count, end) = (&mut self.count, &mut self.end);
        self.scanner.scan(bytes, |piece| {
            match (piece, &mut *end) {
                (Piece::Begin(_), Some(_)) => return false,
                (Piece::Begin(flags), None) if flags & END_OF_STREAM != 0 => {
                    *end = Some(End::default());
                }
                (Piece::Begin(_), None) => *count += 1,
                (Piece::Message(bytes), Some(end)) => {
                    let room = MAX_END_BYTES.saturating_sub(end.text.len());
                    let kept = bytes.get(..room).unwrap_or(bytes);
                    end.text.extend_from_slice(kept);
                }
                (Piece::End, Some(end)) => end.is_complete = true,
                _ => {}
            }
            true
        });
        self.count - before
    }

    /// Whether Connect's last frame has come and tells of no error.
    pub(super) fn is_connect_success(&self) -> bool {
        self.end.as_ref().is_some_and(|end| {
            let json = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>;
            end.is_complete && json(&end.text).is_ok_and(|end| !end.contains_key("error"))
        })
    }
}
