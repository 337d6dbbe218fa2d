//! Heads of messages: what is called, and what kind of a message it is.

use super::input::{Input, write_varint_i32};
use super::{DecodeError, Protocol, Read};

/// The kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A call that wants a reply.
    Call = 1,
    /// The reply.
    Reply = 2,
    /// What comes instead of one.
    Exception = 3,
    /// A call that wants none.
    Oneway = 4,
}

impl MessageKind {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => MessageKind::Call,
            2 => MessageKind::Reply,
            3 => MessageKind::Exception,
            4 => MessageKind::Oneway,
            _ => return None,
        })
    }

    /// As Envoy calls it.
    pub const fn name(self) -> &'static str {
        match self {
            MessageKind::Call => "call",
            MessageKind::Reply => "reply",
            MessageKind::Exception => "exception",
            MessageKind::Oneway => "oneway",
        }
    }
}

/// The head of a message, with what its transport says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The method.
    pub method: Vec<u8>,
    /// Its kind.
    pub kind: MessageKind,
    /// Its number.
    pub sequence_id: i32,
    /// Headers, if its transport has them; those that begin with a colon come first.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Flags of the header transport.
    pub flags: u16,
}

impl Head {
    /// A head without headers.
    pub fn new(method: &[u8], kind: MessageKind, sequence_id: i32) -> Self {
        Head {
            method: method.to_vec(),
            kind,
            sequence_id,
            headers: Vec::new(),
            flags: 0,
        }
    }

    /// How many bytes its texts have.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        self.method.len() + headers
    }
}

/// Reads a head.
pub(super) fn read(protocol: Protocol, input: &mut Input<'_>) -> Read<Head> {
    match protocol {
        Protocol::Binary => read_binary(input),
        Protocol::LaxBinary => read_lax(input),
        Protocol::Compact => read_compact(input),
    }
}

/// The kind of this number; else that it is none.
fn kind_of(number: u8, protocol: &str) -> Result<MessageKind, DecodeError> {
    MessageKind::of(number).ok_or_else(|| {
        DecodeError::new(format!("invalid {protocol} protocol message type {number}"))
    })
}

/// A length; else that it is negative.
pub(super) fn length_of(length: i32, what: &str) -> Result<usize, DecodeError> {
    usize::try_from(length).map_err(|_| DecodeError::new(format!("negative {what} {length}")))
}

fn read_binary(input: &mut Input<'_>) -> Read<Head> {
    if input.left() < 12 {
        return Ok(None);
    }
    let (Some(version), Some([_, kind]), Some(length)) = (input.u16(), input.array(), input.i32())
    else {
        return Ok(None);
    };
    if version != 0x8001 {
        let text = format!("invalid binary protocol version 0x{version:04x} != 0x8001");
        return Err(DecodeError::new(text));
    }
    let kind = kind_of(kind, "binary")?;
    let length = length_of(length, "binary protocol message name length")?;
    let (Some(method), Some(sequence_id)) = (input.take(length), input.i32()) else {
        return Ok(None);
    };
    Ok(Some(Head::new(method, kind, sequence_id)))
}

fn read_lax(input: &mut Input<'_>) -> Read<Head> {
    let Some(length) = input.i32() else {
        return Ok(None);
    };
    let length = length_of(length, "binary protocol message name length")?;
    let Some(method) = input.take(length) else {
        return Ok(None);
    };
    let (Some(kind), Some(sequence_id)) = (input.byte(), input.i32()) else {
        return Ok(None);
    };
    let kind = kind_of(kind, "(lax) binary")?;
    Ok(Some(Head::new(method, kind, sequence_id)))
}

fn read_compact(input: &mut Input<'_>) -> Read<Head> {
    if input.left() < 4 {
        return Ok(None);
    }
    let Some([first, second]) = input.array() else {
        return Ok(None);
    };
    let version = u16::from_be_bytes([first, second & 0x1f]);
    if version != 0x8201 {
        let text = format!("invalid compact protocol version 0x{version:04x} != 0x8201");
        return Err(DecodeError::new(text));
    }
    let kind = kind_of(second >> 5, "compact")?;
    let Some(sequence_id) = input.varint_i32()? else {
        return Ok(None);
    };
    let Some(length) = input.varint_i32()? else {
        return Ok(None);
    };
    let length = length_of(length, "compact protocol message name length")?;
    let Some(method) = input.take(length) else {
        return Ok(None);
    };
    Ok(Some(Head::new(method, kind, sequence_id)))
}

/// Writes a head.
pub(super) fn write(protocol: Protocol, head: &Head, out: &mut Vec<u8>) {
    let length = i32::try_from(head.method.len()).unwrap_or(i32::MAX);
    let kind = head.kind as u8;
    match protocol {
        Protocol::Binary => {
            out.extend_from_slice(&[0x80, 0x01, 0, kind]);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&head.method);
            out.extend_from_slice(&head.sequence_id.to_be_bytes());
        }
        Protocol::LaxBinary => {
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&head.method);
            out.push(kind);
            out.extend_from_slice(&head.sequence_id.to_be_bytes());
        }
        Protocol::Compact => {
            out.extend_from_slice(&[0x82, 0x01 | (kind << 5)]);
            write_varint_i32(head.sequence_id, out);
            write_varint_i32(length, out);
            out.extend_from_slice(&head.method);
        }
    }
}
