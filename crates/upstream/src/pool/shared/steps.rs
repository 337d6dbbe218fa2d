//! The codec's steps over what a host has sent, and what becomes of each.

use nuncio_codec::http2::{ConnectionError, Event, Http2Counts, StreamId};
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::stats::groups::Http2CodecStats;

use super::connection::Http2Connection;
use super::mailbox::{Cut, Head, Mailbox};

/// Bytes of a RST_STREAM frame, which count as received on its stream.
const RESET_FRAME_BYTES: usize = 13;

impl Http2Connection {
    /// Takes steps until more has to be read.
    pub(crate) fn take_steps(&self) -> Result<(), ConnectionError> {
        loop {
            let step = self.shared.wire.borrow_mut().step()?;
            match step.event {
                Event::NeedMore => {
                    self.shared.wire.borrow_mut().advance(step.consumed);
                    return Ok(());
                }
                Event::Head {
                    stream,
                    kind,
                    end_stream,
                    size,
                } => self.deliver_with(stream, |mailbox| {
                    let headers = self.decoded(MapKind::Response);
                    mailbox.count(size.wire, size.wire, size.decoded);
                    mailbox.is_complete.set(end_stream);
                    mailbox.put_head(Head {
                        headers,
                        kind,
                        end_stream,
                    });
                }),
                Event::Data {
                    stream,
                    data,
                    end_stream,
                    wire,
                } => self.deliver_data(stream, data, end_stream, wire),
                Event::Trailers { stream, size } => self.deliver_with(stream, |mailbox| {
                    let trailers = self.decoded(MapKind::ResponseTrailers);
                    mailbox.count(size.wire, size.wire, size.decoded);
                    *mailbox.trailers.borrow_mut() = Some(Box::new(trailers));
                    mailbox.is_complete.set(true);
                }),
                Event::Metadata { stream } => self.deliver_metadata(stream),
                Event::Reset { stream, code } => {
                    self.deliver_with(stream, |mailbox| {
                        mailbox.count(RESET_FRAME_BYTES, 0, 0);
                        mailbox.cut(Cut::Reset(code));
                    });
                }
                Event::StreamError { stream, error, .. } => {
                    self.deliver_with(stream, |mailbox| mailbox.cut(Cut::Violation(error)));
                }
                // Who may send on is woken in each turn.
                Event::WindowOpened => {}
                Event::SettingsChanged => self.places_changed(),
                Event::GoAway { .. } => self.host_leaves(),
                Event::PingAck(_) => self.ping_answered(),
            }
            self.shared.wire.borrow_mut().advance(step.consumed);
        }
    }

    #[cold]
    fn deliver_metadata(&self, id: StreamId) {
        let metadata = self.shared.wire.borrow_mut().codec.take_metadata();
        self.deliver_with(id, |mailbox| {
            if let Some(metadata) = metadata {
                mailbox.put_metadata(metadata);
            }
        });
    }

    fn decoded(&self, kind: MapKind) -> HeaderMap {
        let mut headers = HeaderMap::new(kind);
        std::mem::swap(&mut headers, &mut self.shared.wire.borrow_mut().headers);
        headers
    }

    fn deliver_with(&self, id: StreamId, put: impl FnOnce(&Mailbox)) {
        let mailbox = self.shared.mailbox(id);
        if let Some(mailbox) = mailbox {
            put(&mailbox);
            mailbox.task.wake();
        }
    }

    fn deliver_data(
        &self,
        id: StreamId,
        data: std::ops::Range<usize>,
        end_stream: bool,
        wire: usize,
    ) {
        let mut own = self.shared.wire.borrow_mut();
        let mailbox = self.shared.mailbox(id);
        let Some(mailbox) = mailbox else {
            // Nobody will read it.
            own.encode(|codec, out| codec.consumed(id, data.len(), out));
            return;
        };
        mailbox.data.borrow_mut().extend(own.bytes(data));
        mailbox.count(wire, 0, 0);
        mailbox.is_complete.set(end_stream);
        mailbox.task.wake();
    }
}

/// Counts a connection by the codec that Envoy would have for it.
pub(crate) fn count_codec(stats: &Http2CodecStats, is_oghttp2: bool) {
    match is_oghttp2 {
        true => stats.oghttp2_upstream_connections.inc(),
        false => stats.nghttp2_upstream_connections.inc(),
    }
}

/// Adds what the codec has counted to the stats, whichever side we are.
pub fn count(stats: &Http2CodecStats, counts: &Http2Counts) {
    let add = [
        (
            &stats.dropped_headers_with_underscores,
            counts.dropped_headers_with_underscores,
        ),
        (
            &stats.requests_rejected_with_underscores_in_headers,
            counts.requests_rejected_with_underscores_in_headers,
        ),
        (&stats.goaway_sent, counts.goaway_sent),
        (&stats.header_overflow, counts.header_overflow),
        (
            &stats.header_list_size_too_large,
            counts.header_list_size_too_large,
        ),
        (
            &stats.inbound_empty_frames_flood,
            counts.inbound_empty_frames_flood,
        ),
        (
            &stats.inbound_priority_frames_flood,
            counts.inbound_priority_frames_flood,
        ),
        (
            &stats.inbound_window_update_frames_flood,
            counts.inbound_window_update_frames_flood,
        ),
        (&stats.metadata_empty_frames, counts.metadata_empty_frames),
        (&stats.outbound_flood, counts.outbound_flood),
        (&stats.outbound_control_flood, counts.outbound_control_flood),
        (&stats.rx_messaging_error, counts.rx_messaging_error),
        (&stats.rx_reset, counts.rx_reset),
        (&stats.tx_reset, counts.tx_reset),
        (&stats.trailers, counts.trailers),
        (&stats.stream_refused_errors, counts.stream_refused_errors),
    ];
    for (counter, count) in add {
        if count > 0 {
            counter.add(u64::from(count));
        }
    }
}
