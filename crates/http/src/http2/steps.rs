//! The codec's steps over what was read, and what becomes of each.

use std::rc::Rc;

use nuncio_codec::http2::{
    BlockSize, ConnectionError, ErrorCode, Event, StreamError, StreamId, upgrade_request_from_http2,
};
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::stream_info::{BytesMeter, Protocol};
use nuncio_upstream::MetadataRelay;

use super::connection::{Connection, Worked};
use super::mailbox::{Cut, Mailbox};
use super::stream;
use crate::life::Start;
use crate::stream::StreamState;

/// Streams that are begun before those before them have their turns. Without this a client that resets what it opens
/// would have as many there at once as fit what was read.
const MAX_BEGUN_AT_ONCE: u32 = 128;
/// Bytes of RST_STREAM on the wire.
const RESET_BYTES: u64 = 13;

impl Connection {
    /// Takes steps until more has to be read, or enough streams were begun.
    pub(super) fn take_steps(self: &Rc<Self>) -> Result<Worked, ConnectionError> {
        loop {
            if self.begun.get() >= MAX_BEGUN_AT_ONCE {
                return Ok(Worked::ForNow);
            }
            let step = self.shared.wire.borrow_mut().step();
            let step = step.inspect_err(|error| {
                self.blame(*error);
            })?;
            match step.event {
                Event::NeedMore => {
                    let mut wire = self.shared.wire.borrow_mut();
                    wire.advance(step.consumed);
                    let unfinished = wire.codec.unfinished_request();
                    drop(wire);
                    if let Some(stream) = unfinished {
                        self.begin_unfinished(stream);
                    }
                    return Ok(Worked::OffAll);
                }
                Event::Head {
                    stream,
                    end_stream,
                    size,
                    ..
                } => self.begin_stream(stream, end_stream, size),
                Event::Data {
                    stream,
                    data,
                    end_stream,
                    wire,
                } => self.deliver(stream, data, end_stream, wire),
                Event::Trailers { stream, size } => self.deliver_trailers(stream, size),
                Event::Metadata { stream } => self.deliver_metadata(stream),
                Event::Reset { stream, code } => self.reset(stream, code),
                Event::StreamError {
                    stream,
                    error,
                    known,
                } => match (known, error) {
                    (true, _) => self.violated(stream, error),
                    // No request, or none that was looked at.
                    (false, StreamError::Refused | StreamError::Closed) => {}
                    (false, _) => self.refuse_stream(stream, Cut::Violation(error)),
                },
                Event::PingAck(_) => self.ping_answered(),
                // Who may send on is woken in each turn.
                Event::WindowOpened | Event::SettingsChanged | Event::GoAway { .. } => {}
            }
            self.shared.wire.borrow_mut().advance(step.consumed);
        }
    }

    /// Begins a stream with the head that was decoded.
    fn begin_stream(self: &Rc<Self>, id: StreamId, end_stream: bool, size: BlockSize) {
        let begun = self.take_unfinished();
        let is_counted = begun.is_some();
        let mut state = begun.unwrap_or_else(|| self.new_stream());
        std::mem::swap(
            &mut state.request,
            &mut self.shared.wire.borrow_mut().headers,
        );
        let now = self.course.manager.worker.now();
        let timing = &mut state.info.downstream_timing;
        timing.last_header_rx_byte = Some(now);
        if end_stream {
            timing.last_rx_byte = Some(now);
        }
        let bytes = BytesMeter {
            wire_bytes_received: count(size.wire),
            header_bytes_received: count(size.wire),
            decompressed_header_bytes_received: count(size.decoded),
            ..BytesMeter::default()
        };
        let mut mailbox = Mailbox::new(id, end_stream, bytes);
        if self.allows_metadata {
            mailbox.metadata = Some(self.metadata_relay(id));
        }
        mailbox.is_upgrade = upgrade_request_from_http2(&mut state.request);
        self.spawn(mailbox, state, Start::Request);
        if !is_counted {
            self.count_request();
        }
    }

    /// Counts a request, refused or not, of those that the connection may have.
    pub(super) fn count_request(self: &Rc<Self>) {
        if self.course.is_last_request() {
            self.begin_drain();
        }
    }

    /// Counts a stream.
    pub(super) fn new_stream(&self) -> Box<StreamState> {
        self.begun.set(self.begun.get() + 1);
        self.stats.streams_active.inc();
        self.course.begin_stream(Protocol::Http2)
    }

    pub(super) fn spawn(self: &Rc<Self>, mailbox: Mailbox, state: Box<StreamState>, start: Start) {
        let mailbox = Rc::new(mailbox);
        self.shared
            .streams
            .borrow_mut()
            .insert(mailbox.id, Rc::clone(&mailbox));
        tokio::task::spawn_local(stream::run(Rc::clone(self), mailbox, state, start));
    }

    /// A stream whose head was refused is one all the same for counters and logs.
    pub(super) fn refuse_stream(self: &Rc<Self>, id: StreamId, why: Cut) {
        let begun = self.take_unfinished();
        if begun.is_none() && self.shared.mailbox(id).is_some() {
            return;
        }
        let is_counted = begun.is_some();
        let state = begun.unwrap_or_else(|| self.new_stream());
        let refused = self.shared.wire.borrow_mut().codec.take_lost_bytes(id);
        let mut bytes = BytesMeter {
            decompressed_header_bytes_received: count(refused),
            ..BytesMeter::default()
        };
        if matches!(why, Cut::Violation(_)) {
            bytes.wire_bytes_sent = RESET_BYTES;
        }
        let mailbox = Mailbox::new(id, false, bytes);
        mailbox.link.cut.set(Some(why));
        // Nothing goes out behind the GOAWAY that tells of a failure.
        let is_over = matches!(why, Cut::Failed(_) | Cut::Blamed(_) | Cut::Gone(_));
        self.spawn(mailbox, state, Start::Gone);
        if !is_counted && self.course.is_last_request() && !is_over {
            self.begin_drain();
        }
    }

    /// The connection failed by a frame on one stream, of which logs tell more than of the others.
    fn blame(self: &Rc<Self>, error: ConnectionError) {
        self.refuse_unfinished(Cut::Failed(error));
        let stream = match error {
            ConnectionError::Messaging(stream, _) => stream,
            _ => self.shared.wire.borrow().codec.blamed(),
        };
        let open = self.shared.wire.borrow().codec.open_block();
        if let Some(mailbox) = open.and_then(|open| self.shared.mailbox(open))
            && mailbox.id != stream
        {
            self.meter_lost_bytes(&mailbox);
        }
        let begun = self.shared.mailbox(stream);
        match begun.filter(|_| !self.unfinished.is(stream)) {
            // It ends in its turn among the others.
            Some(mailbox) => {
                self.meter_lost_bytes(&mailbox);
                let known = mailbox.link.cut.take();
                mailbox.link.cut.set(known.or(Some(Cut::Blamed(error))));
            }
            None if matches!(error, ConnectionError::Messaging(..)) => {
                self.refuse_stream(stream, Cut::Blamed(error));
            }
            None => {}
        }
    }

    /// A request of whose head a part has come is one for counters and logs.
    pub(super) fn refuse_unfinished(self: &Rc<Self>, why: Cut) {
        let unfinished = self.shared.wire.borrow().codec.unfinished_request();
        if let Some(stream) = unfinished {
            self.refuse_stream(stream, why);
        }
    }

    fn deliver(&self, id: StreamId, data: std::ops::Range<usize>, end_stream: bool, wire: usize) {
        let mut own = self.shared.wire.borrow_mut();
        let Some(mailbox) = self.shared.mailbox(id) else {
            // Nobody will read it.
            own.encode(|codec, out| codec.consumed(id, data.len(), out));
            return;
        };
        let fresh_bytes = mailbox.fresh_bytes.get() + data.len();
        mailbox.fresh_bytes.set(fresh_bytes);
        mailbox.data.borrow_mut().extend(own.bytes(data));
        mailbox
            .link
            .meter(|bytes| bytes.wire_bytes_received += count(wire));
        mailbox.is_complete.set(end_stream);
        mailbox.link.task.wake();
    }

    /// How METADATA gets to the client and from it.
    #[cold]
    fn metadata_relay(self: &Rc<Self>, id: StreamId) -> Rc<MetadataRelay> {
        let connection = Rc::downgrade(self);
        Rc::new(MetadataRelay::new(move |metadata| {
            if let Some(connection) = connection.upgrade() {
                connection
                    .shared
                    .encode(|codec, out| codec.send_metadata(id, metadata, out));
            }
        }))
    }

    #[cold]
    fn deliver_metadata(&self, id: StreamId) {
        let metadata = self.shared.wire.borrow_mut().codec.take_metadata();
        let mailbox = self.shared.mailbox(id);
        if let (Some(metadata), Some(mailbox)) = (metadata, mailbox)
            && let Some(relay) = &mailbox.metadata
        {
            relay.put(mailbox.data.borrow().len(), metadata);
            mailbox.link.task.wake();
        }
    }

    fn deliver_trailers(&self, id: StreamId, size: BlockSize) {
        let Some(mailbox) = self.shared.mailbox(id) else {
            return;
        };
        let mut trailers = HeaderMap::new(MapKind::RequestTrailers);
        std::mem::swap(&mut trailers, &mut self.shared.wire.borrow_mut().headers);
        mailbox.link.meter(|bytes| {
            bytes.wire_bytes_received += count(size.wire);
            bytes.header_bytes_received += count(size.wire);
            bytes.decompressed_header_bytes_received += count(size.decoded);
        });
        *mailbox.trailers.borrow_mut() = Some(Box::new(trailers));
        mailbox.is_complete.set(true);
        mailbox.link.task.wake();
    }

    fn reset(&self, id: StreamId, code: ErrorCode) {
        if let Some(mailbox) = self.shared.mailbox(id) {
            mailbox
                .link
                .meter(|bytes| bytes.wire_bytes_received += RESET_BYTES);
            mailbox.link.cut(Cut::Reset(code));
        }
    }

    /// What was read of headers that a stream does not get is part of it all the same.
    fn meter_lost_bytes(&self, mailbox: &Mailbox) {
        let lost = self
            .shared
            .wire
            .borrow_mut()
            .codec
            .take_lost_bytes(mailbox.id);
        mailbox
            .link
            .meter(|bytes| bytes.decompressed_header_bytes_received += count(lost));
    }

    fn violated(&self, id: StreamId, error: StreamError) {
        if let Some(mailbox) = self.shared.mailbox(id) {
            self.meter_lost_bytes(&mailbox);
            mailbox.link.cut(Cut::Violation(error));
        }
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
