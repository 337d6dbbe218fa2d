//! What the peer may say on streams that go one way, and what becomes of it.

use std::rc::Rc;

use super::super::event::UniEvent;
use super::super::frame::write_head;
use super::super::settings::Http3Settings;
use super::super::stream_id::StreamId;
use super::{Connection, OwnStream};
use crate::http2::Role;

const CONTROL: StreamId = StreamId(2);
const SECOND: StreamId = StreamId(6);

fn connection(role: Role) -> Connection {
    Connection::new(role, Rc::new(Http3Settings::default()))
}

fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_head(&mut out, kind, payload.len());
    out.extend_from_slice(payload);
    out
}

/// The control stream with SETTINGS, and these frames behind them.
fn control(frames: &[(u64, &[u8])]) -> Vec<u8> {
    let mut bytes = [&[0][..], &frame(4, b"")].concat();
    for (kind, payload) in frames {
        bytes.extend(frame(*kind, payload));
    }
    bytes
}

/// What is told of bytes on one stream, in pieces of so many bytes.
fn feed(
    connection: &mut Connection,
    stream: StreamId,
    bytes: &[u8],
    piece: usize,
) -> Result<Vec<UniEvent>, String> {
    let mut told = Vec::new();
    for mut input in bytes.chunks(piece) {
        loop {
            let step = connection
                .uni_step(stream, input)
                .map_err(|error| format!("{:#x} {}", error.code().0, error.reason()))?;
            input = &input[step.consumed..];
            match step.event {
                UniEvent::NeedMore => {
                    assert!(input.is_empty());
                    break;
                }
                UniEvent::Begun => {}
                event => told.push(event),
            }
        }
    }
    Ok(told)
}

/// The same, however the bytes come.
fn told(role: Role, streams: &[&[u8]]) -> Result<Vec<UniEvent>, String> {
    let play = |piece| {
        let mut connection = connection(role);
        let mut told = Vec::new();
        for (at, bytes) in streams.iter().enumerate() {
            let stream = StreamId(2 + 4 * at as u64);
            told.extend(feed(&mut connection, stream, bytes, piece)?);
        }
        Ok(told)
    };
    let whole = play(usize::MAX);
    assert_eq!(play(1), whole);
    assert_eq!(play(3), whole);
    whole
}

fn refused(streams: &[&[u8]]) -> String {
    told(Role::Server, streams).expect_err("the connection is over")
}

#[test]
fn ours_begin_with_types_and_settings_that_allow_no_dynamic_table() {
    let connection = connection(Role::Server);
    let mut out = Vec::new();
    connection.begin_own(OwnStream::Control, &mut out);
    assert_eq!(out, b"\x00\x04\x09\x01\x00\x06\x80\x00\xf0\x00\x07\x00");
    for (stream, kind) in [(OwnStream::Encoder, 2), (OwnStream::Decoder, 3)] {
        out.clear();
        connection.begin_own(stream, &mut out);
        assert_eq!(out, [kind]);
    }
}

#[test]
fn extended_connect_is_told_by_servers_that_allow_it() {
    let settings = Rc::new(Http3Settings {
        allow_connect: true,
        ..Http3Settings::default()
    });
    let of = |role| {
        let mut out = Vec::new();
        Connection::new(role, Rc::clone(&settings)).begin_own(OwnStream::Control, &mut out);
        out
    };
    assert!(of(Role::Server).ends_with(b"\x08\x01"));
    assert!(of(Role::Client).ends_with(b"\x07\x00"));
}

#[test]
fn the_peers_settings_are_taken_once() {
    let mut server = connection(Role::Client);
    assert!(!server.has_peer_settings());
    let bytes = [&[0][..], &frame(4, b"\x06\x40\x64\x08\x01\x21\x05")].concat();
    let events = feed(&mut server, CONTROL, &bytes, usize::MAX);
    assert_eq!(events, Ok(vec![UniEvent::Settings]));
    assert!(server.has_peer_settings() && server.peer_allows_extended_connect());
    assert_eq!(server.peer_max_headers_bytes(), Some(100));
    let again = refused(&[&control(&[(4, b"")])]);
    assert_eq!(again, "0x105 152:SETTINGS frame can only be received once.");
}

#[test]
fn settings_that_cannot_be_end_the_connection() {
    let rows: [(&[u8], &str); 5] = [
        (
            b"\x06\x01\x06\x02",
            "0x109 158:Duplicate setting identifier.",
        ),
        (
            b"\x02\x00",
            "0x109 169:received HTTP/2 specific setting in HTTP/3 session: 2",
        ),
        (b"\x06", "0x106 132:Unable to read setting value."),
        (b"\x46", "0x106 132:Unable to read setting identifier."),
        (
            b"\x08\x02",
            "0x109 207:Received SETTINGS_ENABLE_CONNECT_PROTOCOL with invalid value 2",
        ),
    ];
    for (payload, expected) in rows {
        assert_eq!(
            refused(&[&[&[0][..], &frame(4, payload)].concat()]),
            expected
        );
    }
}

#[test]
fn frames_of_the_control_stream_are_judged() {
    let rows: [(u64, &[u8], &str); 8] = [
        (
            0,
            b"x",
            "0x105 134:Invalid frame type 0 received on control stream.",
        ),
        (
            1,
            b"x",
            "0x105 134:Invalid frame type 1 received on control stream.",
        ),
        (3, b"\x01", "0x106 132:CANCEL_PUSH frame received."),
        (5, b"\x01", "0x106 132:PUSH_PROMISE frame received."),
        (
            6,
            b"",
            "0x105 171:HTTP/2 frame received in a HTTP/3 connection: 6",
        ),
        (7, b"", "0x106 132:Unable to read GOAWAY ID."),
        (7, b"\0\0", "0x106 132:Superfluous data in GOAWAY frame."),
        (13, b"", "0x106 132:Unable to read MAX_PUSH_ID push_id."),
    ];
    for (kind, payload, expected) in rows {
        assert_eq!(refused(&[&control(&[(kind, payload)])]), expected);
    }
    let skipped: [(u64, &[u8]); 3] = [(13, b"\x05"), (0x21, &[0; 9000]), (0xf0700, b"\0u=1")];
    let events = told(Role::Server, &[&control(&skipped)]);
    assert_eq!(events, Ok(vec![UniEvent::Settings]));
}

#[test]
fn settings_must_come_first() {
    for kind in [7, 0x21] {
        let bytes = [&[0][..], &frame(kind, b"\0")].concat();
        let text = "First frame received on control stream is type";
        let expected = format!("0x10a 157:{text} {kind}, but it must be SETTINGS.");
        assert_eq!(refused(&[&bytes]), expected);
    }
}

#[test]
fn large_frames_end_the_connection_before_they_have_come() {
    let mut bytes = vec![0];
    write_head(&mut bytes, 4, 5000);
    assert_eq!(refused(&[&bytes]), "0x107 131:Frame is too large.");
}

#[test]
fn a_stream_of_a_kind_comes_once() {
    let control = control(&[]);
    let rows: [(&[u8], &str); 3] = [
        (&control, "Control stream"),
        (b"\x02", "QPACK encoder stream"),
        (b"\x03", "QPACK decoder stream"),
    ];
    for (bytes, name) in rows {
        let expected = format!("0x103 153:{name} is received twice.");
        assert_eq!(refused(&[bytes, bytes]), expected);
    }
}

#[test]
fn other_streams_are_stopped_and_pushes_are_a_fault() {
    let events = told(Role::Server, &[b"\x40\x54", &control(&[])]);
    let code = super::ErrorCode::STREAM_CREATION_ERROR;
    assert_eq!(
        events,
        Ok(vec![UniEvent::StopReading(code), UniEvent::Settings])
    );
    assert_eq!(
        refused(&[b"\x01\x00"]),
        "0x101 205:Received server push stream"
    );
}

#[test]
fn streams_without_a_type_have_a_limit() {
    let mut server = connection(Role::Server);
    let open = |server: &mut Connection, at: u64| {
        feed(server, StreamId(2 + 4 * at), b"\xc0", 1).map(|told| told.len())
    };
    for at in 0..super::MAX_NAMELESS as u64 {
        assert_eq!(open(&mut server, at), Ok(0));
    }
    server.uni_reset(CONTROL).expect("of no consequence");
    assert_eq!(open(&mut server, 100), Ok(0));
    let error = open(&mut server, 101).expect_err("too many");
    assert_eq!(error, "0x107 131:Too many streams without a type.");
}

#[test]
fn needed_streams_may_not_be_reset_or_stopped() {
    let mut server = connection(Role::Server);
    feed(&mut server, CONTROL, &control(&[]), usize::MAX).expect("SETTINGS");
    feed(&mut server, SECOND, b"\x02", usize::MAX).expect("a stream");
    for stream in [CONTROL, SECOND] {
        let error = server.uni_reset(stream).expect_err("needed");
        assert_eq!(error.code(), super::ErrorCode::CLOSED_CRITICAL_STREAM);
    }
    server.uni_reset(StreamId(10)).expect("not known");
    server.uni_ended(StreamId(10)).expect("not known");
    let ended = server.uni_ended(CONTROL).expect_err("needed");
    assert_eq!(ended.reason(), "17:Attempt to close a static stream");
    let stopped = server.own_stream_stopped(OwnStream::Control);
    assert_eq!(
        stopped.reason(),
        "156:STOP_SENDING received for send control stream"
    );
}

#[test]
fn the_encoder_may_only_make_its_table_nothing() {
    let text = "Encoder stream error:";
    let rows: [(&[u8], &str); 5] = [
        (
            b"\x02\x41x\x01y",
            "0x201 182:{} Error inserting literal entry.",
        ),
        (
            b"\x02\xc1\x01y",
            "0x201 178:{} Error inserting entry with name reference.",
        ),
        (
            b"\x02\x3f\xe1\x1f",
            "0x201 185:{} Error updating dynamic table capacity.",
        ),
        (b"\x02\x00", "0x201 184:{} Dynamic table entry not found."),
        (
            b"\x02\x3f\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            "0x201 174:{} Encoded integer too large.",
        ),
    ];
    for (bytes, expected) in rows {
        assert_eq!(refused(&[bytes]), expected.replace("{}", text));
    }
    assert_eq!(told(Role::Server, &[b"\x02\x20\x20"]), Ok(Vec::new()));
}

#[test]
fn the_decoder_may_only_give_up_streams() {
    let text = "Decoder stream error:";
    let rows: [(&[u8], &str); 3] = [
        (
            b"\x03\x80",
            "0x202 190:{} Header Acknowledgement received for stream 0 with no outstanding header blocks.",
        ),
        (
            b"\x03\x01",
            "0x202 189:{} Increment value 1 raises known received count to 1 exceeding inserted entry count 0",
        ),
        (b"\x03\x00", "0x202 187:{} Invalid increment value 0."),
    ];
    for (bytes, expected) in rows {
        assert_eq!(refused(&[bytes]), expected.replace("{}", text));
    }
    let given_up = b"\x03\x40\x7f\xff\xff\xff\xff\xff\x0f\x44";
    assert_eq!(told(Role::Server, &[given_up]), Ok(Vec::new()));
}

#[test]
fn a_peer_that_goes_away_is_told_and_may_only_go_further() {
    let mut client = connection(Role::Client);
    let bytes = control(&[(7, b"\x08"), (7, b"\x04")]);
    let events = feed(&mut client, StreamId(3), &bytes, usize::MAX).expect("GOAWAY twice");
    let goes = [8, 4].map(|id| UniEvent::GoAway(StreamId(id)));
    assert_eq!(events[1..], goes);
    assert_eq!(client.peer_goes_away(), Some(StreamId(4)));
    let error = feed(&mut client, StreamId(3), &frame(7, b"\x08"), usize::MAX);
    let text = "GOAWAY received with ID 8 greater than previously received ID 4";
    assert_eq!(error, Err(format!("0x108 167:{text}")));
    let bytes = control(&[(7, b"\x01")]);
    let error = told(Role::Client, &[&bytes]);
    assert_eq!(
        error,
        Err("0x108 166:GOAWAY with invalid stream ID".to_owned())
    );
}

#[test]
fn after_a_go_away_later_requests_are_refused() {
    let mut server = connection(Role::Server);
    let mut out = Vec::new();
    server.send_shutdown_notice(&mut out);
    assert_eq!(out, b"\x07\x08\xc0\x00\x00\x00\xff\xff\xff\xfc");
    assert!(server.begin_request(StreamId(4)));
    assert!(server.begin_request(StreamId(0)));
    out.clear();
    server.send_go_away(&mut out);
    assert_eq!(out, b"\x07\x01\x08");
    assert!(server.begin_request(StreamId(4)));
    assert!(!server.begin_request(StreamId(8)));
}
