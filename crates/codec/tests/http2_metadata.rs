//! METADATA: what of it is told, where it ends the connection, and how it is sent.

mod http2_support;

use http2_support::*;
use nuncio_codec::http2::*;

const METADATA: u8 = 0x4d;

fn server(max_bytes: usize) -> Side {
    let mut side = Side::server(Http2Settings {
        allow_metadata: true,
        max_metadata_bytes: max_bytes,
        ..Http2Settings::default()
    });
    side.feed(&upload(1));
    side.forget();
    side
}

fn told(side: &mut Side) -> Option<Metadata> {
    side.connection.take_metadata()
}

fn pair(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.into(), value.into())
}

#[test]
fn a_block_of_several_frames_is_told_once_at_its_end_and_each_name_once() {
    let mut side = server(1000);
    side.feed(&frame(METADATA, 0, 1, b"\0\x03key\x01"));
    assert!(side.told.is_empty());
    side.feed(&frame(
        METADATA,
        END_HEADERS,
        1,
        b"a\0\x03key\x01b\0\x01k\x01v",
    ));
    assert_eq!(side.told, ["Metadata { stream: StreamId(1) }"]);
    assert_eq!(
        told(&mut side),
        Some(vec![pair("key", "a"), pair("k", "v")])
    );
    assert_eq!(told(&mut side), None);
}

#[test]
fn the_table_of_a_block_is_not_there_for_the_next() {
    let mut side = server(1000);
    side.feed(&frame(METADATA, END_HEADERS, 1, b"\x40\x03key\x01a"));
    assert_eq!(told(&mut side), Some(vec![pair("key", "a")]));
    side.feed(&frame(METADATA, END_HEADERS, 1, b"\xbe"));
    assert_eq!(
        side.told.last().map(String::as_str),
        Some("failed: METADATA cannot be decoded")
    );
    assert!(side.said().is_empty(), "no GOAWAY");
}

#[test]
fn a_block_that_is_cut_short_ends_the_connection() {
    let mut side = server(1000);
    side.feed(&frame(METADATA, END_HEADERS, 1, b"\0\x03key\x05val"));
    assert!(matches!(side.failed, Some(ConnectionError::Metadata(_))));
}

#[test]
fn the_limit_is_for_all_of_a_stream_and_for_each_stream() {
    let block = b"\0\x03key\x05value";
    let mut side = server(2 * block.len());
    for _ in 0..2 {
        side.feed(&frame(METADATA, END_HEADERS, 1, block));
    }
    side.feed(&upload(3));
    side.feed(&frame(METADATA, END_HEADERS, 3, block));
    assert!(side.failed.is_none());
    side.feed(&frame(METADATA, 0, 1, b"x"));
    assert!(matches!(side.failed, Some(ConnectionError::Metadata(_))));
}

#[test]
fn a_block_does_not_become_much_larger_than_the_limit() {
    // One literal for the table, and then the same again and again, a byte each.
    let literal = [&b"\x40\x01k\x64"[..], &[b'v'; 100]].concat();
    let few = [&literal[..], &[0xbe; 4]].concat();
    let many = [&literal[..], &[0xbe; 50]].concat();
    let mut side = server(200);
    side.feed(&frame(METADATA, END_HEADERS, 1, &few));
    assert!(side.failed.is_none());
    let mut side = server(200);
    side.feed(&frame(METADATA, END_HEADERS, 1, &many));
    assert!(matches!(side.failed, Some(ConnectionError::Metadata(_))));
}

#[test]
fn what_belongs_to_no_open_stream_is_skipped_and_an_empty_block_is_counted() {
    let mut side = server(1000);
    side.feed(&frame(METADATA, END_HEADERS, 0, b"\xff"));
    side.feed(&frame(METADATA, END_HEADERS, 7, b"\xff"));
    side.feed(&frame(METADATA, END_HEADERS, 1, b""));
    side.feed(&frame(DATA, END_STREAM, 1, b""));
    side.feed(&frame(METADATA, END_HEADERS, 1, b"\xff"));
    assert_eq!(side.told, ["Data 1 end: 0 bytes"]);
    let counts = side.connection.take_counts();
    assert_eq!(counts.map(|counts| counts.metadata_empty_frames), Some(1));
}

/// The one stream that is open.
fn stream(side: &Side) -> StreamId {
    let mut open = side.connection.open_stream_ids();
    open.next().expect("it is open")
}

#[test]
fn it_is_skipped_where_it_is_not_allowed() {
    let mut side = Side::server(Http2Settings::default());
    side.feed(&upload(1));
    side.forget();
    side.feed(&frame(METADATA, END_HEADERS, 1, b"\xff"));
    assert!(side.told.is_empty() && side.failed.is_none());
    let one = stream(&side);
    let some = vec![pair("k", "v")];
    side.connection.send_metadata(one, &some, &mut side.out);
    assert!(side.out.is_empty());
}

#[test]
fn it_is_sent_in_frames_and_on_streams_that_are_open_alone() {
    let mut side = server(1000);
    let one = stream(&side);
    let some = vec![pair("k", "v"), pair("long", &"\0".repeat(16_384))];
    side.connection.send_metadata(one, &some, &mut side.out);
    assert_eq!(side.said(), ["frame 77 1", "frame 77 1"]);
    assert_eq!(side.out[4], 0);
    assert_eq!(side.out[9..14], *b"\0\x01k\x01v");
    assert_eq!(side.out[9 + 16_384 + 4], END_HEADERS);
    side.out.clear();
    side.connection.send_data(one, b"", true, &mut side.out);
    side.connection.send_metadata(one, &some, &mut side.out);
    assert_eq!(side.said(), ["DATA 1 end: 0 bytes"]);
}
