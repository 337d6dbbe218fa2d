//! Windows in both directions: nobody sends more than allowed, and everybody gets a turn.

mod http2_support;

use http2_support::*;
use nuncio_codec::http2::*;
use nuncio_contract::headers::MapKind;

/// A server with streams whose requests are complete and whose responses have begun.
fn answering(streams: u32, peer_window: u32) -> (Side, Vec<StreamId>) {
    let mut side = Side::server(Http2Settings::default());
    side.feed(&setting(4, peer_window));
    let mut ids = Vec::new();
    for number in 0..streams {
        side.feed(&request(2 * number + 1));
        ids = side.connection.open_stream_ids().collect();
    }
    let head = map(MapKind::Response, &[(":status", "200")]);
    for id in &ids {
        side.connection.send_head(*id, &head, false, &mut side.out);
    }
    side.forget();
    (side, ids)
}

fn send(side: &mut Side, stream: StreamId, bytes: usize) -> usize {
    side.connection
        .send_data(stream, &vec![b'x'; bytes], false, &mut side.out)
}

fn ready(side: &mut Side) -> Vec<u32> {
    std::iter::from_fn(|| side.connection.next_ready().map(StreamId::get)).collect()
}

#[test]
fn a_body_is_cut_into_frames_that_the_peer_takes() {
    let (mut side, ids) = answering(1, 1 << 20);
    assert_eq!(send(&mut side, ids[0], 40_000), 40_000);
    assert_eq!(
        side.said(),
        [
            "DATA 1: 16384 bytes",
            "DATA 1: 16384 bytes",
            "DATA 1: 7232 bytes"
        ]
    );
    side.feed(&setting(5, 20_000));
    side.forget();
    assert_eq!(send(&mut side, ids[0], 25_000), 25_000);
    assert_eq!(side.said(), ["DATA 1: 20000 bytes", "DATA 1: 5000 bytes"]);
}

#[test]
fn nothing_is_sent_beyond_the_window_of_the_stream_or_the_connection() {
    let (mut side, ids) = answering(2, 50_000);
    assert_eq!(side.connection.capacity(ids[0]), 50_000);
    assert_eq!(send(&mut side, ids[0], 60_000), 50_000, "the stream's");
    assert_eq!(send(&mut side, ids[0], 1), 0);
    assert_eq!(side.connection.capacity(ids[1]), 65_535 - 50_000);
    assert_eq!(send(&mut side, ids[1], 60_000), 15_535, "the connection's");
    side.feed(&window_update(0, 10));
    assert_eq!(side.connection.capacity(ids[0]), 0);
    assert_eq!(side.connection.capacity(ids[1]), 10);
}

#[test]
fn a_window_beyond_the_highest_ends_the_stream_alone() {
    let (mut side, ids) = answering(2, 65_535);
    side.feed(&window_update(1, 0x7fff_ffff - 65_535));
    assert!(side.out.is_empty(), "{:?}", side.said());
    side.feed(&window_update(1, 1));
    assert_eq!(side.said(), ["RST_STREAM 1: FLOW_CONTROL_ERROR"]);
    assert_eq!(side.failed, None);
    assert_eq!(side.connection.capacity(ids[0]), 0);
    assert_eq!(side.connection.capacity(ids[1]), 65_535);
}

#[test]
fn an_end_needs_no_window() {
    let (mut side, ids) = answering(1, 0);
    assert_eq!(send(&mut side, ids[0], 1), 0);
    assert!(side.out.is_empty());
    side.connection.send_data(ids[0], &[], true, &mut side.out);
    assert_eq!(side.said(), ["DATA 1 end: 0 bytes"]);
}

#[test]
fn the_end_goes_with_the_last_byte_only() {
    let (mut side, ids) = answering(1, 3);
    let sent = side
        .connection
        .send_data(ids[0], b"12345", true, &mut side.out);
    assert_eq!(sent, 3);
    side.feed(&window_update(1, 10));
    side.connection
        .send_data(ids[0], b"45", true, &mut side.out);
    assert_eq!(side.said(), ["DATA 1: 3 bytes", "DATA 1 end: 2 bytes"]);
}

#[test]
fn streams_take_turns_for_the_window_of_the_connection() {
    let (mut side, ids) = answering(4, 1 << 20);
    assert_eq!(send(&mut side, ids[0], 70_000), 65_535);
    for id in &ids {
        side.connection.wait_for_window(*id);
    }
    side.connection.wait_for_window(ids[0]);
    assert_eq!(ready(&mut side), [] as [u32; 0]);
    let mut order = Vec::new();
    for _ in 0..6 {
        side.feed(&window_update(0, 100));
        let next = side.connection.next_ready().expect("there is window");
        order.push(next.get());
        send(&mut side, next, 1000);
        side.connection.wait_for_window(next);
        assert_eq!(side.connection.next_ready(), None, "it is used up");
        side.forget();
    }
    assert_eq!(order, [1, 3, 5, 7, 1, 3]);
}

#[test]
fn a_stream_without_window_of_its_own_does_not_hold_up_the_others() {
    let (mut side, ids) = answering(3, 10);
    send(&mut side, ids[0], 10);
    send(&mut side, ids[1], 10);
    for id in &ids {
        side.connection.wait_for_window(*id);
    }
    assert_eq!(ready(&mut side), [5]);
    side.told.clear();
    side.feed(&window_update(3, 1));
    assert_eq!(side.told, ["WindowOpened"]);
    assert_eq!(ready(&mut side), [3]);
    side.feed(&window_update(5, 1));
    assert_eq!(side.told, ["WindowOpened"], "nobody waits on 5");
}

#[test]
fn settings_move_the_windows_of_all_streams() {
    let (mut side, ids) = answering(3, 100);
    for id in &ids {
        send(&mut side, *id, 100);
        side.connection.wait_for_window(*id);
    }
    side.feed(&setting(4, 40));
    side.feed(&window_update(1, 30));
    assert_eq!(
        side.connection.capacity(ids[0]),
        0,
        "it is 30 below nothing"
    );
    assert_eq!(ready(&mut side), [] as [u32; 0]);
    side.feed(&setting(4, 101));
    assert_eq!(ready(&mut side), [1, 3, 5]);
    assert_eq!(side.connection.capacity(ids[0]), 31);
    assert_eq!(side.connection.capacity(ids[1]), 1);
}

#[test]
fn a_window_that_shrinks_while_a_stream_waits_makes_it_wait_on() {
    let (mut side, ids) = answering(1, 100);
    side.connection.wait_for_window(ids[0]);
    side.feed(&setting(4, 0));
    assert_eq!(ready(&mut side), [] as [u32; 0]);
    side.feed(&window_update(1, 1));
    assert_eq!(ready(&mut side), [1]);
}

#[test]
fn streams_that_end_while_they_wait_are_never_told() {
    let (mut side, ids) = answering(500, 1000);
    for id in &ids {
        side.connection.wait_for_window(*id);
    }
    for id in &ids[..499] {
        side.feed(&reset(id.get(), 8));
    }
    assert_eq!(ready(&mut side), [999]);
}

#[test]
fn windows_that_grow_too_large_are_refused() {
    const LARGEST: u32 = (1 << 31) - 1;
    for (bytes, why) in [
        (window_update(0, LARGEST), "the connection's"),
        (
            [window_update(1, LARGEST - 65_535), setting(4, 65_536)].concat(),
            "a stream's by SETTINGS",
        ),
        (setting(4, LARGEST + 1), "the initial one"),
        (window_update(0, 0), "by nothing"),
        (window_update(1, 0), "by nothing on a stream"),
    ] {
        let (mut side, _) = answering(1, 65_535);
        side.feed(&bytes);
        assert!(side.failed.is_some(), "{why}");
    }
    let (mut side, ids) = answering(1, 65_535);
    side.feed(&window_update(1, LARGEST - 65_535));
    side.feed(&reset(1, 8));
    side.feed(&setting(4, LARGEST));
    assert_eq!(side.failed, None, "the stream is over");
    assert_eq!(side.connection.capacity(ids[0]), 0);
}

fn receiving(window: u32) -> Side {
    let mut side = Side::server(Http2Settings {
        initial_stream_window_size: window,
        initial_connection_window_size: 2 * window,
        ..Http2Settings::default()
    });
    side.uses_data = false;
    side.feed(&[upload(1), upload(3), upload(5)].concat());
    side
}

fn fill(side: &mut Side, stream: u32, bytes: usize) {
    for piece in vec![0; bytes].chunks(16_384) {
        side.feed(&frame(DATA, 0, stream, piece));
    }
}

fn stream(side: &Side, number: u32) -> StreamId {
    let mut ids = side.connection.open_stream_ids();
    ids.find(|id| id.get() == number).expect("it is open")
}

#[test]
fn window_is_given_back_for_what_was_used_from_half_of_it_on() {
    let mut side = receiving(65_536);
    let one = stream(&side, 1);
    fill(&mut side, 1, 65_536);
    assert!(side.out.is_empty(), "nothing was used");
    side.connection.consumed(one, 32_767, &mut side.out);
    assert!(side.out.is_empty());
    side.connection.consumed(one, 1, &mut side.out);
    assert_eq!(side.said(), ["WINDOW_UPDATE 1: 32768"]);
    side.connection.consumed(one, usize::MAX, &mut side.out);
    assert_eq!(
        side.said()[1..],
        ["WINDOW_UPDATE 1: 32768", "WINDOW_UPDATE 0: 65536"]
    );
}

#[test]
fn a_peer_that_sends_beyond_a_streams_window_loses_the_stream() {
    let mut side = receiving(65_536);
    fill(&mut side, 1, 65_536);
    side.feed(&frame(DATA, 0, 1, b"x"));
    assert_eq!(
        side.told[3 + 4..],
        ["Error 1 known=true: FLOW_CONTROL_ERROR"]
    );
    assert_eq!(side.failed, None);
}

#[test]
fn a_peer_that_sends_beyond_the_connections_window_loses_the_connection() {
    let mut side = receiving(65_536);
    fill(&mut side, 1, 65_536);
    fill(&mut side, 3, 65_536);
    side.feed(&frame(DATA, 0, 5, b"x"));
    assert_eq!(side.said(), ["GOAWAY 5: FLOW_CONTROL_ERROR \"\""]);
}

#[test]
fn what_a_stream_held_when_it_ended_goes_back_to_the_connection() {
    let mut side = receiving(65_536);
    fill(&mut side, 1, 65_536);
    side.feed(&reset(1, 8));
    assert_eq!(side.said(), ["WINDOW_UPDATE 0: 65536"]);
}

#[test]
fn padding_counts_and_is_given_back_by_itself() {
    let mut side = receiving(65_536);
    let mut payload = vec![255, b'x'];
    payload.extend([0; 255]);
    for _ in 0..1000 {
        side.feed(&frame(DATA, PADDED, 1, &payload));
    }
    assert_eq!(side.failed, None);
    assert!(
        side.said()
            .iter()
            .any(|said| said.starts_with("WINDOW_UPDATE 1"))
    );
    assert_eq!(side.body.len(), 1000);
}

#[test]
fn a_stream_whose_end_has_come_gets_no_window_any_more() {
    let mut side = receiving(65_536);
    let one = stream(&side, 1);
    fill(&mut side, 1, 40_000);
    side.feed(&frame(DATA, END_STREAM, 1, b"end"));
    side.connection.consumed(one, 40_003, &mut side.out);
    assert!(side.out.is_empty(), "{:?}", side.said());
}
