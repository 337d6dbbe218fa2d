//! HTTP/3 for tests: frames, QPACK without dynamic tables, and the messages of a stream. None of it is the proxy's code.

pub mod frame;
pub mod qpack;
mod static_table;

use crate::http2::peer::Stream;
use crate::message::{Framing, Message};
use frame::{Frame, kind};

/// The messages in the bytes of a stream, and what is wrong with them if something is.
#[must_use]
pub fn messages(bytes: &[u8]) -> (Stream, Option<String>) {
    let mut stream = Stream::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((frame, taken)) = Frame::read(rest) else {
            return (stream, Some("a frame is cut off".to_owned()));
        };
        rest = &rest[taken..];
        match frame.kind {
            kind::DATA => {
                if let Some(message) = stream.messages.last_mut() {
                    message.body.extend(frame.payload);
                }
            }
            kind::HEADERS => {
                let Some(headers) = qpack::decode(&frame.payload) else {
                    return (stream, Some("headers that cannot be read".to_owned()));
                };
                add_block(&mut stream, &headers);
            }
            _ => {}
        }
    }
    (stream, None)
}

fn add_block(stream: &mut Stream, headers: &[qpack::Header]) {
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
