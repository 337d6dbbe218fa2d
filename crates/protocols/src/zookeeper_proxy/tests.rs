//! Packets in pieces, and what is no packet.

use std::time::{Duration, Instant};

use super::answers;
use super::framing::Framing;
use super::opcode::Op;
use super::outstanding::Outstanding;
use super::reader::{Reader, Unreadable};
use super::requests::{self, About, Bad, Said};

const MOST: usize = 300;

/// A packet: its length, then numbers and texts.
fn packet(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

fn int(number: i32) -> [u8; 4] {
    number.to_be_bytes()
}

fn text(text: &str) -> Vec<u8> {
    packet(&[text.as_bytes()])
}

fn get_data(xid: i32, path: &str) -> Vec<u8> {
    packet(&[&int(xid), &int(4), &text(path), &[1]])
}

fn read(data: &[u8]) -> (Result<requests::Request, Bad>, Vec<String>) {
    let mut said = Vec::new();
    let mut reader = Reader::new(data, MOST);
    let read = requests::read(&mut reader, MOST, &mut |it: Said<'_>| {
        said.push(format!("{it:?}"));
    });
    (read, said)
}

#[test]
fn a_packet_may_come_in_pieces_of_four_bytes_and_more() {
    let bytes = get_data(1, "/a");
    let mut framing = Framing::default();
    assert_eq!(framing.push(&bytes[..4], 8, MOST), Ok(None));
    assert_eq!(framing.push(&bytes[4..5], 8, MOST), Ok(None));
    let whole = framing.push(&bytes[5..], 8, MOST).unwrap().unwrap();
    assert_eq!(whole.data, bytes);
    assert_eq!(whole.whole_bytes, bytes.len());
}

#[test]
fn the_rest_behind_whole_packets_is_kept() {
    let bytes = [get_data(1, "/a"), get_data(2, "/b")].concat();
    let (first, second) = bytes.split_at(25);
    let mut framing = Framing::default();
    let whole = framing.push(first, 8, MOST).unwrap().unwrap();
    assert_eq!((whole.data.len(), whole.whole_bytes), (25, 19));
    framing.keep_rest(&whole);
    let whole = framing.push(second, 8, MOST).unwrap().unwrap();
    assert_eq!(whole.data, get_data(2, "/b"));
}

#[test]
fn lengths_that_cannot_be_are_errors_and_all_is_forgotten() {
    for bad in [
        &[0, 0, 0][..],
        &int(7),
        &int(-1),
        &int(301),
        &[get_data(1, "/a"), vec![0]].concat(),
    ] {
        let mut framing = Framing::default();
        assert_eq!(framing.push(bad, 8, MOST), Err(()), "{bad:?}");
        let next = get_data(2, "/b");
        let whole = framing.push(&next, 8, MOST).unwrap().unwrap();
        assert_eq!(whole.data, next);
    }
}

#[test]
fn a_request_is_told_with_what_it_is_about() {
    let (request, said) = read(&get_data(7, "/a"));
    let request = request.unwrap();
    assert_eq!(
        (request.op, request.xid, request.bytes),
        (Some(Op::GetData), 7, 19)
    );
    let about = About {
        path: Some(b"/a"),
        watch: Some(true),
        ..About::default()
    };
    assert_eq!(said, [format!("{:?}", Said::Op(Op::GetData, about))]);
}

#[test]
fn requests_that_end_early_are_errors_of_their_kind() {
    let delete = packet(&[&int(1), &int(2), &text("/a"), &[0, 0, 0]]);
    assert_eq!(read(&delete).0, Err(Bad(Some(Op::Delete))));
    let too_small = packet(&[&int(1), &int(2), &[0; 7]]);
    assert_eq!(read(&too_small).0, Err(Bad(Some(Op::Delete))));
    let connect = packet(&[&int(0), &[0; 20]]);
    assert_eq!(read(&connect).0, Err(Bad(None)));
    let part = [&int(3)[..], &[0], &int(-1), &text("/a")].concat();
    let multi = packet(&[&int(1), &int(14), &part]);
    assert_eq!(read(&multi).0, Err(Bad(None)));
}

#[test]
fn all_of_a_packet_counts_for_its_limit_skipped_or_not() {
    let set = |value: usize| {
        let value = "v".repeat(value);
        packet(&[&int(1), &int(5), &text("/s"), &text(&value), &int(7)])
    };
    assert!(read(&set(274)).0.is_ok());
    assert_eq!(read(&set(275)).0, Err(Bad(Some(Op::SetData))));
}

#[test]
fn what_is_skipped_need_not_be_there() {
    let connect = packet(&[&int(0), &[0; 20], &int(1000)]);
    assert_eq!(read(&connect).0.unwrap().bytes, 1032);
}

#[test]
fn answers_find_their_requests() {
    let begun = Instant::now();
    let mut outstanding = Outstanding::default();
    outstanding.add(1, Op::GetData, begun);
    outstanding.add(1, Op::Exists, begun);
    outstanding.add(-2, Op::Ping, begun);
    outstanding.add(-2, Op::Ping, begun + Duration::from_secs(1));
    let mut answer = |xid: i32| {
        let bytes = packet(&[&int(xid), &[0; 8], &int(-101), b"rest"]);
        let mut reader = Reader::new(&bytes, MOST);
        let answer = answers::read(&mut reader, MOST, &mut outstanding)?;
        Ok((answer.asked, answer.bytes))
    };
    assert_eq!(answer(1), Ok((Some((Op::Exists, begun)), 24)));
    assert_eq!(answer(1), Err(Unreadable));
    // What is behind answers to these is not read with them.
    assert_eq!(answer(-2), Ok((Some((Op::Ping, begun)), 20)));
    let later = begun + Duration::from_secs(1);
    assert_eq!(answer(-2), Ok((Some((Op::Ping, later)), 20)));
    assert_eq!(answer(-2), Err(Unreadable));
}
