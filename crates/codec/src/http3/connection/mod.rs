//! What belongs to the connection: its streams that go one way, SETTINGS, GOAWAY.

mod control;
mod qpack_streams;
mod settings;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use self::control::Control;
use self::qpack_streams::{DecoderStream, EncoderStream};
use super::error::{ConnectionError, ErrorCode};
use super::event::{UniEvent, UniStep};
use super::frame::{kind, write_head};
use super::problem::Problem;
use super::settings::Http3Settings;
use super::stream_id::StreamId;
use super::varint;
use crate::http2::Role;

/// Types of streams that go one way (RFC 9114 section 6.2, RFC 9204 section 4.2).
mod uni_kind {
    pub(super) const CONTROL: u64 = 0x0;
    pub(super) const PUSH: u64 = 0x1;
    pub(super) const ENCODER: u64 = 0x2;
    pub(super) const DECODER: u64 = 0x3;
}

/// Most streams of the peer's whose type has not come whole.
const MAX_NAMELESS: usize = 16;

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

/// A stream of the peer's whose type is being read.
struct Nameless {
    stream: StreamId,
    bytes: [u8; 8],
    len: usize,
}

/// What the peer's SETTINGS say.
#[derive(Clone, Copy, Debug, Default)]
struct PeerSettings {
    allows_extended_connect: bool,
    max_field_section_bytes: Option<u64>,
}

/// The state of one connection.
pub struct Connection {
    role: Role,
    settings: Rc<Http3Settings>,
    nameless: Vec<Nameless>,
    control: Option<(StreamId, Control)>,
    encoder: Option<(StreamId, EncoderStream)>,
    decoder: Option<(StreamId, DecoderStream)>,
    peer: Option<PeerSettings>,
    peer_goes_away: Option<StreamId>,
    /// The first request that was not begun yet.
    next_request: StreamId,
    /// What our last GOAWAY said.
    refused_from: Option<StreamId>,
}

impl Connection {
    /// One side of a connection.
    pub fn new(role: Role, settings: Rc<Http3Settings>) -> Self {
        Self {
            role,
            settings,
            nameless: Vec::new(),
            control: None,
            encoder: None,
            decoder: None,
            peer: None,
            peer_goes_away: None,
            next_request: StreamId(0),
            refused_from: None,
        }
    }

    /// Which side we are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Rc<Http3Settings> {
        &self.settings
    }

    /// Appends what a stream of ours begins with. Open all three at once, the control stream first.
    pub fn begin_own(&self, stream: OwnStream, out: &mut Vec<u8>) {
        match stream {
            OwnStream::Control => {
                varint::write(out, uni_kind::CONTROL);
                settings::write(self.role, &self.settings, out);
            }
            OwnStream::Encoder => varint::write(out, uni_kind::ENCODER),
            OwnStream::Decoder => varint::write(out, uni_kind::DECODER),
        }
    }

    /// Takes one step over what came on a stream of the peer's that goes one way. Call it until it says
    /// [`UniEvent::NeedMore`]; it keeps what it needs of bytes that are cut off.
    ///
    /// When it ends, tell [`Connection::uni_ended`], and of resets [`Connection::uni_reset`].
    ///
    /// # Errors
    /// The connection is over.
    pub fn uni_step(&mut self, stream: StreamId, input: &[u8]) -> Result<UniStep, ConnectionError> {
        let all = |event| UniStep {
            consumed: input.len(),
            event,
        };
        if let Some((id, control)) = &mut self.control
            && *id == stream
        {
            let mut control = std::mem::take(control);
            let step = self.control_step(&mut control, input);
            self.control = Some((stream, control));
            return step;
        }
        if let Some((id, encoder)) = &mut self.encoder
            && *id == stream
        {
            encoder.take(input)?;
            return Ok(all(UniEvent::NeedMore));
        }
        if let Some((id, decoder)) = &mut self.decoder
            && *id == stream
        {
            decoder.take(input)?;
            return Ok(all(UniEvent::NeedMore));
        }
        self.name(stream, input)
    }

    /// Reads what kind of a stream it is.
    fn name(&mut self, stream: StreamId, input: &[u8]) -> Result<UniStep, ConnectionError> {
        let known = self
            .nameless
            .iter()
            .position(|other| other.stream == stream);
        let mut nameless = match known {
            Some(at) => self.nameless.swap_remove(at),
            None => Nameless {
                stream,
                bytes: [0; 8],
                len: 0,
            },
        };
        let mut consumed = 0;
        for byte in input {
            if let Some(place) = nameless.bytes.get_mut(nameless.len) {
                *place = *byte;
                nameless.len += 1;
                consumed += 1;
            }
            let so_far = nameless.bytes.get(..nameless.len).unwrap_or_default();
            if let Some((kind, _)) = varint::read(so_far) {
                let event = self.begin(stream, kind)?;
                return Ok(UniStep { consumed, event });
            }
        }
        if self.nameless.len() >= MAX_NAMELESS {
            let text = "Too many streams without a type.";
            return Err(ConnectionError::new(Problem::TooLarge, text));
        }
        self.nameless.push(nameless);
        let event = UniEvent::NeedMore;
        Ok(UniStep { consumed, event })
    }

    fn begin(&mut self, stream: StreamId, kind: u64) -> Result<UniEvent, ConnectionError> {
        let (is_second, text) = match kind {
            uni_kind::CONTROL => {
                let second = self.control.is_some();
                self.control.get_or_insert((stream, Control::default()));
                (second, "Control stream is received twice.")
            }
            uni_kind::ENCODER => {
                let second = self.encoder.is_some();
                self.encoder
                    .get_or_insert((stream, EncoderStream::default()));
                (second, "QPACK encoder stream is received twice.")
            }
            uni_kind::DECODER => {
                let second = self.decoder.is_some();
                self.decoder
                    .get_or_insert((stream, DecoderStream::default()));
                (second, "QPACK decoder stream is received twice.")
            }
            uni_kind::PUSH => {
                let text = "Received server push stream";
                return Err(ConnectionError::new(Problem::Push, text));
            }
            _ => return Ok(UniEvent::StopReading(ErrorCode::STREAM_CREATION_ERROR)),
        };
        match is_second {
            true => Err(ConnectionError::new(Problem::SecondStream, text)),
            false => Ok(UniEvent::Begun),
        }
    }

    /// The peer has ended a stream of its own that goes one way.
    ///
    /// # Errors
    /// The connection is over, as it needed the stream.
    pub fn uni_ended(&mut self, stream: StreamId) -> Result<(), ConnectionError> {
        let is_needed = self.uni_reset(stream).is_err();
        match is_needed {
            true => Err(ConnectionError::new(
                Problem::CriticalEnded,
                "Attempt to close a static stream",
            )),
            false => Ok(()),
        }
    }

    /// The peer has reset a stream of its own that goes one way.
    ///
    /// # Errors
    /// The connection is over, as it needed the stream.
    pub fn uni_reset(&mut self, stream: StreamId) -> Result<(), ConnectionError> {
        self.nameless.retain(|other| other.stream != stream);
        let is = |open: Option<StreamId>| open == Some(stream);
        let text = if is(self.control.as_ref().map(|(id, _)| *id)) {
            "RESET_STREAM received for receive control stream"
        } else if is(self.encoder.as_ref().map(|(id, _)| *id))
            || is(self.decoder.as_ref().map(|(id, _)| *id))
        {
            "RESET_STREAM received for QPACK receive stream"
        } else {
            return Ok(());
        };
        Err(ConnectionError::new(Problem::CriticalClosed, text))
    }

    /// What becomes of the connection when the peer stops one of our own streams.
    pub fn own_stream_stopped(&self, stream: OwnStream) -> ConnectionError {
        let text = match stream {
            OwnStream::Control => "STOP_SENDING received for send control stream",
            _ => "STOP_SENDING received for QPACK send stream",
        };
        ConnectionError::new(Problem::CriticalClosed, text)
    }

    /// At a server: a request's stream was opened by the peer. Whether it is to be served; if not, reset it and stop the
    /// peer's sending with [`ErrorCode::REQUEST_REJECTED`].
    pub fn begin_request(&mut self, stream: StreamId) -> bool {
        if self.refused_from.is_some_and(|from| stream >= from) {
            return false;
        }
        let next = StreamId(stream.0.saturating_add(4));
        self.next_request = self.next_request.max(next);
        true
    }

    /// Whether the peer's SETTINGS have come.
    pub fn has_peer_settings(&self) -> bool {
        self.peer.is_some()
    }

    /// Whether the peer takes requests with `:protocol`, as far as is known.
    pub fn peer_allows_extended_connect(&self) -> bool {
        self.peer.is_some_and(|peer| peer.allows_extended_connect)
    }

    /// Most bytes of headers that the peer takes, if it has said so: names, values, and 32 for each header.
    pub fn peer_max_headers_bytes(&self) -> Option<u64> {
        self.peer?.max_field_section_bytes
    }

    /// What the peer's GOAWAY said last: at a client, no request may be opened after it.
    pub fn peer_goes_away(&self) -> Option<StreamId> {
        self.peer_goes_away
    }

    /// Appends a GOAWAY to the control stream that asks the peer to open no more requests, though all are still served.
    pub fn send_shutdown_notice(&mut self, out: &mut Vec<u8>) {
        self.go_away(StreamId::LAST_REQUEST, out);
    }

    /// Appends a GOAWAY to the control stream behind the last request that was taken; later ones are refused.
    pub fn send_go_away(&mut self, out: &mut Vec<u8>) {
        let from = match self.role {
            Role::Server => self.next_request,
            // Of pushes, which there are none of.
            Role::Client => StreamId(0),
        };
        self.refused_from = Some(from);
        self.go_away(from, out);
    }

    fn go_away(&self, from: StreamId, out: &mut Vec<u8>) {
        let mut payload = Vec::with_capacity(8);
        varint::write(&mut payload, from.0);
        write_head(out, kind::GOAWAY, payload.len());
        out.extend_from_slice(&payload);
    }
}
