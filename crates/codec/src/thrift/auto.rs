//! Finding out which transport and protocol a peer speaks.

use super::input::Input;
use super::{DecodeError, MAX_FRAME_BYTES, Protocol, Read, Transport};

/// The header transport's first word.
pub(super) const HEADER_MAGIC: u16 = 0x0fff;

/// The transport that begins with these bytes.
pub(super) fn transport(bytes: &[u8]) -> Read<Transport> {
    let mut input = Input::new(bytes);
    let Some(first) = input.array::<8>() else {
        return Ok(None);
    };
    let [a, b, c, d, e, f, ..] = first;
    let size = usize::try_from(i32::from_be_bytes([a, b, c, d])).unwrap_or(0);
    if (1..=MAX_FRAME_BYTES).contains(&size) {
        let magic = u16::from_be_bytes([e, f]);
        if magic == HEADER_MAGIC {
            return Ok(Some(Transport::Header));
        }
        if known(magic).is_some() {
            return Ok(Some(Transport::Framed));
        }
    } else if known(u16::from_be_bytes([a, b])).is_some() {
        return Ok(Some(Transport::Unframed));
    }
    let mut text = "unknown thrift auto transport frame start".to_owned();
    first
        .iter()
        .for_each(|byte| text.push_str(&format!(" {byte:02x}")));
    Err(DecodeError::new(text))
}

/// The protocol whose message begins with these bytes.
pub(super) fn protocol(bytes: &[u8]) -> Read<Protocol> {
    let Some(magic) = Input::new(bytes).u16() else {
        return Ok(None);
    };
    known(magic).map(Some).ok_or_else(|| {
        let text = "unknown thrift auto protocol message start";
        DecodeError::new(format!("{text} {magic:04x}"))
    })
}

fn known(magic: u16) -> Option<Protocol> {
    match magic {
        0x8001 => Some(Protocol::Binary),
        magic if magic & 0xff1f == 0x8201 => Some(Protocol::Compact),
        _ => None,
    }
}
