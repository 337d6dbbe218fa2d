//! Messages out of bytes, as they come.

use super::head::Head;
use super::input::Input;
use super::walk::Walk;
use super::{DecodeError, MAX_FRAME_BYTES, Protocol, Read, Transport, auto, head, header};

/// What is known of a peer before it speaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecoderSettings {
    /// None: it is found out by the first message.
    pub transport: Option<Transport>,
    /// The same of the protocol, which the header transport tells in any case.
    pub protocol: Option<Protocol>,
    /// Whether names of headers are kept as they are.
    pub keeps_case: bool,
}

/// Where the decoder is in a message.
#[derive(Default)]
enum State {
    /// Before it.
    #[default]
    Between,
    /// Behind what its transport says.
    Begun(Frame),
    /// Behind its head: so many bytes are left of its frame, if it has one.
    Headed { left: Option<usize> },
    /// In its payload.
    Walking {
        walk: Walk,
        out: Vec<u8>,
        left: Option<usize>,
    },
}

/// A buffer gives back what is beyond this once it holds less.
const KEPT_BYTES: usize = 64 << 10;

/// What its transport says of a message.
struct Frame {
    /// How many bytes are left of it, if that is told.
    left: Option<usize>,
    flags: u16,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads messages.
pub struct Decoder {
    settings: DecoderSettings,
    state: State,
    buffer: Vec<u8>,
    /// How much of the buffer has been read.
    at: usize,
    /// Where in the buffer this message begins, or what is left of it.
    begun_at: usize,
    /// How much of this message has been read and is not in the buffer.
    message_bytes: usize,
    /// Whether the frame of the message that was read last held nothing behind it.
    was_used_up: bool,
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new(settings: DecoderSettings) -> Self {
        Decoder {
            settings,
            state: State::default(),
            buffer: Vec::new(),
            at: 0,
            begun_at: 0,
            message_bytes: 0,
            was_used_up: true,
        }
    }

    /// Takes what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.let_go();
        self.buffer.extend_from_slice(bytes);
    }

    /// Lets go of what has been read.
    fn let_go(&mut self) {
        self.message_bytes += self.at - self.begun_at;
        self.buffer.drain(..self.at);
        self.at = 0;
        self.begun_at = 0;
        if self.buffer.len() < KEPT_BYTES {
            self.buffer.shrink_to(KEPT_BYTES);
        }
    }

    /// How many bytes wait.
    pub fn waiting_bytes(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// Whether a message has begun that is not over.
    pub fn is_receiving(&self) -> bool {
        !matches!(self.state, State::Between)
    }

    /// Whether the frame of the message that was read last held nothing behind it.
    pub fn was_used_up(&self) -> bool {
        self.was_used_up
    }

    /// The transport, once it is known.
    pub fn transport(&self) -> Option<Transport> {
        self.settings.transport
    }

    /// The protocol, once it is known.
    pub fn protocol(&self) -> Option<Protocol> {
        self.settings.protocol
    }

    /// Whether the payload of the message whose head was read can be taken unread.
    pub fn knows_length(&self) -> bool {
        matches!(self.state, State::Headed { left: Some(_) })
    }

    /// The head of the next message, once it is there; then comes its payload.
    ///
    /// # Errors
    /// It is none.
    pub fn head(&mut self) -> Result<Option<Head>, DecodeError> {
        if let State::Between = self.state {
            match self.begin()? {
                Some(frame) => self.state = State::Begun(frame),
                None => return self.not_yet(),
            }
        }
        let State::Begun(frame) = &mut self.state else {
            return Ok(None);
        };
        let bytes = self.buffer.get(self.at..).unwrap_or_default();
        let protocol = match self.settings.protocol {
            Some(protocol) => protocol,
            None => match auto::protocol(bytes)? {
                Some(protocol) => *self.settings.protocol.insert(protocol),
                None => return Ok(None),
            },
        };
        let mut input = Input::new(bytes);
        let Some(mut head) = head::read(protocol, &mut input)? else {
            return self.not_yet();
        };
        self.at += input.taken();
        head.flags = frame.flags;
        head.headers = std::mem::take(&mut frame.headers);
        // A frame that is too small for its head is not believed, as in Envoy.
        let left = frame.left.map(|left| left.saturating_sub(input.taken()));
        self.state = State::Headed { left };
        Ok(Some(head))
    }

    /// The payload of the message whose head was read, once it is there, as the binary protocol writes it; or, if it is
    /// to be taken `unread`, as it is.
    ///
    /// # Errors
    /// It is none. A transform that is not known is told with the first head.
    pub fn payload(&mut self, unread: bool) -> Result<Option<Vec<u8>>, DecodeError> {
        let bytes = self.buffer.get(self.at..).unwrap_or_default();
        let protocol = self.settings.protocol.unwrap_or(Protocol::Binary);
        if let State::Headed { left } = self.state {
            if let (true, Some(left)) = (unread, left) {
                let Some(payload) = bytes.get(..left) else {
                    return Ok(None);
                };
                let payload = payload.to_vec();
                self.at += left;
                self.end(None);
                return Ok(Some(payload));
            }
            self.state = State::Walking {
                walk: Walk::new(protocol, Protocol::Binary),
                out: Vec::new(),
                left,
            };
        }
        let State::Walking { walk, out, left } = &mut self.state else {
            return Ok(None);
        };
        let count = walk.go_on(bytes, out)?;
        self.at += count;
        *left = left.map(|left| left.saturating_sub(count));
        // What is short in one protocol may be long in the other.
        if out.len() > MAX_FRAME_BYTES {
            return Err(too_large());
        }
        if !walk.is_over() {
            return self.not_yet();
        }
        let (payload, left) = (std::mem::take(out), *left);
        self.end(left);
        Ok(Some(payload))
    }

    /// So many bytes are left of the message's frame. What follows begins the next message.
    fn end(&mut self, left: Option<usize>) {
        self.was_used_up = left.is_none_or(|left| left == 0);
        self.state = State::Between;
        // Much is moved to the front only if that frees as much.
        if self.waiting_bytes() == 0 || self.at >= KEPT_BYTES.max(self.waiting_bytes()) {
            self.let_go();
        }
        self.begun_at = self.at;
        self.message_bytes = 0;
    }

    /// More is needed, unless there is too much already.
    fn not_yet<T>(&self) -> Read<T> {
        let here = self.buffer.len() - self.begun_at;
        if self.message_bytes + here > MAX_FRAME_BYTES + 4 {
            return Err(too_large());
        }
        Ok(None)
    }

    /// Reads what the transport says of the next message.
    fn begin(&mut self) -> Read<Frame> {
        let bytes = self.buffer.get(self.at..).unwrap_or_default();
        let transport = match self.settings.transport {
            Some(transport) => transport,
            None => match auto::transport(bytes)? {
                Some(transport) => *self.settings.transport.insert(transport),
                None => return Ok(None),
            },
        };
        let mut input = Input::new(bytes);
        let mut frame = Frame {
            left: None,
            flags: 0,
            headers: Vec::new(),
        };
        match transport {
            Transport::Unframed if bytes.is_empty() => return Ok(None),
            Transport::Unframed => {}
            Transport::Framed => {
                let Some(size) = input.i32() else {
                    return Ok(None);
                };
                let left = usize::try_from(size).unwrap_or(0);
                if !(1..=MAX_FRAME_BYTES).contains(&left) {
                    let text = format!("invalid thrift framed transport frame size {size}");
                    return Err(DecodeError::new(text));
                }
                frame.left = Some(left);
            }
            Transport::Header => {
                let Some(before) = header::read(&mut input, self.settings.keeps_case)? else {
                    return Ok(None);
                };
                self.settings.protocol = Some(before.protocol);
                if let Some(error) = before.error {
                    return Err(error);
                }
                let left = (before.frame_bytes + 4).saturating_sub(input.taken());
                frame.left = Some(left);
                frame.flags = before.flags;
                frame.headers = before.headers;
            }
        }
        self.at += input.taken();
        Ok(Some(frame))
    }
}

fn too_large() -> DecodeError {
    DecodeError::new("the message is too large")
}
