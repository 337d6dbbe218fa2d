//! Reads answers and events.

use std::time::Instant;

use super::opcode::Op;
use super::outstanding::{Outstanding, xid};
use super::reader::{Reader, Unreadable};

/// The least that is behind a packet's length.
pub(super) const LEAST_BYTES: usize = 16;

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// A connection is there.
    Connected {
        protocol_version: i32,
        timeout: i32,
        is_read_only: bool,
    },
    /// An answer to an operation.
    Answer {
        op: Op,
        xid: i32,
        zxid: i64,
        error: i32,
    },
    /// Something that a client watches has changed.
    Event {
        kind: i32,
        client_state: i32,
        path: &'a [u8],
        zxid: i64,
        error: i32,
    },
}

/// An answer or an event that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) said: Said<'a>,
    /// The operation and when it was asked for; none of an event.
    pub(super) asked: Option<(Op, Instant)>,
    pub(super) bytes: usize,
}

/// Reads one.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    max_bytes: usize,
    outstanding: &mut Outstanding,
) -> Result<Answer<'a>, Unreadable> {
    let begin = reader.offset();
    reader.begin();
    let length = usize::try_from(reader.int()?).map_err(|_| Unreadable)?;
    if length < LEAST_BYTES || length > max_bytes {
        return Err(Unreadable);
    }
    let id = reader.int()?;
    let asked = match id {
        xid::EVENT => None,
        _ => Some(outstanding.take(id).ok_or(Unreadable)?),
    };
    let said = match (id, asked) {
        (xid::CONNECT, _) => connected(reader, length, id)?,
        (_, None) => event(reader, length)?,
        (_, Some((op, _))) => {
            let (zxid, error) = (reader.long()?, reader.int()?);
            // Of the answers to others nothing is read.
            if !matches!(id, xid::PING | xid::AUTH | xid::SET_WATCHES) {
                reader.set_offset(begin + 4 + length);
            }
            Said::Answer {
                op,
                xid: id,
                zxid,
                error,
            }
        }
    };
    Ok(Answer {
        said,
        asked,
        bytes: reader.offset() - begin,
    })
}

fn connected<'a>(
    reader: &mut Reader<'a>,
    length: usize,
    protocol_version: i32,
) -> Result<Said<'a>, Unreadable> {
    if length < 20 {
        return Err(Unreadable);
    }
    let timeout = reader.int()?;
    // The session.
    reader.skip(8);
    reader.skip_text()?;
    Ok(Said::Connected {
        protocol_version,
        timeout,
        is_read_only: reader.bool_if_there()?,
    })
}

fn event<'a>(reader: &mut Reader<'a>, length: usize) -> Result<Said<'a>, Unreadable> {
    let (zxid, error) = (reader.long()?, reader.int()?);
    if length < LEAST_BYTES + 12 {
        return Err(Unreadable);
    }
    Ok(Said::Event {
        kind: reader.int()?,
        client_state: reader.int()?,
        path: reader.text()?,
        zxid,
        error,
    })
}
