//! The connection as streams see it: bodies that are read, responses that are written.

use std::future::poll_fn;
use std::task::{Poll, ready};
use std::time::Instant;

use nuncio_codec::http1::{
    BodyEncoding, Method, ResponseTo, Version, encode_data, encode_end, encode_informational,
    encode_response_head, encode_trailers, sent_header_bytes,
};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stream_info::BytesMeter;

use super::{Http1Io, count};
use crate::downstream::{BodyEvent, Downstream, DownstreamError};

/// What is read ahead of pipelined requests while a response is under way.
const READ_AHEAD_BYTES: usize = 16 * 1024;
/// Body chunks of this size are not copied behind the head but written beside it.
const WRITE_BESIDE_BYTES: usize = 16 * 1024;

impl Http1Io {
    /// Counts the head or the trailers that stand in `out` behind its first bytes.
    #[inline]
    fn count_sent_head(&self, out: &[u8], before: usize) {
        let mut bytes = self.stream_bytes.get();
        let size = count(sent_header_bytes(out.get(before..).unwrap_or_default()));
        bytes.header_bytes_sent += size;
        bytes.decompressed_header_bytes_sent += size;
        self.stream_bytes.set(bytes);
    }
}

impl Downstream for Http1Io {
    const TELLS_OF_RESETS: bool = false;

    fn request_done(&self) -> bool {
        self.request_done.get()
    }

    async fn read_body(
        &self,
        chunk: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Result<BodyEvent, DownstreamError> {
        loop {
            match self.step_body(chunk, trailers) {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(error) => {
                    self.closing.set(true);
                    return Err(DownstreamError::Protocol {
                        details: error.details().into(),
                        status: error.status(),
                    });
                }
            }
            let room = self.read_room();
            if !matches!(poll_fn(|cx| self.poll_fill_on(cx, room)).await, Ok(1..)) {
                self.closing.set(true);
                return Err(DownstreamError::Gone);
            }
        }
    }

    async fn gone(&self) {
        poll_fn(|cx| {
            loop {
                if self.input.borrow().len() >= READ_AHEAD_BYTES {
                    return Poll::Pending;
                }
                match ready!(self.poll_fill(cx)) {
                    Ok(1..) => {}
                    _ => return Poll::Ready(()),
                }
            }
        })
        .await;
    }

    fn loss(&self) -> DownstreamError {
        DownstreamError::Gone
    }

    fn write_informational(&self, head: &HeaderMap) {
        // A client of HTTP/1.0 takes the first head for the last (RFC 9110 section 15.2).
        if self.request.get().version == Version::Http10 {
            return;
        }
        let mut output = self.output.borrow_mut();
        let out = output.appendable();
        let before = out.len();
        encode_informational(self.settings(), head, out);
        self.count_sent_head(out, before);
    }

    fn finish_head(&self, head: &mut HeaderMap) {
        if self.request.get().version == Version::Http10 {
            if !head.contains(Known::ContentLength) {
                self.closing.set(true);
                self.ends_by_close.set(true);
            }
            if !self.closing.get() && !self.draining.get() {
                head.set(Known::Connection, b"keep-alive");
            }
        }
        if self.closing.get() || self.draining.get() {
            head.set(Known::Connection, b"close");
        }
    }

    fn write_head(&self, head: &HeaderMap, end_stream: bool) {
        let facts = self.request.get();
        let to = ResponseTo {
            version: facts.version,
            head: facts.method == Method::Head,
            connect: facts.method == Method::Connect,
        };
        let mut output = self.output.borrow_mut();
        let out = output.appendable();
        let before = out.len();
        self.encoding.set(encode_response_head(
            self.settings(),
            to,
            head,
            end_stream,
            out,
        ));
        self.count_sent_head(out, before);
    }

    fn write_data(&self, chunk: Buffer, end_stream: bool) {
        let encoding = self.encoding.get();
        let mut output = self.output.borrow_mut();
        match encoding {
            BodyEncoding::Omitted => {}
            _ if chunk.is_empty() => {}
            _ if chunk.len() >= WRITE_BESIDE_BYTES => output.put_beside(encoding, chunk),
            BodyEncoding::Plain => output.put_behind(chunk),
            BodyEncoding::Chunked => encode_data(encoding, chunk.readable(), output.appendable()),
        }
        if end_stream && encoding == BodyEncoding::Chunked {
            encode_end(encoding, output.end());
        }
    }

    fn write_trailers(&self, trailers: &HeaderMap) {
        let mut output = self.output.borrow_mut();
        let out = output.appendable();
        let before = out.len();
        encode_trailers(self.settings(), self.encoding.get(), trailers, out);
        self.count_sent_head(out, before);
    }

    fn unflushed_bytes(&self) -> usize {
        self.output.borrow().len()
    }

    async fn send_off(&self) -> Result<(), DownstreamError> {
        if self.output.borrow().is_empty() || self.send_later() {
            return Ok(());
        }
        self.flush().await
    }

    async fn flush(&self) -> Result<(), DownstreamError> {
        if self.output.borrow().is_empty() && !self.is_behind() {
            return Ok(());
        }
        poll_fn(|cx| self.poll_flush(cx)).await.map_err(|_| {
            self.closing.set(true);
            DownstreamError::Gone
        })
    }

    async fn end_sending(&self) {
        self.shutdown().await;
    }

    fn bytes(&self) -> BytesMeter {
        self.stream_bytes()
    }

    fn close_after_response(&self) {
        self.closing.set(true);
    }

    fn flush_timed_out(&self) {
        self.stats.downstream_cx_idle_timeout.inc();
    }

    fn drain(&self) {
        self.draining.set(true);
    }

    fn is_draining(&self) -> bool {
        self.draining.get()
    }

    fn connection_expired(&self, now: Instant) {
        if !self.config.timeouts.outlives_quietly {
            self.draining.set(true);
        }
        self.expired.set(Some(now));
    }
}
