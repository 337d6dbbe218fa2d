//! What belongs to the connection: its streams that go one way, SETTINGS, GOAWAY.

use std::rc::Rc;

use super::error::{ConnectionError, ErrorCode};
use super::event::{UniEvent, UniStep};
use super::settings::Http3Settings;
use super::stream_id::StreamId;
use crate::http2::Role;

/// A stream that we open as soon as the connection is there, and never end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnStream {
    /// SETTINGS and GOAWAY.
    Control,
    /// What our encoder of QPACK says: nothing.
    Encoder,
    /// What our decoder of QPACK says: nothing.
    Decoder,
}

/// The state of one connection.
pub struct Connection {
    role: Role,
    settings: Rc<Http3Settings>,
}

impl Connection {
    /// One side of a connection.
    pub fn new(role: Role, settings: Rc<Http3Settings>) -> Self {
        Self { role, settings }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Rc<Http3Settings> {
        &self.settings
    }

    /// Appends what a stream of ours begins with. Open all three at once, the control stream first.
    pub fn begin_own(&self, _stream: OwnStream, _out: &mut Vec<u8>) {}

    /// Takes one step over what came on a stream of the peer's that goes one way. Call it until it says
    /// [`UniEvent::NeedMore`]; it keeps what it needs of bytes that are cut off. `fin`: the stream ends behind the input.
    ///
    /// # Errors
    /// The connection is over.
    pub fn uni_step(
        &mut self,
        _stream: StreamId,
        input: &[u8],
        _fin: bool,
    ) -> Result<UniStep, ConnectionError> {
        Ok(UniStep {
            consumed: input.len(),
            event: UniEvent::NeedMore,
        })
    }

    /// The peer has reset a stream of its own that goes one way.
    ///
    /// # Errors
    /// The connection is over, as it needed the stream.
    pub fn uni_reset(&mut self, _stream: StreamId) -> Result<(), ConnectionError> {
        Ok(())
    }

    /// What becomes of the connection when the peer stops one of our own streams.
    pub fn own_stream_stopped(&self) -> ConnectionError {
        ConnectionError {
            code: ErrorCode::CLOSED_CRITICAL_STREAM,
            message: "a stream that the connection needs was stopped",
            details: None,
        }
    }

    /// At a server: a request's stream was opened by the peer. Whether it is to be served; if not, reset it and stop the
    /// peer's sending with [`ErrorCode::REQUEST_REJECTED`].
    pub fn begin_request(&mut self, _stream: StreamId) -> bool {
        true
    }

    /// Whether the peer's SETTINGS have come.
    pub fn has_peer_settings(&self) -> bool {
        false
    }

    /// Whether the peer takes requests with `:protocol`, as far as is known.
    pub fn peer_allows_extended_connect(&self) -> bool {
        false
    }

    /// What the peer's GOAWAY said last: at a client, no request may be opened after it.
    pub fn peer_goes_away(&self) -> Option<StreamId> {
        None
    }

    /// Appends a GOAWAY to the control stream that asks the peer to open no more requests, though all are still served.
    pub fn send_shutdown_notice(&mut self, _out: &mut Vec<u8>) {}

    /// Appends a GOAWAY to the control stream behind the last request that was taken; later ones are refused.
    pub fn send_go_away(&mut self, _out: &mut Vec<u8>) {}

    /// Which side we are.
    pub fn role(&self) -> Role {
        self.role
    }
}
