//! One side of a connection: sends what it is told to, keeps every frame that comes, and puts the
//! streams together from them.
//!
//! It answers SETTINGS and PING, and gives back the window that DATA takes, unless told not to.

use std::collections::BTreeMap;
use std::io::Write;

use super::frame::{self, Frame, flag, kind};
use super::hpack::{Decoder, Header};
use crate::message::{Framing, Message, Stop};
use crate::wire::Wire;

/// What has come on a stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Each block with pseudo-headers, DATA and trailers behind it. The head is a line a header.
    pub messages: Vec<Message>,
    /// Whether the peer has sent its last frame.
    pub ended: bool,
    /// Error code with which the peer reset it.
    pub reset: Option<u32>,
}

/// A frame that came, and the headers if it ended a block.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The frame.
    pub frame: Frame,
    /// The headers of a block that it ends; none if it could not be read.
    pub headers: Option<Vec<Header>>,
}

/// One side of a connection.
pub struct Peer {
    wire: Wire,
    automatic: bool,
    /// The windows that DATA takes are not given back.
    pub keeps_windows: bool,
    decoder: Decoder,
    /// A block under way: its stream, whether it ends it, and its bytes.
    block: Option<(u32, bool, Vec<u8>)>,
    /// What has come on each stream.
    pub streams: BTreeMap<u32, Stream>,
    /// Every frame that has come.
    pub log: Vec<Logged>,
}

impl Peer {
    /// A connection on which nothing was said yet. If not `automatic`, nothing is sent but what one
    /// sends.
    #[must_use]
    pub fn new(wire: Wire, automatic: bool) -> Self {
        Self {
            wire,
            automatic,
            keeps_windows: false,
            decoder: Decoder::default(),
            block: None,
            streams: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// The connection.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Sends bytes; false if the peer closed.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.wire.write_all(bytes).is_ok() && self.wire.flush().is_ok()
    }

    /// Reads a frame and does what it asks for; gives its number in the log.
    ///
    /// # Errors
    /// Why none came.
    pub fn pump(&mut self) -> Result<usize, Stop> {
        let frame = frame::read(&mut self.wire)?;
        if self.automatic {
            self.react(&frame);
        }
        let headers = self.take_in(&frame);
        self.log.push(Logged { frame, headers });
        Ok(self.log.len() - 1)
    }

    /// Reads until something holds.
    ///
    /// # Errors
    /// Why it came to an end before.
    pub fn until(&mut self, holds: impl Fn(&Self) -> bool) -> Result<(), Stop> {
        while !holds(self) {
            self.pump()?;
        }
        Ok(())
    }

    /// Whether the peer will send nothing more on a stream.
    #[must_use]
    pub fn is_over(&self, stream: u32) -> bool {
        self.streams
            .get(&stream)
            .is_some_and(|stream| stream.ended || stream.reset.is_some())
    }

    /// Whether a frame of this type came, with or without ACK.
    #[must_use]
    pub fn has_come(&self, kind: u8, ack: bool) -> bool {
        self.log
            .iter()
            .any(|logged| logged.frame.kind == kind && logged.frame.has(flag::ACK) == ack)
    }

    fn react(&mut self, frame: &Frame) {
        let answer = match frame.kind {
            kind::SETTINGS if !frame.has(flag::ACK) => {
                Frame::new(kind::SETTINGS, flag::ACK, 0, []).bytes()
            }
            kind::PING if !frame.has(flag::ACK) => {
                Frame::new(kind::PING, flag::ACK, 0, frame.payload.clone()).bytes()
            }
            kind::DATA if !frame.payload.is_empty() && !self.keeps_windows => {
                let taken = u32::try_from(frame.payload.len()).unwrap_or_default();
                let mut updates = Frame::window_update(0, taken).bytes();
                if !frame.ends_stream() {
                    updates.extend(Frame::window_update(frame.stream, taken).bytes());
                }
                updates
            }
            _ => return,
        };
        // If the peer has closed, reading on tells.
        let _ = self.send(&answer);
    }

    /// Puts a frame where it belongs; gives the headers of the block that it ends.
    fn take_in(&mut self, frame: &Frame) -> Option<Vec<Header>> {
        match frame.kind {
            kind::DATA => {
                let stream = self.streams.entry(frame.stream).or_default();
                if let Some(message) = stream.messages.last_mut() {
                    message.body.extend(frame.content());
                }
                stream.ended |= frame.ends_stream();
            }
            // Shown where it stands in the body.
            kind::METADATA => {
                let stream = self.streams.entry(frame.stream).or_default();
                if let Some(message) = stream.messages.last_mut() {
                    let text = format!("[METADATA{}]", frame.describe_metadata());
                    message.body.extend(text.as_bytes());
                }
            }
            kind::RST_STREAM => {
                let stream = self.streams.entry(frame.stream).or_default();
                stream.reset = Some(frame.number(0));
            }
            kind::HEADERS => {
                let block = frame.content().to_vec();
                self.block = Some((frame.stream, frame.ends_stream(), block));
            }
            kind::CONTINUATION => {
                if let Some((_, _, block)) = &mut self.block {
                    block.extend(&frame.payload);
                }
            }
            _ => return None,
        }
        let ends_block = matches!(frame.kind, kind::HEADERS | kind::CONTINUATION)
            && frame.has(flag::END_HEADERS);
        if !ends_block {
            return None;
        }
        let (number, ends, block) = self.block.take()?;
        let headers = self.decoder.decode(&block)?;
        let stream = self.streams.entry(number).or_default();
        add_block(stream, &headers);
        stream.ended |= ends;
        Some(headers)
    }
}

fn add_block(stream: &mut Stream, headers: &[Header]) {
    let lines = headers
        .iter()
        .map(|(name, value)| [name, &b": "[..], value].concat());
    let is_head = headers.iter().any(|(name, _)| name.starts_with(b":"));
    match stream.messages.last_mut() {
        Some(message) if !is_head => message.trailers.extend(lines),
        _ => {
            let head = lines.flat_map(|line| [&line, &b"\r\n"[..]].concat());
            let message = Message::from_head(head.collect(), Framing::None);
            stream.messages.push(message);
        }
    }
}
