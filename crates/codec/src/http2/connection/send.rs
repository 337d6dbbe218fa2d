//! Sending heads, bodies and trailers.

use nuncio_contract::headers::{HeaderMap, Known};

use super::super::frame::{FrameHead, HEAD_BYTES, flag, kind};
use super::super::stream_id::StreamId;
use super::super::streams::{Ended, Stream, mark};
use super::{Connection, MAX_STREAM_ID, Role};
use crate::header_block::{BlockSize, is_of_the_connection};

impl Connection {
    /// How many more streams may be opened now: 0 after a GOAWAY, and when numbers are used up.
    pub fn can_open(&self) -> u32 {
        if self.role == Role::Server
            || self.told_go_away
            || self.failed.is_some()
            || self.next_stream() > MAX_STREAM_ID
        {
            return 0;
        }
        let limit = self
            .peer
            .max_concurrent_streams
            .min(self.settings.max_concurrent_streams);
        limit.saturating_sub(u32::try_from(self.streams.len()).unwrap_or(u32::MAX))
    }

    fn next_stream(&self) -> u32 {
        match self.last_stream {
            0 => 1,
            last => last.saturating_add(2),
        }
    }

    /// Opens a stream with a request's head. `None` when [`Connection::can_open`] says that there can be none.
    ///
    /// Headers that have no place in HTTP/2 (`connection` and its kin) are left out; of CONNECT without `:protocol`
    /// scheme and path as well.
    pub fn open(
        &mut self,
        headers: &HeaderMap,
        end_stream: bool,
        out: &mut Vec<u8>,
    ) -> Option<(StreamId, BlockSize)> {
        if self.can_open() == 0 {
            return None;
        }
        let id = self.next_stream();
        self.last_stream = id;
        self.inbound.stream_begun();
        let mut stream = Stream::new(id, self.settings.initial_stream_window_size);
        match headers.get(Known::Method) {
            Some(b"HEAD") => stream.marks |= mark::HEAD_REQUEST,
            Some(b"CONNECT") if !headers.contains(Known::Protocol) => {
                stream.marks |= mark::CONNECT;
            }
            _ => {}
        }
        self.streams.push(stream);
        let size = self.send_head(StreamId(id), headers, end_stream, out);
        Some((StreamId(id), size))
    }

    /// Sends a response's head, informational or final. Nothing on a stream that is over.
    ///
    /// Headers that have no place in HTTP/2 (`connection` and its kin) are left out.
    pub fn send_head(
        &mut self,
        stream: StreamId,
        headers: &HeaderMap,
        end_stream: bool,
        out: &mut Vec<u8>,
    ) -> BlockSize {
        match self.streams.get(stream.0) {
            Some(open) if !open.is(mark::LOCAL_ENDED) => {
                let is_connect = open.is(mark::CONNECT);
                let size = self.send_block(stream.0, headers, end_stream, is_connect, out);
                if end_stream {
                    self.end_local(stream.0, out);
                }
                size
            }
            _ => BlockSize::default(),
        }
    }

    /// Sends trailers, which end our side of the stream. Without any it ends with an empty frame of DATA.
    pub fn send_trailers(
        &mut self,
        stream: StreamId,
        trailers: &HeaderMap,
        out: &mut Vec<u8>,
    ) -> BlockSize {
        if trailers.is_empty() {
            self.send_data(stream, &[], true, out);
            return BlockSize::default();
        }
        self.send_head(stream, trailers, true, out)
    }

    fn send_block(
        &mut self,
        stream: u32,
        headers: &HeaderMap,
        end_stream: bool,
        is_connect: bool,
        out: &mut Vec<u8>,
    ) -> BlockSize {
        let mut size = BlockSize::default();
        let mut head = FrameHead {
            len: 0,
            kind: kind::HEADERS,
            flags: if end_stream { flag::END_STREAM } else { 0 },
            stream,
        };
        let start = out.len();
        head.write(out);
        self.encoder.begin_block(out);
        for header in headers.iter() {
            let is_left_out = match header.known {
                Some(Known::Scheme | Known::Path) => is_connect,
                Some(known) => is_of_the_connection(known),
                None => false,
            };
            if !is_left_out {
                size.count += 1;
                size.decoded += header.name.len() + header.value.len();
                self.encoder
                    .encode(header.known, header.name, header.value, out);
            }
        }
        let block_len = out.len() - start - HEAD_BYTES;
        if block_len > self.peer.max_frame_payload {
            size.wire = self.split_block(head, start, out);
            return size;
        }
        head.len = block_len;
        head.flags |= flag::END_HEADERS;
        if let Some(place) = out.get_mut(start..start + HEAD_BYTES) {
            place.copy_from_slice(&head.bytes());
        }
        size.wire = HEAD_BYTES + block_len;
        self.outbound.appended(size.wire, false);
        size
    }

    /// Makes frames of a block that is larger than one; how many bytes they take.
    #[cold]
    fn split_block(&mut self, mut head: FrameHead, start: usize, out: &mut Vec<u8>) -> usize {
        let block = out.split_off(start + HEAD_BYTES);
        out.truncate(start);
        let mut pieces = block.chunks(self.peer.max_frame_payload).peekable();
        while let Some(piece) = pieces.next() {
            head.len = piece.len();
            if pieces.peek().is_none() {
                head.flags |= flag::END_HEADERS;
            }
            head.write(out);
            out.extend_from_slice(piece);
            self.outbound.appended(HEAD_BYTES + piece.len(), false);
            head.kind = kind::CONTINUATION;
            head.flags = 0;
        }
        out.len() - start
    }

    /// Sends as much of `data` as the windows allow, in frames that the peer takes; how many bytes that was. With
    /// `end_stream` the last frame ends our side if all was sent; it may be empty.
    pub fn send_data(
        &mut self,
        stream: StreamId,
        data: &[u8],
        end_stream: bool,
        out: &mut Vec<u8>,
    ) -> usize {
        let mut sent = 0;
        loop {
            let rest = data.get(sent..).unwrap_or_default();
            let piece_len = self.send_data_head(stream, rest.len(), end_stream, out);
            out.extend_from_slice(rest.get(..piece_len).unwrap_or_default());
            sent += piece_len;
            if piece_len == 0 || sent == data.len() {
                return sent;
            }
        }
    }

    /// Appends the head of one frame of DATA, for bodies whose bytes are not to be copied: the caller sends as many
    /// bytes behind it as this says, at most `len`. With `end_stream` the frame ends our side if it holds all of `len`,
    /// which may be 0. Nothing is appended, and 0 returned, when there is no window.
    pub fn send_data_head(
        &mut self,
        stream: StreamId,
        len: usize,
        end_stream: bool,
        out: &mut Vec<u8>,
    ) -> usize {
        let can_send = self
            .streams
            .get(stream.0)
            .is_some_and(|open| !open.is(mark::LOCAL_ENDED));
        let piece_len = len
            .min(self.capacity(stream))
            .min(self.peer.max_frame_payload);
        let ends = end_stream && piece_len == len;
        if !can_send || (piece_len == 0 && !ends) {
            return 0;
        }
        let head = FrameHead {
            len: piece_len,
            kind: kind::DATA,
            flags: if ends { flag::END_STREAM } else { 0 },
            stream: stream.0,
        };
        head.write(out);
        self.outbound.appended(HEAD_BYTES + piece_len, false);
        self.outbound.data_frames += 1;
        self.spend(stream.0, piece_len);
        if ends {
            self.end_local(stream.0, out);
        }
        piece_len
    }

    /// Our side of the stream has ended.
    fn end_local(&mut self, stream: u32, out: &mut Vec<u8>) {
        let Some(open) = self.streams.get_mut(stream) else {
            return;
        };
        open.marks |= mark::LOCAL_ENDED;
        if open.both_ended() {
            self.forget(stream, Ended::Known, out);
        }
    }
}
