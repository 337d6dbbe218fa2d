//! Whole messages out of what arrives in pieces.

/// The bytes of a message's head, its length among them.
pub(super) const HEAD_BYTES: usize = 16;
/// MongoDB's longest document, and what stands around it.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024 + 16 * 1024;

/// Keeps the beginning of a message until the rest comes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Framing {
    kept: Vec<u8>,
    read: usize,
    /// Whether what has come will never be a message.
    is_lost: bool,
}

impl Framing {
    pub(super) fn push(&mut self, data: &[u8]) {
        if !self.is_lost {
            self.kept.extend_from_slice(data);
        }
    }

    /// So many bytes of the last message belong to what comes behind it.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.read = self.read.saturating_sub(bytes);
    }

    /// The next message that is whole.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let rest = self.kept.get(self.read..).unwrap_or_default();
        let length = rest.first_chunk().map(|bytes| i32::from_le_bytes(*bytes));
        let length = match length.map(usize::try_from) {
            None => return self.incomplete(),
            Some(Ok(length @ HEAD_BYTES..=MAX_BYTES)) => length,
            Some(_) => {
                *self = Framing {
                    is_lost: true,
                    ..Framing::default()
                };
                return None;
            }
        };
        if rest.len() < length {
            return self.incomplete();
        }
        let begin = self.read;
        self.read += length;
        self.kept.get(begin..self.read)
    }

    fn incomplete(&mut self) -> Option<&[u8]> {
        self.kept.drain(..self.read);
        self.read = 0;
        if self.kept.is_empty() {
            self.kept = Vec::new();
        }
        None
    }
}
