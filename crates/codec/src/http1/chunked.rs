//! The chunked coding (RFC 9112 section 7.1), byte by byte where it is grammar
//! and at once where it is data.
//!
//! Hexadecimal digits first, white space or `;` after them, lines ended by CR LF, no
//! CR or LF within an extension; as in Envoy, the CR may be missing only after data.
//!
//! Stricter than Envoy 1.40, which skips anything between the data and the line
//! feed (its later `strict_chunk_parsing` does not): nothing may stand there.

use memchr::memchr2;

use super::error::Error;

const INVALID_SIZE: Error = Error::Syntax("HPE_INVALID_CHUNK_SIZE");
const OVERFLOW: Error = Error::Syntax("CHUNK_LENGTH_OVERFLOW");
const INVALID_EXTENSION: Error = Error::Syntax("INVALID_CHUNK_EXTENSION");
const INVALID_END: Error = Error::Syntax("INVALID_CHUNK_FRAMING");

/// Where in the grammar the decoder is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ChunkState {
    /// Before the first digit of a size.
    #[default]
    Start,
    /// Within the digits.
    Size(u64),
    /// After the digits, up to the CR.
    Extension(u64),
    /// After the CR of the size line.
    SizeLf(u64),
    /// Within the data; so many bytes are left.
    Data(u64),
    /// After the data.
    DataEnd,
    /// After the CR that follows the data.
    DataEndLf,
    /// After the size line of the last chunk.
    Trailers,
}

impl ChunkState {
    /// Whether the size of the last chunk has been read.
    pub(super) fn is_behind_data(self) -> bool {
        matches!(
            self,
            ChunkState::Extension(0) | ChunkState::SizeLf(0) | ChunkState::Trailers
        )
    }

    /// Reads grammar from `input` until data or trailers begin, or it ends; how much
    /// was read.
    pub(super) fn read_grammar(&mut self, input: &[u8]) -> Result<usize, Error> {
        let mut at = 0;
        while let Some(byte) = input.get(at) {
            match *self {
                ChunkState::Data(_) | ChunkState::Trailers => break,
                ChunkState::Extension(size) => {
                    let rest = input.get(at..).unwrap_or_default();
                    let Some(found) = memchr2(b'\r', b'\n', rest) else {
                        return Ok(input.len());
                    };
                    if rest.get(found) == Some(&b'\n') {
                        return Err(INVALID_EXTENSION);
                    }
                    at += found;
                    *self = ChunkState::SizeLf(size);
                }
                // Where an extension could begin; what is wrong is the line's end, not the size.
                ChunkState::Size(size) if *byte == b'\n' => {
                    *self = ChunkState::Extension(size);
                    continue;
                }
                state => *self = state.after(*byte)?,
            }
            at += 1;
        }
        Ok(at)
    }

    fn after(self, byte: u8) -> Result<ChunkState, Error> {
        match self {
            ChunkState::Start => hex(byte).map(ChunkState::Size).ok_or(INVALID_SIZE),
            ChunkState::Size(size) => match (hex(byte), byte) {
                (Some(digit), _) => size
                    .checked_mul(16)
                    .map(|size| ChunkState::Size(size + digit))
                    .ok_or(OVERFLOW),
                (None, b'\r') => Ok(ChunkState::SizeLf(size)),
                (None, b'\t' | b' ' | b';') => Ok(ChunkState::Extension(size)),
                (None, _) => Err(INVALID_SIZE),
            },
            ChunkState::SizeLf(size) => match (byte, size) {
                (b'\n', 0) => Ok(ChunkState::Trailers),
                (b'\n', _) => Ok(ChunkState::Data(size)),
                _ => Err(INVALID_EXTENSION),
            },
            ChunkState::DataEnd => match byte {
                b'\r' => Ok(ChunkState::DataEndLf),
                b'\n' => Ok(ChunkState::Start),
                _ => Err(INVALID_END),
            },
            ChunkState::DataEndLf => match byte {
                b'\n' => Ok(ChunkState::Start),
                _ => Err(INVALID_END),
            },
            // These read no grammar.
            ChunkState::Extension(_) | ChunkState::Data(_) | ChunkState::Trailers => Ok(self),
        }
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}
