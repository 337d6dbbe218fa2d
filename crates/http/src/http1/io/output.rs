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

    /// Adds a chunk that nothing surrounds. Longer than what stands before it, it is not copied if it has room there.
    #[inline]
    pub(super) fn put_behind(&mut self, mut chunk: Buffer) {
        let is_alone = self.beside.is_empty() && self.tail.is_empty();
        let front = self.bytes.readable();
        if is_alone && front.len() < chunk.len() && chunk.put_before(front) {
            self.bytes = chunk;
        } else {
            self.appendable();
            self.bytes.extend(chunk.readable());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A body as it comes from a host, behind a head that was read already.
    fn body(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::new();
        buffer.extend(b"HTTP/1.1 200 OK\r\n\r\n");
        buffer.extend(bytes);
        buffer.advance(19);
        buffer
    }

    fn sent(output: &Output) -> Vec<u8> {
        output.slices().iter().flat_map(|it| it.to_vec()).collect()
    }

    #[test]
    fn a_body_longer_than_its_head_stays_where_it_was_read() {
        let mut output = Output::default();
        output.appendable().extend_from_slice(b"head ");
        let body = body(b"longer than it");
        let place = body.readable().as_ptr();
        output.put_behind(body);
        assert_eq!(sent(&output), b"head longer than it");
        assert_eq!(output.bytes.readable()[5..].as_ptr(), place);
    }

    #[test]
    fn a_body_shorter_than_its_head_or_without_room_before_it_is_copied() {
        for body in [body(b"x"), body(&[b'x'; 9000])] {
            let head = vec![b'h'; 8000];
            let expected = [&head[..], body.readable()].concat();
            let mut output = Output::default();
            output.appendable().extend_from_slice(&head);
            output.put_behind(body);
            assert_eq!(sent(&output), expected);
        }
    }

    #[test]
    fn what_follows_a_large_chunk_beside_stays_behind_it() {
        let mut output = Output::default();
        output.put_beside(BodyEncoding::Plain, body(b"beside"));
        output.put_behind(body(b" behind"));
        output.appendable().extend_from_slice(b" end");
        assert_eq!(sent(&output), b"beside behind end");
    }
}
