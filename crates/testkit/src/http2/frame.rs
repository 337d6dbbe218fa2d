//! Frames: bytes to write, bytes read, and frames as a line of text.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read};

use super::hpack::Decoder;
use crate::bytes::show;
use crate::message::Stop;

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD_BYTES: usize = 9;

/// Types of frames by their number.
pub const TYPES: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];
/// Error codes by their number.
pub const ERRORS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];
/// Settings by their number; where the name is empty there is none.
pub const SETTINGS: [&str; 10] = [
    "",
    "header_table_size",
    "enable_push",
    "max_concurrent_streams",
    "initial_window_size",
    "max_frame_size",
    "max_header_list_size",
    "",
    "enable_connect_protocol",
    "no_rfc7540_priorities",
];

/// Numbers of types that code asks for.
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// PRIORITY.
    pub const PRIORITY: u8 = 2;
    /// RST_STREAM.
    pub const RST_STREAM: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// PING.
    pub const PING: u8 = 6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 7;
    /// WINDOW_UPDATE.
    pub const WINDOW_UPDATE: u8 = 8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 9;
    /// METADATA, an extension that Envoy knows.
    pub const METADATA: u8 = 0x4d;
}

/// Flags of frames.
pub mod flag {
    /// The sender's last frame on a stream.
    pub const END_STREAM: u8 = 0x1;
    /// An answer to SETTINGS or PING.
    pub const ACK: u8 = 0x1;
    /// The last frame of a block.
    pub const END_HEADERS: u8 = 0x4;
    /// Padding follows.
    pub const PADDED: u8 = 0x8;
    /// HEADERS say a priority.
    pub const PRIORITY: u8 = 0x20;
}

/// A frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream, with the reserved bit.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame.
    #[must_use]
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.into(),
        }
    }

    /// SETTINGS with these values.
    #[must_use]
    pub fn settings(values: &[(u16, u32)]) -> Self {
        let payload = values
            .iter()
            .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()));
        Self::new(kind::SETTINGS, 0, 0, payload.collect::<Vec<u8>>())
    }

    /// WINDOW_UPDATE.
    #[must_use]
    pub fn window_update(stream: u32, bytes: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, bytes.to_be_bytes())
    }

    /// RST_STREAM.
    #[must_use]
    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
    }

    /// GOAWAY.
    #[must_use]
    pub fn goaway(last_stream: u32, code: u32, debug: &[u8]) -> Self {
        let payload = [&last_stream.to_be_bytes(), &code.to_be_bytes()[..], debug].concat();
        Self::new(kind::GOAWAY, 0, 0, payload)
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether the sender sends nothing more on the stream.
    #[must_use]
    pub fn ends_stream(&self) -> bool {
        self.kind <= kind::HEADERS && self.has(flag::END_STREAM)
    }

    /// The number of 32 bits at this place of the payload.
    #[must_use]
    pub fn number(&self, at: usize) -> u32 {
        self.payload.get(at..at + 4).map_or(0, number)
    }

    /// What DATA and HEADERS carry beside padding and priority.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        let mut content = &self.payload[..];
        if self.has(flag::PADDED)
            && let Some((padding, rest)) = content.split_first()
        {
            content = &rest[..rest.len().saturating_sub(usize::from(*padding))];
        }
        if self.kind == kind::HEADERS && self.has(flag::PRIORITY) {
            content = content.get(5..).unwrap_or_default();
        }
        content
    }

    /// As it goes on the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// A line that says what it is; headers and the bytes of DATA are the reader's to show.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = match self.kind {
            kind::METADATA => "METADATA".to_owned(),
            other => named(&TYPES, u32::from(other)),
        };
        if self.stream != 0 {
            let _ = write!(text, " stream {}", self.stream);
        }
        let ack = if self.has(flag::ACK) { " ack" } else { "" };
        match self.kind {
            kind::SETTINGS => {
                text.push_str(ack);
                for setting in self.payload.chunks_exact(6) {
                    let (id, value) = setting.split_at(2);
                    let name = named(&SETTINGS, number(id));
                    let _ = write!(text, " {name}={}", number(value));
                }
            }
            kind::PING => {
                let _ = write!(text, "{ack} {}", show(&self.payload));
            }
            kind::RST_STREAM => {
                let _ = write!(text, " {}", named(&ERRORS, self.number(0)));
            }
            kind::GOAWAY => {
                let code = named(&ERRORS, self.number(4));
                let _ = write!(text, " {code} last stream {}", self.number(0));
                if let Some(debug) = self.payload.get(8..).filter(|debug| !debug.is_empty()) {
                    let _ = write!(text, " ({})", show(debug));
                }
            }
            kind::WINDOW_UPDATE => {
                let _ = write!(text, " {}", self.number(0));
            }
            kind::METADATA => text.push_str(&self.describe_metadata()),
            _ => {}
        }
        if self.ends_stream() {
            text.push_str(" end");
        }
        text
    }
}

impl Frame {
    /// What is in a frame of METADATA that begins a block, or how long it is, and whether others follow.
    #[must_use]
    pub fn describe_metadata(&self) -> String {
        let mut text = String::new();
        match Decoder::default().decode(&self.payload) {
            Some(fields) if self.payload.len() < 1000 => {
                for (name, value) in fields {
                    let _ = write!(text, " {}={}", show(&name), show(&value));
                }
            }
            _ => {
                let _ = write!(text, " of {} bytes", self.payload.len());
            }
        }
        if !self.has(flag::END_HEADERS) {
            text.push_str(" to be continued");
        }
        text
    }
}

/// The number that some bytes are.
fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// A number's name, or the number.
#[must_use]
pub fn named(names: &[&str], number: u32) -> String {
    let name = usize::try_from(number)
        .ok()
        .and_then(|number| names.get(number));
    match name {
        Some(name) if !name.is_empty() => (*name).to_owned(),
        _ => number.to_string(),
    }
}

/// The number that has this name, or that the text is.
#[must_use]
pub fn number_of(names: &[&str], text: &str) -> Option<u32> {
    let at = names
        .iter()
        .position(|name| !name.is_empty() && *name == text);
    at.map_or_else(|| text.parse().ok(), |at| u32::try_from(at).ok())
}

/// Reads a frame.
///
/// # Errors
/// Why none came.
pub fn read(stream: &mut impl Read) -> Result<Frame, Stop> {
    let mut head = [0; HEAD_BYTES];
    let have = read_some(stream, &mut head)?;
    if have == 0 {
        return Err(Stop::Closed);
    }
    if have < HEAD_BYTES || head.starts_with(b"HTTP/") {
        let mut rest = [0; 1024];
        let more = stream.read(&mut rest).unwrap_or(0);
        let shown = show(&[&head[..have], &rest[..more]].concat());
        return Err(Stop::Malformed(format!("no frame: {shown}")));
    }
    let length = usize::try_from(number(&head[..3])).unwrap_or_default();
    let mut payload = vec![0; length];
    let have = read_some(stream, &mut payload)?;
    if have < length {
        return Err(Stop::Malformed("closed within a frame".to_owned()));
    }
    Ok(Frame::new(head[3], head[4], number(&head[5..]), payload))
}

/// Fills `buffer` as far as the peer sends; an error only if nothing came.
fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Stop> {
    let mut have = 0;
    while have < buffer.len() {
        match stream.read(&mut buffer[have..]) {
            Ok(0) => break,
            Ok(length) => have += length,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) if have > 0 => break,
            Err(error) => return Err(Stop::from(error)),
        }
    }
    Ok(have)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_wire() {
        let frame = Frame::new(kind::DATA, flag::END_STREAM, 3, *b"abc");
        assert_eq!(read(&mut &frame.bytes()[..]), Ok(frame));
    }

    #[test]
    fn frames_are_told_in_words() {
        let settings = Frame::settings(&[(4, 65_535), (99, 1)]);
        assert_eq!(
            settings.describe(),
            "SETTINGS initial_window_size=65535 99=1"
        );
        let goaway = Frame::goaway(5, 1, b"why");
        assert_eq!(
            goaway.describe(),
            "GOAWAY PROTOCOL_ERROR last stream 5 (why)"
        );
    }

    #[test]
    fn padding_and_priority_are_no_content() {
        let flags = flag::PADDED | flag::PRIORITY;
        let frame = Frame::new(kind::HEADERS, flags, 1, *b"\x02\0\0\0\0\0block\0\0");
        assert_eq!(frame.content(), b"block");
    }
}
