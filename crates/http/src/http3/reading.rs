//! The request on its way out of QUIC: its head, its body, its trailers.

use std::task::{Context, Poll};

use nuncio_codec::http2::upgrade_request_from_http2;
use nuncio_codec::http3::{Event, Http3Error, MessageReader, StreamError};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_net::quic::ReadEnd;

use super::mailbox::Cut;
use super::stream::{Http3Stream, READ_BYTES, Reading};
use super::writing::count;
use crate::downstream::{BodyEvent, Downstream, DownstreamError};
use crate::life::Start;
use crate::multiplexed::StreamDeadlines;
use crate::stream::StreamState;

impl Http3Stream {
    /// Waits for the request's head, as long as it may take.
    pub(super) fn poll_start(
        &self,
        cx: &mut Context<'_>,
        state: &mut StreamState,
        deadlines: &StreamDeadlines,
    ) -> Poll<Start> {
        if let Poll::Ready(has_come) = self.poll_head(state) {
            return Poll::Ready(match has_come {
                true => Start::Request,
                false => Start::Gone,
            });
        }
        let course = &self.connection.course;
        let expired = deadlines.poll_expired(cx, &*course.manager.worker);
        if expired.is_ready() || !course.manager.drain.needs_care() {
            return expired.map(Start::Expired);
        }
        course
            .poll_shortened_idle(cx, deadlines)
            .map(Start::Expired)
    }

    /// The request's head; whether it came.
    fn poll_head(&self, state: &mut StreamState) -> Poll<bool> {
        let mut reading = self.reading.borrow_mut();
        loop {
            if self.mailbox.link.is_cut() {
                return Poll::Ready(false);
            }
            match self.step(&mut reading, &mut state.request) {
                None => {
                    // As in Envoy nobody gets to see what was refused.
                    state.request.reset(MapKind::Request);
                    return Poll::Ready(false);
                }
                Some(Event::Head {
                    end_stream, size, ..
                }) => {
                    self.mailbox.link.meter(|bytes| {
                        bytes.header_bytes_received += count(size.wire);
                        bytes.decompressed_header_bytes_received += count(size.decoded);
                    });
                    let now = self.connection.course.manager.worker.now();
                    let timing = &mut state.info.downstream_timing;
                    timing.last_header_rx_byte = Some(now);
                    if end_stream {
                        timing.last_rx_byte = Some(now);
                    }
                    self.is_read.set(end_stream);
                    self.is_upgrade
                        .set(upgrade_request_from_http2(&mut state.request));
                    let method = state.request.get(Known::Method);
                    self.is_to_head.set(method == Some(b"HEAD"));
                    return Poll::Ready(true);
                }
                // Nothing else comes first.
                Some(Event::Data { .. } | Event::Trailers { .. } | Event::End) => {}
                Some(Event::NeedMore) => match self.fill(&mut reading) {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    /// One step of the codec over what was read; none if the stream or the connection is over by it.
    fn step(&self, reading: &mut Reading, headers: &mut HeaderMap) -> Option<Event> {
        let input = reading.input.readable();
        match reading.reader.step(input, reading.is_finished, headers) {
            Ok(step) => {
                self.count_dropped(&mut reading.reader);
                let Event::Data { .. } = step.event else {
                    reading.input.advance(step.consumed);
                    return Some(step.event);
                };
                // Whoever takes the data takes it off the input.
                Some(step.event)
            }
            Err(Http3Error::Connection(error)) => {
                self.mailbox.link.cut(match error.details() {
                    Some(_) => Cut::Blamed,
                    None => Cut::Failed,
                });
                self.connection.fail(&error);
                None
            }
            Err(Http3Error::Stream(error)) => {
                let lost = reading.reader.take_lost_bytes();
                self.mailbox
                    .link
                    .meter(|bytes| bytes.decompressed_header_bytes_received += count(lost));
                if error == StreamError::UnexpectedUnderscore {
                    let stats = &self.connection.stats;
                    stats.requests_rejected_with_underscores_in_headers.inc();
                }
                self.give_up(error.code());
                self.connection
                    .count_code("tx.quic_reset_stream_error_code", error.name());
                self.mailbox.link.cut(Cut::Violation(error));
                None
            }
        }
    }

    fn count_dropped(&self, reader: &mut MessageReader) {
        let dropped = reader.take_dropped_underscores();
        if dropped > 0 {
            let stats = &self.connection.stats;
            stats.dropped_headers_with_underscores.add(dropped.into());
        }
    }

    /// Reads more. Pending if there is nothing, and nothing more that would bring a step about.
    fn fill(&self, reading: &mut Reading) -> Poll<()> {
        if reading.is_finished {
            return Poll::Pending;
        }
        reading.input.release_if_empty();
        let before = reading.input.len();
        let input = &mut reading.input;
        let read = self
            .connection
            .quic
            .read(self.mailbox.id, READ_BYTES, |part| input.extend(part));
        let got = reading.input.len() - before;
        self.mailbox
            .link
            .meter(|bytes| bytes.wire_bytes_received += count(got));
        match read {
            Ok(ReadEnd::Reset(code)) => {
                self.connection.note_reset(&self.mailbox, code);
                Poll::Pending
            }
            Ok(ReadEnd::Finished) => {
                reading.is_finished = true;
                Poll::Ready(())
            }
            Ok(ReadEnd::Full) => Poll::Ready(()),
            Ok(ReadEnd::Blocked) if got > 0 => Poll::Ready(()),
            Ok(ReadEnd::Blocked) | Err(_) => Poll::Pending,
        }
    }

    pub(super) fn poll_read(
        &self,
        chunk: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Poll<Result<BodyEvent, DownstreamError>> {
        let mut reading = self.reading.borrow_mut();
        let mut headers = HeaderMap::new(MapKind::RequestTrailers);
        let before = chunk.len();
        loop {
            if self.mailbox.link.is_cut() {
                return Poll::Ready(Err(self.loss()));
            }
            let has_data = chunk.len() > before;
            let Some(event) = self.step(&mut reading, &mut headers) else {
                return Poll::Ready(match has_data {
                    // What came before counts; the next read tells of the end.
                    true => Ok(BodyEvent::Data { end_stream: false }),
                    false => Err(self.loss()),
                });
            };
            match event {
                Event::Head { .. } => {}
                Event::Data {
                    data, end_stream, ..
                } => {
                    let end = data.end;
                    let bytes = reading.input.readable().get(data).unwrap_or_default();
                    chunk.extend(bytes);
                    reading.input.advance(end);
                    if end_stream {
                        return self.read_to_end(BodyEvent::Data { end_stream });
                    }
                }
                Event::Trailers { size } => {
                    self.mailbox.link.meter(|bytes| {
                        bytes.header_bytes_received += count(size.wire);
                        bytes.decompressed_header_bytes_received += count(size.decoded);
                    });
                    let came =
                        std::mem::replace(&mut headers, HeaderMap::new(MapKind::RequestTrailers));
                    reading.trailers = Some(Box::new(came));
                }
                Event::End => {
                    return self.read_to_end(BodyEvent::Data { end_stream: true });
                }
                Event::NeedMore if reading.is_finished && reading.trailers.is_some() => {
                    if let Some(came) = reading.trailers.take() {
                        *trailers = *came;
                    }
                    return self.read_to_end(BodyEvent::Trailers);
                }
                Event::NeedMore if has_data => {
                    return Poll::Ready(Ok(BodyEvent::Data { end_stream: false }));
                }
                Event::NeedMore => match self.fill(&mut reading) {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn read_to_end(&self, event: BodyEvent) -> Poll<Result<BodyEvent, DownstreamError>> {
        self.is_read.set(true);
        Poll::Ready(Ok(event))
    }
}
