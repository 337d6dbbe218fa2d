//! Bodies in base64: requests in groups of four characters, responses frame by frame, each with padding of its own.

use nuncio_contract::buffer::Buffer;

use crate::grpc::{FrameScanner, Piece};
use nuncio_config::base64;

/// The flag of a message that is compressed, the only one that there is.
const COMPRESSED: u8 = 1;

/// Decodes a request.
#[derive(Debug, Default)]
pub(super) struct RequestText {
    /// What is no whole group yet; three characters at most.
    rest: Vec<u8>,
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its length is no multiple of four.
    Size,
    /// It is no base64.
    Data,
}

impl RequestText {
    /// Makes of a chunk of text what it stands for; what is no whole group waits for the next chunk.
    pub(super) fn decode(&mut self, data: &mut Buffer, end_stream: bool) -> Result<(), Fault> {
        let mut text = std::mem::take(&mut self.rest);
        text.extend_from_slice(data.readable());
        data.clear();
        let (groups, rest) = text.split_at(text.len() / 4 * 4);
        if end_stream && !rest.is_empty() {
            return Err(Fault::Size);
        }
        if !groups.is_empty() {
            data.extend(&base64::decode_padded(groups).ok_or(Fault::Data)?);
        }
        self.rest = rest.to_vec();
        Ok(())
    }
}

/// Encodes a response.
#[derive(Debug, Default)]
pub(super) struct ResponseText {
    scanner: FrameScanner,
    /// What is no whole group of three bytes yet; two at most.
    rest: Vec<u8>,
}

impl ResponseText {
    /// Makes text of the frames in a chunk. Frames with flags that gRPC does not have end the look at it.
    pub(super) fn encode(&mut self, data: &mut Buffer) {
        let mut text = String::with_capacity(data.len() / 3 * 4 + 8);
        let rest = &mut self.rest;
        self.scanner.scan(data.readable(), |piece| {
            match piece {
                Piece::Begin(flags) => return flags & !COMPRESSED == 0,
                Piece::Header(header) => encode_groups(rest, &header, &mut text),
                Piece::Message(bytes) => encode_groups(rest, bytes, &mut text),
                Piece::End => {
                    text.push_str(&base64::encode(rest));
                    rest.clear();
                }
            }
            true
        });
        data.clear();
        data.extend(text.as_bytes());
    }
}

/// Encodes whole groups; what is left goes to the rest.
fn encode_groups(rest: &mut Vec<u8>, bytes: &[u8], text: &mut String) {
    rest.extend_from_slice(bytes);
    let (groups, left) = rest.split_at(rest.len() / 3 * 3);
    text.push_str(&base64::encode(groups));
    *rest = left.to_vec();
}
