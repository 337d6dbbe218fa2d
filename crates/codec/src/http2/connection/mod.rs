//! One connection: its state, and how it begins and ends.

mod control;
mod data;
mod go_away;
mod headers;
mod metadata;
mod send;
mod settings;
mod step;
mod windows;

pub use metadata::Metadata;

use std::collections::VecDeque;
use std::rc::Rc;

use super::counts::Http2Counts;
use super::error::{ConnectionError, ErrorCode};
use super::frame::{FrameHead, HEAD_BYTES, PREFACE, flag, kind, parameter};
use super::hpack::{Decoder, Encoder};
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::settings::Http2Settings;
use super::stream_id::StreamId;
use super::streams::{Ended, Stream, Streams};
use crate::header_block::{BlockRules, characters};

/// The window of every connection, and of every stream before SETTINGS say otherwise (RFC 9113 section 6.9.2).
const USUAL_WINDOW: u32 = 65_535;
/// The largest window (section 6.9.1).
const MAX_WINDOW: i64 = (1 << 31) - 1;
/// The highest number of a stream.
const MAX_STREAM_ID: u32 = (1 << 31) - 1;

/// Which side of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We take requests.
    Server,
    /// We make requests.
    Client,
}

/// What the peer's SETTINGS say.
struct PeerSettings {
    max_concurrent_streams: u32,
    initial_window: u32,
    max_frame_payload: usize,
    allows_extended_connect: bool,
}

/// The state of one connection.
pub struct Connection {
    role: Role,
    settings: Rc<Http2Settings>,
    rules: BlockRules,
    peer: PeerSettings,
    decoder: Decoder,
    encoder: Encoder,
    streams: Streams,
    /// Streams that wait and have a window of their own.
    ready: VecDeque<u32>,
    /// How many in `ready` are over.
    ready_gone: usize,
    /// How many streams wait for their own window.
    blocked: usize,
    send_window: i64,
    receive_window: i64,
    /// Used bytes of all streams whose window was not given back yet.
    unreturned: u32,
    /// No stream's window exceeds the peer's initial one by more than this.
    max_send_credit: i64,
    /// The highest stream of the peer's that was begun; at a client, the last one that we opened.
    last_stream: u32,
    /// The last stream of a GOAWAY that we sent; later ones are ignored.
    refused_above: Option<u32>,
    /// The last stream of the peer's GOAWAY.
    peer_refuses_above: Option<u32>,
    told_go_away: bool,
    /// The preface or the first SETTINGS are still to come.
    expected: Expected,
    settings_unacknowledged: bool,
    reading: step::Reading,
    inbound: Inbound,
    outbound: Outbound,
    counts: Http2Counts,
    counted: bool,
    failed: Option<ConnectionError>,
    /// The stream that the frame was on with which the connection failed.
    blamed: u32,
    /// The stream of the block of headers that was refused last, and how many bytes of names and values were read of it.
    refused_block: (u32, usize),
    /// A request whose head has begun and of which nothing was told yet; 0 if there is none.
    unfinished: u32,
    /// What has come of METADATA, if any has.
    metadata: Option<Box<metadata::Came>>,
}

/// What a peer has to begin with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Preface,
    Settings,
    Frames,
}

impl Connection {
    /// The server's side; appends our SETTINGS, and a WINDOW_UPDATE if the connection's window is larger than at first.
    pub fn server(settings: Rc<Http2Settings>, out: &mut Vec<u8>) -> Self {
        let mut connection = Self::new(Role::Server, settings);
        connection.send_own_settings(out);
        connection
    }

    /// The client's side; appends the preface, SETTINGS and the WINDOW_UPDATE.
    pub fn client(settings: Rc<Http2Settings>, out: &mut Vec<u8>) -> Self {
        let mut connection = Self::new(Role::Client, settings);
        out.extend_from_slice(PREFACE);
        connection.outbound.appended(PREFACE.len(), false);
        connection.send_own_settings(out);
        connection
    }

    fn new(role: Role, settings: Rc<Http2Settings>) -> Self {
        let table_size = settings.hpack_table_size as usize;
        let judge = match (role, settings.disallow_obs_text) {
            (Role::Server, false) => characters::may_be_in_request,
            (Role::Client, false) => characters::may_be_in_response,
            (Role::Server, true) => characters::may_be_in_ascii_request,
            (Role::Client, true) => characters::may_be_in_ascii_response,
        };
        Self {
            role,
            rules: settings.rules(),
            peer: PeerSettings {
                max_concurrent_streams: settings.max_concurrent_streams,
                initial_window: USUAL_WINDOW,
                max_frame_payload: super::frame::MAX_PAYLOAD,
                allows_extended_connect: false,
            },
            decoder: Decoder::new(table_size, settings.max_header_field_bytes, judge),
            encoder: Encoder::new(table_size).coding_texts(settings.codes_texts),
            streams: Streams::default(),
            ready: VecDeque::new(),
            ready_gone: 0,
            blocked: 0,
            send_window: i64::from(USUAL_WINDOW),
            receive_window: i64::from(settings.initial_connection_window_size.max(USUAL_WINDOW)),
            unreturned: 0,
            max_send_credit: 0,
            last_stream: 0,
            refused_above: None,
            peer_refuses_above: None,
            told_go_away: false,
            expected: match role {
                Role::Server => Expected::Preface,
                Role::Client => Expected::Settings,
            },
            settings_unacknowledged: true,
            reading: step::Reading::default(),
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            counts: Http2Counts::default(),
            counted: false,
            failed: None,
            blamed: 0,
            refused_block: (0, 0),
            unfinished: 0,
            metadata: None,
            settings,
        }
    }

    fn send_own_settings(&mut self, out: &mut Vec<u8>) {
        let settings = Rc::clone(&self.settings);
        let mut payload = Vec::with_capacity(6 * (5 + settings.custom_parameters.len()));
        let mut add = |id: u16, value: u32| {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        };
        if self.role == Role::Client {
            add(parameter::ENABLE_PUSH, 0);
        }
        for (id, value) in &settings.custom_parameters {
            add(*id, *value);
        }
        let named = [
            (parameter::HEADER_TABLE_SIZE, settings.hpack_table_size),
            (
                parameter::ENABLE_CONNECT_PROTOCOL,
                u32::from(settings.allow_connect),
            ),
            (
                parameter::MAX_CONCURRENT_STREAMS,
                settings.max_concurrent_streams,
            ),
            (
                parameter::INITIAL_WINDOW_SIZE,
                settings.initial_stream_window_size,
            ),
        ];
        for (id, value) in named {
            add(id, value);
        }
        self.send_frame(kind::SETTINGS, 0, 0, &payload, out);
        let more = settings
            .initial_connection_window_size
            .saturating_sub(USUAL_WINDOW);
        if more > 0 {
            self.send_frame(kind::WINDOW_UPDATE, 0, 0, &more.to_be_bytes(), out);
        }
    }

    /// The stream of the frame with which the connection failed.
    pub fn blamed(&self) -> StreamId {
        StreamId(self.blamed)
    }

    /// The stream of a block of headers whose end has not come.
    pub fn open_block(&self) -> Option<StreamId> {
        let open = self.reading.block.as_ref();
        open.map(|open| StreamId(open.stream()))
    }

    /// How many bytes of names and values were read of a block of headers on this stream that did not become a head or
    /// trailers: it was refused for what is in it, and nobody has asked yet, or its end has not come.
    pub fn take_lost_bytes(&mut self, stream: StreamId) -> usize {
        let (refused, bytes) = self.refused_block;
        if refused == stream.0 {
            self.refused_block = (0, 0);
            return bytes;
        }
        let open = self.reading.block.as_mut();
        let open = open.filter(|open| open.stream() == stream.0);
        open.map_or(0, |open| open.take_decoded_bytes())
    }

    /// A request whose head has begun and not come to its end.
    pub fn unfinished_request(&self) -> Option<StreamId> {
        (self.unfinished != 0).then_some(StreamId(self.unfinished))
    }

    /// Which side we are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Http2Settings {
        &self.settings
    }

    /// Whether the peer takes requests with `:protocol`.
    pub fn peer_allows_extended_connect(&self) -> bool {
        self.peer.allows_extended_connect
    }

    /// Whether the codec still knows the stream: at least one side has not ended, and nobody has reset it.
    pub fn is_open(&self, stream: StreamId) -> bool {
        self.streams.get(stream.0).is_some()
    }

    /// How many streams are open (`http2.streams_active` is the caller's, as its streams live longer).
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// The streams that are open, in the order of their numbers: those that end when the connection does.
    pub fn open_stream_ids(&self) -> impl Iterator<Item = StreamId> {
        self.streams.iter().map(|stream| StreamId(stream.id))
    }

    /// Notes that this many bytes of what was appended have been written to the socket; the limits on frames that
    /// wait to be sent go by it.
    #[inline]
    pub fn written(&mut self, bytes: usize) {
        self.outbound.written(bytes);
    }

    /// How many frames wait to be written, and how many of them are control frames
    /// (`http2.outbound_frames_active`, `http2.outbound_control_frames_active`).
    pub fn waiting_frames(&self) -> (u32, u32) {
        self.outbound.waiting()
    }

    /// Whether more frames wait to be written than allowed. Steps find it by themselves; ask after sending.
    ///
    /// # Errors
    /// The connection is over: close it without writing.
    pub fn check_outbound(&mut self) -> Result<(), ConnectionError> {
        match self.outbound.check(&self.settings) {
            Err(error) if self.failed.is_none() => {
                self.count_failure(error);
                self.failed = Some(error);
                Err(error)
            }
            outcome => outcome,
        }
    }

    /// What was counted since the last time, if anything.
    #[inline]
    pub fn take_counts(&mut self) -> Option<Http2Counts> {
        std::mem::take(&mut self.counted).then(|| std::mem::take(&mut self.counts))
    }

    #[inline]
    fn counts_mut(&mut self) -> &mut Http2Counts {
        self.counted = true;
        &mut self.counts
    }

    fn count_failure(&mut self, error: ConnectionError) {
        let counts = self.counts_mut();
        match error {
            ConnectionError::OutboundFlood => counts.outbound_flood += 1,
            ConnectionError::OutboundControlFlood => counts.outbound_control_flood += 1,
            ConnectionError::EmptyFramesFlood => counts.inbound_empty_frames_flood += 1,
            ConnectionError::PriorityFramesFlood => counts.inbound_priority_frames_flood += 1,
            ConnectionError::WindowUpdateFramesFlood => {
                counts.inbound_window_update_frames_flood += 1;
            }
            ConnectionError::GoAway(..)
            | ConnectionError::Silent(..)
            | ConnectionError::GoAwayBeyondEnvoy(..)
            | ConnectionError::Messaging(..)
            | ConnectionError::Metadata(..) => {}
        }
    }

    /// Appends a whole frame.
    fn send_frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
        let head = FrameHead {
            len: payload.len(),
            kind,
            flags,
            stream,
        };
        head.write(out);
        out.extend_from_slice(payload);
        // Answers that a peer can make us give.
        let is_control = match kind {
            kind::PING | kind::SETTINGS => flags & flag::ACK != 0,
            kind::RST_STREAM => true,
            _ => false,
        };
        self.outbound
            .appended(HEAD_BYTES + payload.len(), is_control);
    }

    /// Resets a stream and forgets it. Nothing on one that is over.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode, out: &mut Vec<u8>) {
        if self.streams.get(stream.0).is_some() {
            self.forget(stream.0, Ended::ByOurReset, out);
            self.send_reset(stream.0, code, out);
        }
    }

    /// Resets a stream of which this side has seen no end, though the codec may have.
    pub fn reset_anyway(&mut self, stream: StreamId, code: ErrorCode, out: &mut Vec<u8>) {
        self.forget(stream.0, Ended::ByOurReset, out);
        self.send_reset(stream.0, code, out);
    }

    fn send_reset(&mut self, stream: u32, code: ErrorCode, out: &mut Vec<u8>) {
        self.counts_mut().tx_reset += 1;
        self.send_frame(kind::RST_STREAM, 0, stream, &code.0.to_be_bytes(), out);
    }

    /// Takes a stream out of the table; what it held of the connection's window goes back.
    fn forget(&mut self, stream: u32, ended: Ended, out: &mut Vec<u8>) -> Option<Stream> {
        let stream = self.streams.remove(stream, ended)?;
        if self.metadata.is_some() {
            self.forget_metadata(stream.id);
        }
        self.leave_queue(&stream);
        self.return_to_connection(stream.held, out);
        Some(stream)
    }
}
