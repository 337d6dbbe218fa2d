//! What is sent on the stream of a request: heads, the heads of frames of bodies, trailers. The end of the stream is the
//! end of the message.

use nuncio_contract::headers::{HeaderMap, Known};

use super::frame::{kind, write_head as write_frame_head};
use super::qpack;
use crate::header_block::{BlockSize, is_of_the_connection};

/// Room that is left for the head of a frame whose length is not known yet: a type of one byte, and what most lengths
/// take.
const HEAD_ROOM: usize = 3;

/// Appends a head, a request's or a response's, informational or final.
///
/// Headers that have no place in HTTP/3 (`connection` and its kin) are left out; of CONNECT without `:protocol` scheme and
/// path as well.
pub fn write_head(headers: &HeaderMap, out: &mut Vec<u8>) -> BlockSize {
    let is_connect =
        headers.get(Known::Method) == Some(b"CONNECT") && !headers.contains(Known::Protocol);
    write_block(headers, is_connect, out)
}

/// Appends trailers; nothing if there are none.
pub fn write_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) -> BlockSize {
    match trailers.is_empty() {
        true => BlockSize::default(),
        false => write_block(trailers, false, out),
    }
}

/// Appends the head of a frame of a body: the caller sends as many bytes behind it as it says.
pub fn write_data_head(len: usize, out: &mut Vec<u8>) {
    write_frame_head(out, kind::DATA, len);
}

fn write_block(headers: &HeaderMap, is_connect: bool, out: &mut Vec<u8>) -> BlockSize {
    let start = out.len();
    let mut size = BlockSize::default();
    out.extend_from_slice(&[0; HEAD_ROOM]);
    out.extend_from_slice(&qpack::PREFIX);
    for header in headers.iter() {
        let is_left_out = match header.known {
            Some(Known::Scheme | Known::Path) => is_connect,
            Some(known) => is_of_the_connection(known),
            None => false,
        };
        if !is_left_out {
            size.count += 1;
            size.decoded += header.name.len() + header.value.len();
            qpack::encode(header.known, header.name, header.value, out);
        }
    }
    finish_frame(start, out);
    size.wire = out.len() - start;
    size
}

/// Writes the head of a frame into the room in front of its payload, which moves if the head is of another size.
fn finish_frame(start: usize, out: &mut Vec<u8>) {
    let len = out.len() - start - HEAD_ROOM;
    let end = out.len();
    write_frame_head(out, kind::HEADERS, len);
    let head_len = out.len() - end;
    if head_len == HEAD_ROOM {
        out.copy_within(end.., start);
        out.truncate(end);
        return;
    }
    let head = out.split_off(end);
    out.splice(start..start + HEAD_ROOM, head);
}
