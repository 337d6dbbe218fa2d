//! The header transport: what stands before a message, both ways.

use super::auto::HEADER_MAGIC;
use super::encode::frame_size;
use super::head::Head;
use super::input::{Input, write_varint_i32};
use super::{DecodeError, ExceptionKind, MAX_FRAME_BYTES, Protocol, Read};

/// What the size of a frame, the magic, flags, number and the size of the headers take.
const START_BYTES: usize = 14;
/// The most bytes that headers may have, as in Envoy.
const MAX_HEADER_BYTES: usize = 65_536;
/// The most bytes that a name or a value may have.
const MAX_TEXT_BYTES: usize = 0x7fff;
/// The kind of information that are names and values.
const KEY_VALUE: i32 = 1;

/// What stands before a message.
pub(super) struct Before {
    pub(super) frame_bytes: usize,
    pub(super) flags: u16,
    pub(super) protocol: Protocol,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// A transform that is not known: the peer can be told of it.
    pub(super) error: Option<DecodeError>,
}

/// Reads what stands before a message.
pub(super) fn read(input: &mut Input<'_>, keeps_case: bool) -> Read<Before> {
    if input.left() < START_BYTES {
        return Ok(None);
    }
    let (Some(size), Some(magic), Some(flags), Some(_number), Some(words)) = (
        input.i32(),
        input.u16(),
        input.u16(),
        input.i32(),
        input.i16(),
    ) else {
        return Ok(None);
    };
    let frame_bytes = usize::try_from(size).unwrap_or(0);
    if !(START_BYTES..=MAX_FRAME_BYTES).contains(&frame_bytes) {
        let text = format!("invalid thrift header transport frame size {size}");
        return Err(DecodeError::new(text));
    }
    if magic != HEADER_MAGIC {
        let text = format!(
            "invalid thrift header transport magic {}",
            signed_hex(magic.cast_signed())
        );
        return Err(DecodeError::new(text));
    }
    let bytes = i32::from(words) * 4;
    let count = usize::try_from(bytes).ok();
    let Some(count) = count.filter(|count| *count <= MAX_HEADER_BYTES) else {
        let raw = words.cast_unsigned();
        let text = format!("invalid thrift header transport header size {bytes} ({raw:04x})");
        return Err(DecodeError::new(text));
    };
    if count == 0 {
        return Err(DecodeError::new("no header data"));
    }
    let Some(headers) = input.take(count) else {
        return Ok(None);
    };
    if frame_bytes < START_BYTES - 4 + count {
        let left = i64::from(size) - 10 - i64::from(bytes);
        let text = format!("invalid thrift header transport message size {left}");
        return Err(DecodeError::new(text));
    }
    let mut before = Before {
        frame_bytes,
        flags,
        protocol: Protocol::Binary,
        headers: Vec::new(),
        error: None,
    };
    before.read_headers(&mut Input::new(headers), keeps_case)?;
    Ok(Some(before))
}

/// As Envoy's formatting shows it.
fn signed_hex(number: i16) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{:04x}", number.unsigned_abs())
}

fn too_small(what: &str) -> DecodeError {
    DecodeError::new(format!(
        "unable to read header transport {what}: header too small"
    ))
}

/// A number in the headers, which have come whole.
fn number(input: &mut Input<'_>, what: &str) -> Result<i32, DecodeError> {
    input.varint_i32()?.ok_or_else(|| too_small(what))
}

fn text(input: &mut Input<'_>, what: &str) -> Result<Vec<u8>, DecodeError> {
    let length = number(input, what)?;
    let length = usize::try_from(length).map_err(|_| {
        let text = "invalid negative length";
        DecodeError::new(format!(
            "unable to read header transport {what}: {text} {length}"
        ))
    })?;
    Ok(input.take(length).ok_or_else(|| too_small(what))?.to_vec())
}

impl Before {
    fn read_headers(&mut self, input: &mut Input<'_>, keeps_case: bool) -> Result<(), DecodeError> {
        self.protocol = match number(input, "protocol id")? {
            0 => Protocol::Binary,
            2 => Protocol::Compact,
            other => return Err(DecodeError::new(format!("Unknown protocol {other}"))),
        };
        let transforms = number(input, "transform count")?;
        if transforms < 0 {
            let text = format!("invalid header transport transform count {transforms}");
            return Err(DecodeError::new(text));
        }
        if transforms > 0 {
            let id = number(input, "transform id")?;
            self.error = Some(DecodeError {
                text: format!("Unknown transform {id}"),
                kind: ExceptionKind::InvalidTransform,
            });
            return Ok(());
        }
        // Anything else ends what is understood; 0 is padding.
        while input.left() > 0 && number(input, "info id")? == KEY_VALUE {
            let count = number(input, "header count")?;
            if count < 0 {
                let text = format!("invalid header transport header count {count}");
                return Err(DecodeError::new(text));
            }
            for _ in 0..count {
                let mut key = text(input, "header key")?;
                if !keeps_case {
                    key.retain(|byte| !matches!(byte, 0 | b'\r' | b'\n'));
                    key.make_ascii_lowercase();
                }
                let value = text(input, "header value")?;
                self.headers.push((key, value));
            }
        }
        self.headers.sort_by_key(|(key, _)| !key.starts_with(b":"));
        Ok(())
    }
}

/// Writes what stands before a message of so many bytes.
pub(super) fn write(
    head: &Head,
    protocol: Protocol,
    message_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let headers = headers_of(head, protocol)?;
    let words = u16::try_from(headers.len() / 4).unwrap_or(u16::MAX);
    let size = START_BYTES - 4 + headers.len() + message_bytes;
    out.extend_from_slice(&frame_size("header", size)?.to_be_bytes());
    out.extend_from_slice(&HEADER_MAGIC.to_be_bytes());
    out.extend_from_slice(&head.flags.to_be_bytes());
    out.extend_from_slice(&head.sequence_id.to_be_bytes());
    out.extend_from_slice(&words.to_be_bytes());
    out.extend_from_slice(&headers);
    Ok(())
}

/// The protocol, the names and the values, and what fills the last word.
fn headers_of(head: &Head, protocol: Protocol) -> Result<Vec<u8>, DecodeError> {
    let mut headers = vec![if protocol == Protocol::Compact { 2 } else { 0 }, 0];
    if !head.headers.is_empty() {
        headers.push(1);
        write_length(head.headers.len(), &mut headers);
        for (key, value) in &head.headers {
            write_text(key, &mut headers)?;
            write_text(value, &mut headers)?;
        }
    }
    // One byte of padding at least, as in Envoy.
    headers.resize((headers.len() + 1).next_multiple_of(4), 0);
    match headers.len() {
        0..=MAX_HEADER_BYTES => Ok(headers),
        size => {
            let text = format!("invalid thrift header transport header size {size}");
            Err(DecodeError::new(text))
        }
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    if text.len() > MAX_TEXT_BYTES {
        let text = format!("header string too long: {}", text.len());
        return Err(DecodeError::new(text));
    }
    write_length(text.len(), out);
    out.extend_from_slice(text);
    Ok(())
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    write_varint_i32(i32::try_from(length).unwrap_or(i32::MAX), out);
}
