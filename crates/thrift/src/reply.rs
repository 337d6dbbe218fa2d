//! What clients are told: answers of hosts, and exceptions of our own.

use nuncio_codec::thrift::{
    AppException, DecodeError, Head, MessageKind, Protocol, Transport, encode, payload_as,
};

use crate::exchange::{Answer, DRAIN, Payload};

/// What a client speaks.
pub(crate) type Spoken = (Transport, Protocol);

fn drain_header() -> (Vec<u8>, Vec<u8>) {
    (DRAIN.to_vec(), b"true".to_vec())
}

/// An exception for the call with this head.
pub(crate) fn exception(
    speaks: Spoken,
    of: &Head,
    exception: &AppException,
    closes: bool,
) -> Result<Vec<u8>, DecodeError> {
    let mut head = Head::new(&of.method, MessageKind::Exception, of.sequence_id);
    head.flags = of.flags;
    if closes {
        head.headers.push(drain_header());
    }
    let values = exception.payload();
    let payload = payload_as(speaks.1, &values)?;
    let mut out = Vec::new();
    encode(speaks, &head, &payload, &mut out)?;
    Ok(out)
}

/// An answer to the call of this number.
pub(crate) fn answer(
    speaks: Spoken,
    sequence_id: i32,
    answer: &Answer,
    drains: bool,
) -> Result<Vec<u8>, DecodeError> {
    let mut head = answer.head.clone();
    head.sequence_id = sequence_id;
    if drains {
        head.headers.insert(0, drain_header());
    }
    let payload = match &answer.payload {
        Payload::Values(values) => payload_as(speaks.1, values)?,
        Payload::Unread(bytes) => bytes.as_slice().into(),
        Payload::Broken(error) => return Err(error.clone()),
    };
    let mut out = Vec::with_capacity(payload.len() + head.method.len() + 64);
    encode(speaks, &head, &payload, &mut out)?;
    Ok(out)
}
