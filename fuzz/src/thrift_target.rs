//! Thrift: no panic, the same messages however the bytes are split, and what we write of a message in any protocol is
//! read as that message again.

use nuncio_codec::thrift::{
    DecodeError, Decoder, DecoderSettings, Head, Protocol, Transport, encode, payload_as,
};

/// A head and its payload.
type Message = (Head, Vec<u8>);

/// Reads the input behind its first two bytes: what is known of the peer, and the length of the pieces.
pub fn thrift(input: &[u8]) {
    let [flags, piece, bytes @ ..] = input else {
        return;
    };
    let settings = DecoderSettings {
        transport: match flags % 4 {
            0 => None,
            1 => Some(Transport::Framed),
            2 => Some(Transport::Unframed),
            _ => Some(Transport::Header),
        },
        protocol: match flags / 4 % 4 {
            0 => None,
            1 => Some(Protocol::Binary),
            2 => Some(Protocol::LaxBinary),
            _ => Some(Protocol::Compact),
        },
        keeps_case: flags & 16 != 0,
    };
    let whole = messages(settings, bytes, bytes.len().max(1));
    let split = messages(settings, bytes, usize::from(*piece % 16) + 1);
    assert_eq!(whole, split, "a split changes what is read");
    for message in &whole.0 {
        for protocol in [Protocol::Binary, Protocol::LaxBinary, Protocol::Compact] {
            written_is_read(message, protocol);
        }
    }
}

fn written_is_read((head, payload): &Message, protocol: Protocol) {
    // Kinds that hold nothing cannot be told in all protocols.
    let Ok(written) = payload_as(protocol, payload) else {
        return;
    };
    let mut bytes = Vec::new();
    let transport = match protocol {
        Protocol::LaxBinary => Transport::Framed,
        _ => Transport::Header,
    };
    if encode((transport, protocol), head, &written, &mut bytes).is_err() {
        return;
    }
    let settings = DecoderSettings {
        transport: Some(transport),
        protocol: Some(protocol),
        keeps_case: true,
    };
    let (read, end) = messages(settings, &bytes, bytes.len());
    assert_eq!(end, Ok(()));
    let [(again, values)] = read.as_slice() else {
        panic!("one message is written, {} are read", read.len());
    };
    assert_eq!(
        (&again.method, again.sequence_id),
        (&head.method, head.sequence_id)
    );
    if transport == Transport::Header {
        assert_eq!(again.headers, head.headers);
    }
    // Maps without members have no kinds in the compact protocol.
    if protocol != Protocol::Compact {
        assert_eq!(values, payload);
    }
}

fn messages(
    settings: DecoderSettings,
    bytes: &[u8],
    piece: usize,
) -> (Vec<Message>, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(settings);
    let mut read = Vec::new();
    let mut head = None;
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            if head.is_none() {
                match decoder.head() {
                    Ok(found) => head = found,
                    Err(error) => return (read, Err(error)),
                }
            }
            if head.is_none() {
                break;
            }
            match decoder.payload(false) {
                Ok(Some(payload)) => read.extend(head.take().map(|head| (head, payload))),
                Ok(None) => break,
                Err(error) => return (read, Err(error)),
            }
        }
    }
    (read, Ok(()))
}
