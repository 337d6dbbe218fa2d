//! Messages in all transports and protocols, whole and in pieces.

use super::walk::{MAX_DEPTH, Walk};
use super::*;

/// One of each kind of value, as the binary protocol writes them.
fn all_values() -> Vec<u8> {
    let mut bytes = vec![2, 0, 1, 1, 2, 0, 2, 0, 3, 0, 3, 0xff];
    bytes.extend([4, 0, 4, 0, 1, 2, 3, 4, 5, 6, 7]);
    bytes.extend([6, 0, 40, 0xff, 0xfe, 8, 0, 41, 0, 0, 1, 0]);
    bytes.extend([10, 0, 42, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([11, 0, 43, 0, 0, 0, 2, b'h', b'i']);
    bytes.extend([12, 0, 44, 11, 0, 1, 0, 0, 0, 0, 0]);
    bytes.extend([13, 0, 45, 8, 11, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 1, b'x']);
    bytes.extend([13, 0, 46, 0, 0, 0, 0, 0, 0]);
    bytes.extend([15, 0, 47, 2, 0, 0, 0, 2, 1, 0]);
    bytes.extend([14, 0, 48, 12, 0, 0, 0, 16]);
    bytes.extend([0; 16]);
    bytes.push(0);
    bytes
}

fn head() -> Head {
    Head::new(b"call", MessageKind::Call, -7)
}

fn message(transport: Transport, protocol: Protocol) -> Vec<u8> {
    let values = all_values();
    let payload = payload_as(protocol, &values).expect("values");
    let mut out = Vec::new();
    encode((transport, protocol), &head(), &payload, &mut out).expect("it is small");
    out
}

fn all() -> impl Iterator<Item = (Transport, Protocol)> {
    use {Protocol::*, Transport::*};
    [Framed, Unframed, Header]
        .into_iter()
        .flat_map(|transport| [Binary, LaxBinary, Compact].map(|protocol| (transport, protocol)))
        .filter(|both| *both != (Header, LaxBinary))
}

#[test]
fn what_is_written_is_read_in_whatever_pieces_it_comes() {
    for (transport, protocol) in all() {
        let bytes = message(transport, protocol).repeat(2);
        for piece in [1, 2, 3, 7, bytes.len()] {
            let mut decoder = Decoder::new(DecoderSettings {
                transport: Some(transport),
                protocol: Some(protocol),
                keeps_case: false,
            });
            let mut seen = Vec::new();
            for part in bytes.chunks(piece) {
                decoder.push(part);
                loop {
                    if let Some(found) = decoder.head().expect("a head") {
                        assert_eq!(found, head());
                    }
                    match decoder.payload(false).expect("a payload") {
                        Some(payload) => seen.push(payload),
                        None => break,
                    }
                }
            }
            assert_eq!(
                seen,
                [all_values(), all_values()],
                "{transport:?} {protocol:?}"
            );
            assert!(!decoder.is_receiving());
        }
    }
}

#[test]
fn transport_and_protocol_are_found_out() {
    for (transport, protocol) in all().filter(|(_, it)| *it != Protocol::LaxBinary) {
        let mut decoder = Decoder::new(DecoderSettings::default());
        decoder.push(&message(transport, protocol));
        assert_eq!(decoder.head().expect("a head"), Some(head()));
        let both = (decoder.transport(), decoder.protocol());
        assert_eq!(both, (Some(transport), Some(protocol)));
    }
}

#[test]
fn a_payload_is_taken_unread_as_long_as_its_frame() {
    let mut decoder = Decoder::new(DecoderSettings::default());
    let mut bytes = Vec::new();
    let framed = (Transport::Framed, Protocol::Binary);
    encode(framed, &head(), b"anything", &mut bytes).expect("it is small");
    decoder.push(&bytes);
    assert_eq!(decoder.head().expect("a head"), Some(head()));
    assert!(decoder.knows_length());
    let payload = decoder.payload(true).expect("bytes");
    assert_eq!(payload.as_deref(), Some(&b"anything"[..]));
}

#[test]
fn headers_come_back() {
    let mut with = head();
    with.flags = 5;
    with.headers = vec![(b":a".to_vec(), b"1".to_vec()), (b"X-b".to_vec(), vec![])];
    let mut bytes = Vec::new();
    encode(
        (Transport::Header, Protocol::Compact),
        &with,
        &[0],
        &mut bytes,
    )
    .expect("it is small");
    let mut decoder = Decoder::new(DecoderSettings::default());
    decoder.push(&bytes);
    let read = decoder.head().expect("a head").expect("all of it");
    with.headers[1].0 = b"x-b".to_vec();
    assert_eq!(read, with);
}

#[test]
fn what_is_wrong_is_said() {
    let error = |bytes: &[u8]| {
        let mut decoder = Decoder::new(DecoderSettings::default());
        decoder.push(bytes);
        match decoder
            .head()
            .map(|_| ())
            .and_then(|()| decoder.payload(false))
        {
            Err(error) => error.text,
            Ok(_) => String::new(),
        }
    };
    let framed = |payload: &[u8]| {
        let mut bytes = Vec::new();
        let both = (Transport::Framed, Protocol::Binary);
        encode(both, &head(), payload, &mut bytes).expect("it is small");
        error(&bytes)
    };
    let start = "unknown thrift auto transport frame start";
    assert_eq!(
        error(b"GET / HTTP"),
        format!("{start} 47 45 54 20 2f 20 48 54")
    );
    assert_eq!(framed(&[7, 0, 1, 0]), "unknown field type 7");
    let negative = "negative binary protocol";
    assert_eq!(
        framed(&[11, 0, 1, 0xff, 0xff, 0xff, 0xfe, 0]),
        format!("{negative} string/binary length -2")
    );
    assert_eq!(
        framed(&[13, 0, 1, 8, 8, 0xff, 0xff, 0xff, 0xfe, 0]),
        format!("{negative} map size -2")
    );
}

#[test]
fn values_are_not_endlessly_deep() {
    for (depth, is_allowed) in [(MAX_DEPTH - 1, true), (MAX_DEPTH, false)] {
        let mut bytes = [12, 0, 1].repeat(depth);
        bytes.extend(vec![0; depth + 1]);
        let mut walk = Walk::new(Protocol::Binary, Protocol::Compact);
        let walked = walk.go_on(&bytes, &mut Vec::new());
        assert_eq!(walked.is_ok(), is_allowed);
        assert_eq!(walk.is_over(), is_allowed);
    }
}

#[test]
fn replies_are_told_from_errors() {
    let kind = |payload: &[u8]| reply_kind(Protocol::Binary, payload);
    assert_eq!(kind(&[0]), Some(ReplyKind::Success));
    assert_eq!(kind(&[8, 0, 0, 0]), Some(ReplyKind::Success));
    assert_eq!(kind(&[12, 0, 1, 0]), Some(ReplyKind::Error));
    assert_eq!(kind(&[]), None);
    assert_eq!(
        reply_kind(Protocol::Compact, &[0x15]),
        Some(ReplyKind::Error)
    );
    assert_eq!(
        reply_kind(Protocol::Compact, &[0x05, 0]),
        Some(ReplyKind::Success)
    );
}

#[test]
fn an_exception_is_a_struct_of_text_and_number() {
    let exception = AppException::new(ExceptionKind::InternalError, "no");
    let expected = [11, 0, 1, 0, 0, 0, 2, b'n', b'o', 8, 0, 2, 0, 0, 0, 6, 0];
    assert_eq!(exception.payload(), expected);
}

#[test]
fn a_message_without_an_end_is_given_up() {
    let mut decoder = Decoder::new(DecoderSettings::default());
    let unframed = (Transport::Unframed, Protocol::Binary);
    let mut bytes = Vec::new();
    encode(unframed, &head(), &[], &mut bytes).expect("it is small");
    decoder.push(&bytes);
    assert!(decoder.head().expect("a head").is_some());
    let many = [3, 0, 1, 0].repeat(1 << 18);
    let outcome = (0..64).try_for_each(|_| {
        decoder.push(&many);
        decoder.payload(false).map(|_| ())
    });
    assert_eq!(outcome, Err(DecodeError::new("the message is too large")));
}

#[test]
fn fields_are_found_by_their_numbers() {
    let values = all_values();
    let cases = [
        (&[1][..], Some("1")),
        (&[2], Some("0")),
        (&[3], Some("255")),
        (&[40], Some("-2")),
        (&[41], Some("256")),
        (&[42], Some("-9223372036854775808")),
        (&[43], Some("hi")),
        (&[44, 1], Some("")),
        (&[44], None),
        (&[45], None),
        (&[43, 1], None),
        (&[99], None),
        (&[], None),
        (&[44, 1], Some("")),
    ];
    let all = find_fields(&values, cases.iter().map(|(path, _)| *path));
    assert_eq!(all.len(), cases.len());
    for ((path, expected), found) in cases.into_iter().zip(all) {
        let text = |text: &Vec<u8>| String::from_utf8_lossy(text).into_owned();
        assert_eq!(found.as_ref().map(text).as_deref(), expected, "{path:?}");
        let alone = find_fields(&values, std::iter::once(path));
        assert_eq!(alone, [found], "{path:?}");
    }
}

#[test]
fn what_the_other_side_would_not_take_is_not_written() {
    let error = |transport, head: &Head, payload: &[u8]| {
        let mut out = Vec::new();
        let written = encode((transport, Protocol::Binary), head, payload, &mut out);
        assert_eq!(written.is_err(), out.is_empty());
        written.err().map(|error| error.text)
    };
    let with = |length: usize, count: usize| {
        let mut head = head();
        head.headers = vec![(b"n".to_vec(), vec![b'v'; length]); count];
        head
    };
    let said = |text: &str| Some(text.to_owned());
    let head_bytes = 12 + head().method.len();
    let most = vec![0; MAX_FRAME_BYTES - head_bytes];
    assert_eq!(error(Transport::Framed, &head(), &most), None);
    let more = vec![0; most.len() + 1];
    let size = "invalid thrift framed transport frame size 16384001";
    assert_eq!(error(Transport::Framed, &head(), &more), said(size));
    // Fourteen bytes stand before the message here.
    let size = "invalid thrift header transport frame size 16384015";
    assert_eq!(error(Transport::Header, &head(), &more), said(size));
    assert_eq!(error(Transport::Header, &with(32_767, 1), &[0]), None);
    let text = "header string too long: 32768";
    assert_eq!(error(Transport::Header, &with(32_768, 1), &[0]), said(text));
    let text = "invalid thrift header transport header size 70028";
    assert_eq!(error(Transport::Header, &with(14_000, 5), &[0]), said(text));
}

#[test]
fn headers_that_are_too_large_are_refused() {
    let mut bytes = vec![0, 2, 0, 0, 0x0f, 0xff, 0, 0, 0, 0, 0, 0, 0x40, 1];
    bytes.resize(80_000, 0);
    let mut decoder = Decoder::new(DecoderSettings {
        transport: Some(Transport::Header),
        ..DecoderSettings::default()
    });
    decoder.push(&bytes);
    let text = "invalid thrift header transport header size 65540 (4001)";
    assert_eq!(decoder.head(), Err(DecodeError::new(text)));
}

#[test]
fn a_payload_that_grows_beyond_a_frame_is_given_up() {
    // Numbers of one byte are eight bytes elsewhere: field 1 is a list of them.
    let count = u32::try_from(MAX_FRAME_BYTES / 4).expect("it is small");
    let mut payload = vec![0x19, 0xf6];
    let mut rest = count;
    while rest >= 0x80 {
        payload.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
        rest >>= 7;
    }
    payload.push(u8::try_from(rest).expect("seven bits"));
    payload.resize(payload.len() + MAX_FRAME_BYTES / 4, 0);
    payload.push(0);
    let mut bytes = Vec::new();
    let compact = (Transport::Framed, Protocol::Compact);
    encode(compact, &head(), &payload, &mut bytes).expect("it is small");
    let mut decoder = Decoder::new(DecoderSettings::default());
    decoder.push(&bytes);
    assert!(decoder.head().expect("a head").is_some());
    let outcome = decoder.payload(false);
    assert_eq!(outcome, Err(DecodeError::new("the message is too large")));
}

#[test]
fn messages_that_come_together_are_told_from_each_other() {
    let framed = (Transport::Framed, Protocol::Binary);
    let mut bytes = Vec::new();
    for payload in [&[0][..], &[0, 9, 9]] {
        encode(framed, &head(), payload, &mut bytes).expect("it is small");
    }
    let mut decoder = Decoder::new(DecoderSettings::default());
    decoder.push(&bytes);
    for (waiting, is_used_up) in [(bytes.len() / 2 + 1, true), (2, false)] {
        assert!(decoder.head().expect("a head").is_some());
        let payload = decoder.payload(false).expect("bytes");
        assert_eq!(payload.as_deref(), Some(&[0][..]));
        assert_eq!(decoder.waiting_bytes(), waiting);
        assert_eq!(decoder.was_used_up(), is_used_up);
    }
}
