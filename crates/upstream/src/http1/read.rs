//! The response's way in.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, ready};

use nuncio_codec::http1::{
    BodyDecoder, BodyEncoding, BodyFraming, Error, HeadScan, ResponseHead, Step,
    decode_response_head, received_header_bytes, refused_response_header_bytes, should_close,
};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;

use super::{Http1Stream, Progress, settings};
use crate::body_event::BodyEvent;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::pool::Ended;

/// Room of a read while a head is expected.
const HEAD_READ_BYTES: usize = Buffer::HEAD_BYTES / 2;

impl Http1Stream {
    #[inline]
    pub(crate) fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        headers: &mut HeaderMap,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        loop {
            if !self.response.input.is_empty() {
                match self.decode_head(headers) {
                    Ok(Some(head)) if head.is_unknown_informational() => continue,
                    Ok(Some(head)) => return Poll::Ready(Ok(head)),
                    Ok(None) => {}
                    Err(error) => {
                        self.count_refused(error);
                        return Poll::Ready(Err(self.refuse(error)));
                    }
                }
            }
            match ready!(self.poll_fill_head(cx)) {
                read @ (Ok(0) | Err(_)) if self.response.input.is_empty() => {
                    return Poll::Ready(Err(self.tunnel_ended(read.is_ok())));
                }
                Ok(0) | Err(_) => return Poll::Ready(Err(self.ended_early())),
                Ok(_) => {}
            }
        }
    }

    #[inline]
    fn decode_head(&mut self, headers: &mut HeaderMap) -> Result<Option<ResponseHead>, Error> {
        let response = &mut self.response;
        let input = response.input.readable();
        let sent = self.request.sent;
        let decoded = decode_response_head(
            settings(&self.lease),
            sent,
            input,
            &mut response.scan,
            headers,
        )?;
        let Some(head) = decoded else { return Ok(None) };
        response.header_bytes += u64::try_from(head.header_bytes).unwrap_or(u64::MAX);
        // As in Envoy, a head behind one of 1xx adds those before it once more.
        response.decoded_header_bytes += response.header_bytes;
        response.input.advance(head.head_len);
        response.scan = HeadScan::default();
        if !head.is_informational() {
            self.lease.core().note_response(self.lease.host(), headers);
            self.begin_body(&head, headers);
        }
        Ok(Some(head))
    }

    #[inline]
    fn begin_body(&mut self, head: &ResponseHead, headers: &HeaderMap) {
        let response = &mut self.response;
        response.decoder = head.framing.into();
        response.keep_alive = head.keep_alive;
        response.until_close =
            matches!(head.framing, BodyFraming::UntilClose | BodyFraming::Tunnel);
        if head.framing == BodyFraming::Tunnel {
            response.tunnel = true;
            self.request.encoding = BodyEncoding::Plain;
        }
        if !head.keep_alive && should_close(head.version, headers) {
            self.lease.core().traffic.upstream_cx_close_notify.inc();
        }
        response.progress = if response.decoder.is_done() {
            Progress::Complete
        } else {
            Progress::Body
        };
    }

    #[inline]
    pub(crate) fn poll_read_body(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Poll<Result<BodyEvent, UpstreamError>> {
        loop {
            if self.response.progress == Progress::Complete {
                return Poll::Ready(Ok(BodyEvent::End));
            }
            if self.response.trailers_follow {
                self.response.progress = Progress::Complete;
                self.lease.core().note_trailers(self.lease.host(), trailers);
                return Poll::Ready(Ok(BodyEvent::Trailers));
            }
            match self.decode_body(data, trailers) {
                Ok(Some(event)) => return Poll::Ready(Ok(event)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(self.refuse(error))),
            }
            match ready!(self.poll_fill(cx, self.read_room_bytes())) {
                read @ (Ok(0) | Err(_)) if self.response.tunnel => {
                    return Poll::Ready(Err(self.tunnel_ended(read.is_ok())));
                }
                Ok(0) => match self.response.decoder.end() {
                    Ok(()) => self.response.progress = Progress::Complete,
                    Err(_) => return Poll::Ready(Err(self.ended_early())),
                },
                Ok(_) => {}
                Err(_) => return Poll::Ready(Err(self.ended_early())),
            }
        }
    }

    /// Moves what is decoded to `data`; `None` when more must be read first.
    fn decode_body(
        &mut self,
        data: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Result<Option<BodyEvent>, Error> {
        let response = &mut self.response;
        if let Some(fault) = response.fault.take() {
            return Err(fault);
        }
        let mut found = None;
        loop {
            let input = response.input.readable();
            let step = response
                .decoder
                .step(settings(&self.lease), input, trailers);
            if let Err(fault) = step
                && found.is_some()
                && response.decoder.is_behind_data()
            {
                response.fault = Some(fault);
                return Ok(found);
            }
            match step? {
                Step::Data {
                    consumed,
                    data: range,
                } => {
                    if data.is_empty() && range.len() == response.input.len() {
                        std::mem::swap(data, &mut response.input);
                        response.input.clear();
                    } else {
                        data.extend(input.get(range).unwrap_or_default());
                        response.input.advance(consumed);
                    }
                    found = Some(BodyEvent::Data);
                }
                Step::NeedMore { consumed } => {
                    response.input.advance(consumed);
                    return Ok(found);
                }
                Step::Done {
                    consumed,
                    trailers: has_trailers,
                } => {
                    response.input.advance(consumed);
                    if has_trailers {
                        let size = received_header_bytes(trailers);
                        response.trailer_bytes = u64::try_from(size).unwrap_or(u64::MAX);
                    }
                    if has_trailers && found.is_some() {
                        response.trailers_follow = true;
                        return Ok(found);
                    }
                    response.progress = Progress::Complete;
                    if has_trailers {
                        self.lease.core().note_trailers(self.lease.host(), trailers);
                    }
                    return Ok(Some(match (has_trailers, found) {
                        (true, _) => BodyEvent::Trailers,
                        (false, Some(_)) => BodyEvent::LastData,
                        (false, None) => BodyEvent::End,
                    }));
                }
            }
        }
    }

    /// How much to ask for: more once a body is known to be large.
    fn read_room_bytes(&self) -> usize {
        let left = match self.response.decoder {
            BodyDecoder::Length(left) => left,
            _ => self.response.wire_bytes,
        };
        match left {
            0..=0x4000 => Buffer::HEAD_BYTES,
            0x4001..=0x1_0000 => Buffer::BODY_BYTES,
            _ => Buffer::LARGE_BODY_BYTES,
        }
    }

    /// Reads on; a host that sends and sends gives way to others at times.
    fn poll_fill(&mut self, cx: &mut Context<'_>, room_bytes: usize) -> Poll<io::Result<usize>> {
        let Some(connection) = self.lease.connection_mut() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let input = &mut self.response.input;
        let count = ready!(connection.transport.poll_fill(cx, input, room_bytes))?;
        self.count_read(count);
        Poll::Ready(Ok(count))
    }

    /// Reads what the response begins with.
    #[inline]
    fn poll_fill_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.response.wire_bytes > 0 {
            return self.poll_fill(cx, HEAD_READ_BYTES);
        }
        let Some(connection) = self.lease.connection_mut() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let input = &mut self.response.input;
        let transport = &mut connection.transport;
        let count =
            ready!(transport.poll_fill_little(cx, (input, HEAD_READ_BYTES), &Cell::new(false)))?;
        self.count_read(count);
        Poll::Ready(Ok(count))
    }

    #[inline]
    fn count_read(&mut self, count: usize) {
        let bytes = u64::try_from(count).unwrap_or(u64::MAX);
        self.response.wire_bytes += bytes;
        let traffic = &self.lease.core().traffic;
        traffic.upstream_cx_rx_bytes_total.add(bytes);
    }

    /// What came of a head that is refused counts as one all the same.
    #[cold]
    fn count_refused(&mut self, error: Error) {
        let response = &mut self.response;
        let input = response.input.readable();
        let bytes = refused_response_header_bytes(settings(&self.lease), input, error);
        response.header_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        if error != Error::TooManyHeaders {
            response.decoded_header_bytes += response.header_bytes;
        }
    }

    /// The host broke the protocol.
    fn refuse(&mut self, error: Error) -> UpstreamError {
        self.fail(
            UpstreamErrorKind::ProtocolError,
            Some(error.details()),
            Ended::Local,
        )
    }

    /// The host ended a tunnel, or one that was still to be. One of CONNECT counts as half-closed first, and then as closed by this side.
    fn tunnel_ended(&mut self, in_order: bool) -> UpstreamError {
        let ended = match in_order && self.request.sent.connect {
            true => Ended::Local,
            false => Ended::Remote,
        };
        self.fail(UpstreamErrorKind::ConnectionTermination, None, ended)
    }

    /// The host closed in the middle of the response, which breaks the protocol.
    fn ended_early(&mut self) -> UpstreamError {
        let details = Some(Error::UnexpectedEnd.details());
        self.fail(UpstreamErrorKind::ProtocolError, details, Ended::Remote)
    }
}
