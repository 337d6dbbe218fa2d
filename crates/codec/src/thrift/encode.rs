//! Messages as bytes.

use std::borrow::Cow;

use super::walk::{Walk, first_field};
use super::{DecodeError, Head, MAX_FRAME_BYTES, Protocol, Transport, head, header};

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// What was asked for.
    Success,
    /// An exception that the method declares.
    Error,
}

/// What the payload of a reply says: that of a method without a result is empty, a result is its field 0.
pub fn reply_kind(protocol: Protocol, payload: &[u8]) -> Option<ReplyKind> {
    Some(match first_field(protocol, payload)? {
        None | Some(0) => ReplyKind::Success,
        Some(_) => ReplyKind::Error,
    })
}

/// A payload of the binary protocol, as another writes it.
///
/// # Errors
/// It is none, or has what the other does not know.
pub fn payload_as(protocol: Protocol, payload: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    if protocol != Protocol::Compact {
        return Ok(Cow::Borrowed(payload));
    }
    let mut out = Vec::with_capacity(payload.len());
    let mut walk = Walk::new(Protocol::Binary, protocol);
    walk.go_on(payload, &mut out)?;
    match walk.is_over() {
        true => Ok(Cow::Owned(out)),
        false => Err(DecodeError::new("the payload is cut short")),
    }
}

/// A payload of another protocol, as the binary one writes it; none if it is no whole one.
pub fn values_of(protocol: Protocol, payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(payload.len());
    let mut walk = Walk::new(protocol, Protocol::Binary);
    walk.go_on(payload, &mut out).ok()?;
    walk.is_over().then_some(out)
}

/// A head as a protocol writes it.
fn head_bytes(protocol: Protocol, of: &Head) -> Vec<u8> {
    let mut bytes = Vec::new();
    head::write(protocol, of, &mut bytes);
    bytes
}

/// Writes a message whose payload is as its protocol writes it.
///
/// # Errors
/// The other side would not take it: it is larger than frames or headers may be. Nothing is written then.
pub fn encode(
    (transport, protocol): (Transport, Protocol),
    of: &Head,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let head = head_bytes(protocol, of);
    let size = head.len() + payload.len();
    match transport {
        Transport::Unframed => {}
        Transport::Framed => {
            let size = frame_size("framed", size)?;
            out.extend_from_slice(&size.to_be_bytes());
        }
        Transport::Header => header::write(of, protocol, size, out)?,
    }
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    Ok(())
}

/// The size of a frame as it is written.
pub(super) fn frame_size(transport: &str, size: usize) -> Result<i32, DecodeError> {
    let too_large = || {
        DecodeError::new(format!(
            "invalid thrift {transport} transport frame size {size}"
        ))
    };
    match i32::try_from(size) {
        Ok(written) if size <= MAX_FRAME_BYTES => Ok(written),
        _ => Err(too_large()),
    }
}
