//! One connection: the steps over what the peer sends, and what is sent to it.

use std::rc::Rc;

use nuncio_contract::headers::HeaderMap;

use super::counts::Http2Counts;
use super::error::{ConnectionError, ErrorCode};
use super::event::{BlockSize, Event, Step, StreamId};
use super::settings::Http2Settings;

/// Which side of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We take requests.
    Server,
    /// We make requests.
    Client,
}

/// The state of one connection.
pub struct Connection {
    role: Role,
    settings: Rc<Http2Settings>,
    counts: Http2Counts,
}

impl Connection {
    /// The server's side; appends our SETTINGS, and a WINDOW_UPDATE if the connection's window is larger than at first.
    pub fn server(settings: Rc<Http2Settings>, _out: &mut Vec<u8>) -> Self {
        Self {
            role: Role::Server,
            settings,
            counts: Http2Counts::default(),
        }
    }

    /// The client's side; appends the preface, SETTINGS and the WINDOW_UPDATE.
    pub fn client(settings: Rc<Http2Settings>, _out: &mut Vec<u8>) -> Self {
        Self {
            role: Role::Client,
            settings,
            counts: Http2Counts::default(),
        }
    }

    /// Which side we are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Http2Settings {
        &self.settings
    }

    /// Takes one step over the bytes at the front of what was read. Call it until it says [`Event::NeedMore`]. What it
    /// wants to see at once is a whole frame other than DATA: up to 16,393 bytes.
    ///
    /// `headers` is reset when a head or trailers are told, and holds them.
    ///
    /// # Errors
    /// The connection is over: write `out`, which has a GOAWAY if the peer shall know why, and close.
    pub fn step(
        &mut self,
        _input: &[u8],
        _headers: &mut HeaderMap,
        _out: &mut Vec<u8>,
    ) -> Result<Step, ConnectionError> {
        Ok(Step {
            consumed: 0,
            event: Event::NeedMore,
        })
    }

    /// Opens a stream with a request's head. `None` when the peer allows no further stream now
    /// ([`Connection::can_open`]).
    pub fn open(
        &mut self,
        _headers: &HeaderMap,
        _end_stream: bool,
        _out: &mut Vec<u8>,
    ) -> Option<(StreamId, BlockSize)> {
        None
    }

    /// How many more streams may be opened now: 0 after a GOAWAY, and when numbers are used up.
    pub fn can_open(&self) -> u32 {
        0
    }

    /// Sends a response's head, informational or final. Nothing on a stream that is over.
    pub fn send_head(
        &mut self,
        _stream: StreamId,
        _headers: &HeaderMap,
        _end_stream: bool,
        _out: &mut Vec<u8>,
    ) -> BlockSize {
        BlockSize::default()
    }

    /// Sends trailers, which end our side of the stream.
    pub fn send_trailers(
        &mut self,
        _stream: StreamId,
        _trailers: &HeaderMap,
        _out: &mut Vec<u8>,
    ) -> BlockSize {
        BlockSize::default()
    }

    /// How many bytes of a body may be sent on the stream now. 0 on one that is over.
    pub fn capacity(&self, _stream: StreamId) -> usize {
        0
    }

    /// Sends as much of `data` as the windows allow, in frames that the peer takes; how many bytes that was. With
    /// `end_stream` the last frame ends our side if all was sent; it may be empty.
    pub fn send_data(
        &mut self,
        _stream: StreamId,
        _data: &[u8],
        _end_stream: bool,
        _out: &mut Vec<u8>,
    ) -> usize {
        0
    }

    /// Notes that the stream waits for window. Streams are told in the order in which they began to wait.
    pub fn wait_for_window(&mut self, _stream: StreamId) {}

    /// The next stream that waits and may send now; it waits no longer. Ask after [`Event::WindowOpened`] and
    /// [`Event::SettingsChanged`] until there is none, or until enough is in `out`.
    pub fn next_ready(&mut self) -> Option<StreamId> {
        None
    }

    /// Gives window back to the peer for bytes of [`Event::Data`] that were used. WINDOW_UPDATE goes out for half a
    /// window at once. What is not used when a stream ends is given back to the connection by itself.
    pub fn consumed(&mut self, _stream: StreamId, _bytes: usize, _out: &mut Vec<u8>) {}

    /// Resets a stream and forgets it. Nothing on one that is over.
    pub fn reset(&mut self, _stream: StreamId, _code: ErrorCode, _out: &mut Vec<u8>) {}

    /// Whether the codec still knows the stream: at least one side has not ended, and nobody has reset it.
    pub fn is_open(&self, _stream: StreamId) -> bool {
        false
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        0
    }

    /// Announces that the connection will go away (a GOAWAY that names the highest number), so that the peer opens no
    /// further streams; those that it has on the way are still served.
    pub fn send_shutdown_notice(&mut self, _out: &mut Vec<u8>) {}

    /// Sends GOAWAY with the last stream that was taken. Streams that the peer opens after it are ignored.
    pub fn send_go_away(&mut self, _code: ErrorCode, _out: &mut Vec<u8>) {}

    /// Sends a PING, to be answered with [`Event::PingAck`].
    pub fn send_ping(&mut self, _payload: u64, _out: &mut Vec<u8>) {}

    /// The next of our streams above the peer's GOAWAY: it was not processed, may be sent again elsewhere, and is
    /// forgotten. Ask after [`Event::GoAway`] until there is none.
    pub fn take_unprocessed(&mut self) -> Option<StreamId> {
        None
    }

    /// Notes that this many bytes of what was appended have been written to the socket; the limits on frames that
    /// wait to be sent go by it.
    pub fn written(&mut self, _bytes: usize) {}

    /// Whether more frames wait to be written than allowed. Steps find it by themselves; ask after sending.
    ///
    /// # Errors
    /// The connection is over: close it without writing.
    pub fn check_outbound(&mut self) -> Result<(), ConnectionError> {
        Ok(())
    }

    /// What was counted since the last time, if anything.
    pub fn take_counts(&mut self) -> Option<Http2Counts> {
        (self.counts != Http2Counts::default()).then(|| std::mem::take(&mut self.counts))
    }
}
