//! An exchange with a host that will be logged: what passes is noted on its way.

use std::cell::RefCell;
use std::task::{Context, Poll, ready};

use nuncio_codec::http1::ResponseHead;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_upstream::{BodyEvent, UpstreamError, UpstreamStream};

use super::Up;
use crate::router::attempt::is_http2;
use crate::router::try_log::TryLog;
use crate::stream::StreamState;

/// The exchange and its log, which is written when both are dropped.
pub(crate) struct Logged<'e> {
    up: Up<'e>,
    log: Box<TryLog<'e>>,
}

impl<'e> Logged<'e> {
    #[cold]
    pub(super) fn begin(up: Up<'e>, mut log: Box<TryLog<'e>>) -> Up<'e> {
        log.connected(up.stream());
        Up::Logged(Box::new(Logged { up, log }))
    }

    pub(super) fn log(&mut self) -> &mut TryLog<'e> {
        &mut self.log
    }

    pub(super) fn stream(&self) -> &UpstreamStream {
        self.up.stream()
    }

    pub(super) fn stream_mut(&mut self) -> &mut UpstreamStream {
        self.up.stream_mut()
    }

    pub(super) fn write_head(&mut self, headers: &HeaderMap, end_stream: bool) {
        self.up.write_head(headers, end_stream);
    }

    pub(super) fn poll_write_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> Poll<()> {
        self.log.poll(cx, Some(self.up.stream()));
        let before = data.len();
        let written = self.up.poll_write_data(cx, data, end_stream);
        self.log.sent_bytes += count(before.saturating_sub(data.len()));
        written
    }

    pub(super) fn write_trailers(&mut self, trailers: &HeaderMap) {
        self.up.write_trailers(trailers);
    }

    pub(super) fn poll_send_off(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.log.poll(cx, Some(self.up.stream()));
        self.up.poll_send_off(cx)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.log.poll(cx, Some(self.up.stream()));
        self.up.poll_flush(cx)
    }

    pub(super) fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        headers: &mut HeaderMap,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        self.log.poll(cx, Some(self.up.stream()));
        let read = ready!(self.up.poll_read_head(cx, headers));
        if read.is_ok() {
            self.log.count_head(headers);
        }
        match &read {
            Ok(head) if head.is_informational() => {}
            Ok(head) => self.log.answered(head.status, headers),
            Err(error) => self.log.fail(error),
        }
        if read.is_ok() && self.up.is_response_complete() {
            self.log.note_whole();
        }
        Poll::Ready(read)
    }

    pub(super) fn poll_read_body_of(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        state: &RefCell<Box<StreamState>>,
    ) -> Poll<Result<BodyEvent, UpstreamError>> {
        self.log.poll(cx, Some(self.up.stream()));
        let before = data.len();
        let read = self.up.poll_read_body_of(cx, data, state);
        self.log.received_bytes += count(data.len().saturating_sub(before));
        match &read {
            Poll::Ready(Ok(BodyEvent::Trailers)) => {
                self.log.ended(&state.borrow().response_trailers);
                self.log.note_whole();
            }
            Poll::Ready(Ok(BodyEvent::End)) => self.log.note_whole(),
            // Over HTTP/1 the end comes behind the last bytes.
            Poll::Ready(Ok(BodyEvent::LastData)) if is_http2(self.up.stream()) => {
                self.log.note_whole();
            }
            Poll::Ready(Err(error)) => self.log.fail(error),
            Poll::Ready(Ok(_)) | Poll::Pending => {}
        }
        read
    }

    pub(super) fn is_response_complete(&self) -> bool {
        self.up.is_response_complete()
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
