//! What waits to be sent: small things joined, one large chunk beside them that is not copied.

use std::io::IoSlice;

use nuncio_codec::http1::{BodyEncoding, encode_chunk_end, encode_chunk_start};
use nuncio_contract::buffer::Buffer;

/// Room asked for before something is written; more makes the buffer grow.
const WRITE_ROOM_BYTES: usize = 1024;

/// Bytes in the order in which they are sent.
#[derive(Default)]
pub(super) struct Output {
    pub(super) bytes: Buffer,
    /// A large chunk that follows `bytes`.
    pub(super) beside: Buffer,
    /// What follows the large chunk; empty without one.
    pub(super) tail: Vec<u8>,
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.beside.len() + self.tail.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn slices(&self) -> [IoSlice<'_>; 3] {
        [
            IoSlice::new(self.bytes.readable()),
            IoSlice::new(self.beside.readable()),
            IoSlice::new(&self.tail),
        ]
    }

    pub(super) fn consume(&mut self, count: usize) {
        let of_front = count.min(self.bytes.len());
        self.bytes.advance(of_front);
        let of_beside = (count - of_front).min(self.beside.len());
        self.beside.advance(of_beside);
        self.tail.drain(..count - of_front - of_beside);
    }

    /// The bytes to append to; what stands beside them is joined first.
    pub(super) fn appendable(&mut self) -> &mut Vec<u8> {
        if !self.beside.is_empty() || !self.tail.is_empty() {
            self.bytes.extend(self.beside.readable());
            self.beside.clear();
            self.bytes.extend(&self.tail);
            self.tail.clear();
        }
        self.bytes.vec_mut(WRITE_ROOM_BYTES)
    }

    /// Adds a large chunk without copying it.
    pub(super) fn put_beside(&mut self, encoding: BodyEncoding, chunk: Buffer) {
        let framed = encoding == BodyEncoding::Chunked;
        let bytes = self.appendable();
        if framed {
            encode_chunk_start(chunk.len(), bytes);
            encode_chunk_end(&mut self.tail);
        }
        self.beside = chunk;
    }

    /// Where the end of the message goes.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        if self.beside.is_empty() {
            self.appendable()
        } else {
            &mut self.tail
        }
    }
}
