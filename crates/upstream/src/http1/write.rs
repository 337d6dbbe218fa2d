//! The request's way out.

use std::io::IoSlice;
use std::task::{Context, Poll, ready};

use nuncio_codec::http1::{
    BodyEncoding, encode_chunk_end, encode_chunk_start, encode_data, encode_end,
    encode_request_head, encode_trailers, sent_header_bytes,
};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;

use super::{Http1Stream, Progress, settings};

/// Room asked for before a head is encoded; a larger head makes the buffer grow.
const HEAD_ROOM_BYTES: usize = 1024;

/// Room for a chunk's framing.
const FRAMING_ROOM_BYTES: usize = 32;

impl Http1Stream {
    #[inline]
    pub(crate) fn write_head(&mut self, headers: &HeaderMap, end_stream: bool) {
        let request = &mut self.request;
        let out = request.out.vec_mut(HEAD_ROOM_BYTES);
        let encoding = encode_request_head(settings(&self.lease), headers, end_stream, out);
        request.encoding = encoding.body;
        request.sent = encoding.sent;
        request.header_bytes =
            u64::try_from(sent_header_bytes(request.out.readable())).unwrap_or(u64::MAX);
        request.progress = if end_stream {
            Progress::Complete
        } else {
            Progress::Body
        };
    }

    pub(crate) fn write_trailers(&mut self, trailers: &HeaderMap) {
        let request = &mut self.request;
        if request.progress == Progress::Body {
            let out = request.out.vec_mut(HEAD_ROOM_BYTES);
            let before = out.len();
            encode_trailers(settings(&self.lease), request.encoding, trailers, out);
            let size = sent_header_bytes(out.get(before..).unwrap_or_default());
            request.header_bytes += u64::try_from(size).unwrap_or(u64::MAX);
            request.progress = Progress::Complete;
        }
    }

    pub(crate) fn poll_write_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> Poll<()> {
        if end_stream && self.joins_last(data) {
            return self.poll_send_off(cx);
        }
        loop {
            self.frame(data);
            if self.request.broken {
                data.clear();
                self.request.raw_left = 0;
            }
            if data.is_empty() {
                if end_stream && self.request.progress == Progress::Body {
                    encode_end(
                        self.request.encoding,
                        self.request.out.vec_mut(FRAMING_ROOM_BYTES),
                    );
                    self.request.progress = Progress::Complete;
                }
                return self.poll_flush(cx);
            }
            ready!(self.poll_write_some(cx, data));
        }
    }

    /// Puts the last of the body behind what is written already, if it is small; whether it did.
    fn joins_last(&mut self, data: &mut Buffer) -> bool {
        let request = &mut self.request;
        let is_small = request.out.len() + data.len() < Buffer::HEAD_BYTES - 2 * FRAMING_ROOM_BYTES;
        if !is_small || request.raw_left > 0 || request.progress != Progress::Body || request.broken
        {
            return false;
        }
        let front = request.out.readable();
        let is_bare = request.encoding == BodyEncoding::Plain && front.len() < data.len();
        if is_bare && data.put_before(front) {
            request.out = std::mem::take(data);
        } else {
            let out = request.out.vec_mut(FRAMING_ROOM_BYTES);
            encode_data(request.encoding, data.readable(), out);
            encode_end(request.encoding, out);
            data.clear();
        }
        request.progress = Progress::Complete;
        true
    }

    /// Puts what belongs before the next bytes of `data` into the buffer.
    fn frame(&mut self, data: &mut Buffer) {
        let request = &mut self.request;
        if request.raw_left > 0 || data.is_empty() {
            return;
        }
        match request.encoding {
            BodyEncoding::Plain => request.raw_left = data.len(),
            BodyEncoding::Omitted => data.clear(),
            BodyEncoding::Chunked => {
                encode_chunk_start(data.len(), request.out.vec_mut(FRAMING_ROOM_BYTES));
                request.raw_left = data.len();
            }
        }
    }

    /// One write of the buffer and the bytes of `data` that may follow it.
    fn poll_write_some(&mut self, cx: &mut Context<'_>, data: &mut Buffer) -> Poll<()> {
        let Some(connection) = self.lease.connection_mut() else {
            self.request.broken = true;
            return Poll::Ready(());
        };
        let request = &mut self.request;
        let raw = data.readable().get(..request.raw_left).unwrap_or_default();
        let slices = [IoSlice::new(request.out.readable()), IoSlice::new(raw)];
        let written = match request.out.is_empty() {
            true => ready!(connection.transport.poll_write(cx, raw)),
            false => ready!(connection.transport.poll_write_vectored(cx, &slices)),
        };
        let Ok(count) = written else {
            request.broken = true;
            return Poll::Ready(());
        };
        self.count_sent(count);
        let request = &mut self.request;
        let of_out = count.min(request.out.len());
        request.out.advance(of_out);
        let of_data = count - of_out;
        data.advance(of_data);
        request.raw_left -= of_data.min(request.raw_left);
        if of_data > 0 && request.raw_left == 0 && request.encoding == BodyEncoding::Chunked {
            encode_chunk_end(request.out.vec_mut(FRAMING_ROOM_BYTES));
        }
        Poll::Ready(())
    }

    #[inline]
    pub(crate) fn poll_send_off(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let bytes = std::mem::take(&mut self.request.out);
        let count = bytes.len();
        let kept = match self.lease.connection_mut() {
            Some(connection) if !self.request.broken && count > 0 => {
                connection.transport.send_later(bytes)
            }
            _ => Err(bytes),
        };
        match kept {
            Ok(()) => self.count_sent(count),
            Err(bytes) => {
                self.request.out = bytes;
                return self.poll_flush(cx);
            }
        }
        Poll::Ready(())
    }

    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.request.out.is_empty() {
            let connection = self.lease.connection_mut().filter(|_| !self.request.broken);
            let Some(connection) = connection else {
                self.request.out.clear();
                return Poll::Ready(());
            };
            match ready!(
                connection
                    .transport
                    .poll_write(cx, self.request.out.readable())
            ) {
                Ok(count) => {
                    self.count_sent(count);
                    self.request.out.advance(count);
                }
                Err(_) => self.request.broken = true,
            }
        }
        match self.lease.connection_mut() {
            Some(connection) => connection.transport.poll_flush(cx).map(|_| ()),
            None => Poll::Ready(()),
        }
    }

    #[inline]
    fn count_sent(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.request.wire_bytes += count;
        self.lease
            .core()
            .traffic
            .upstream_cx_tx_bytes_total
            .add(count);
    }
}
