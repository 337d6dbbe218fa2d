//! Messages in pieces, documents, and what queries ask for.

use super::bson::{Reader, Unreadable};
use super::framing::Framing;
use super::message::{self, Message};
use super::query::{Asked, Kind, Wanted, asked};

const DEPTH: usize = 3;

fn int(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

/// A document of fields: kind, name, value.
fn document(fields: &[(u8, &str, &[u8])]) -> Vec<u8> {
    let fields = fields.iter();
    let fields =
        fields.map(|(kind, name, value)| [&[*kind], name.as_bytes(), &[0], *value].concat());
    let content = fields.collect::<Vec<_>>().concat();
    [&int(content.len() + 5)[..], &content, &[0]].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&int(text.len() + 1)[..], text.as_bytes(), &[0]].concat()
}

fn query_bytes(collection: &str, query: &[u8]) -> Vec<u8> {
    let body = [
        &int(0)[..],
        collection.as_bytes(),
        &[0],
        &int(0),
        &int(1),
        query,
    ]
    .concat();
    [
        &int(16 + body.len())[..],
        &int(7),
        &int(0),
        &int(2004),
        &body,
    ]
    .concat()
}

fn asked_by(collection: &str, query: &[u8]) -> Result<Asked, Unreadable> {
    match message::read(&query_bytes(collection, query), DEPTH)?.0 {
        Message::Query(query) => asked(&query),
        other => panic!("{other:?}"),
    }
}

fn wanted(collection: &str, kind: Kind) -> Asked {
    Asked::Documents(Wanted {
        collection: collection.to_owned(),
        caller: None,
        kind,
        has_no_max_time: true,
    })
}

#[test]
fn messages_come_in_pieces_and_several_at_once() {
    let bytes = query_bytes("a.b", &document(&[]));
    let mut framing = Framing::default();
    framing.push(&bytes[..3]);
    assert_eq!(framing.next(), None);
    framing.push(&bytes[3..]);
    framing.push(&bytes);
    framing.push(&bytes[..20]);
    assert_eq!(framing.next(), Some(&*bytes));
    assert_eq!(framing.next(), Some(&*bytes));
    assert_eq!(framing.next(), None);
    framing.push(&bytes[20..]);
    assert_eq!(framing.next(), Some(&*bytes));
}

#[test]
fn what_is_behind_a_message_within_its_length_is_read_again() {
    let bytes = query_bytes("a.b", &[document(&[]), document(&[]), vec![1; 7]].concat());
    assert_eq!(message::read(&bytes, DEPTH).map(|(_, rest)| rest), Ok(7));
    let mut framing = Framing::default();
    framing.push(&bytes);
    assert_eq!(framing.next(), Some(&*bytes));
    framing.give_back(7);
    framing.push(&[0; 20]);
    assert_eq!(framing.next(), None, "the length is 0x01010101");
}

#[test]
fn lengths_that_cannot_be_are_never_whole() {
    for length in [0, 15, 48_000_001, u32::MAX] {
        let mut framing = Framing::default();
        framing.push(&length.to_le_bytes());
        assert_eq!(framing.next(), None, "{length}");
        framing.push(&query_bytes("a.b", &document(&[])));
        assert_eq!(framing.next(), None, "{length}");
    }
}

#[test]
fn documents_are_as_long_as_they_say_and_not_too_deep() {
    let read = |bytes: &[u8]| Reader::new(bytes, DEPTH).document().map(|it| it.bytes);
    assert_eq!(read(&document(&[])), Ok(5));
    for bad in [
        &[4, 0, 0, 0][..],
        &[6, 0, 0, 0, 0, 0],
        &[5, 0, 0, 0, 1],
        &[255, 255, 255, 255],
        &[20, 0, 0, 0, 0],
    ] {
        assert_eq!(read(bad), Err(Unreadable), "{bad:?}");
    }
    let mut nested = document(&[]);
    for _ in 0..DEPTH {
        nested = document(&[(3, "a", &nested)]);
    }
    assert_eq!(read(&nested), Ok(nested.len()));
    nested = document(&[(4, "a", &nested)]);
    assert_eq!(read(&nested), Err(Unreadable));
}

#[test]
fn kinds_of_values_that_envoy_does_not_know_are_unreadable() {
    let bytes = [0; 16];
    for kind in 0..=255_u8 {
        let bytes = document(&[(kind, "a", &bytes)]);
        let mut reader = Reader::new(&bytes, DEPTH);
        let is_known = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 14, 16, 17, 18].contains(&kind);
        if !is_known && kind != 0 {
            assert_eq!(reader.document(), Err(Unreadable), "{kind}");
        }
    }
}

#[test]
fn queries_are_told_apart_by_what_they_say_of_ids() {
    let one = document(&[(16, "_id", &int(1))]);
    assert_eq!(asked_by("db.a.b", &one), Ok(wanted("a.b", Kind::OfId)));
    let many = document(&[(4, "_id", &document(&[]))]);
    assert_eq!(asked_by("db.a", &many), Ok(wanted("a", Kind::MultiGet)));
    let inner = document(&[(3, "$query", &one)]);
    assert_eq!(asked_by("db.a", &inner), Ok(wanted("a", Kind::OfId)));
    let all = document(&[]);
    assert_eq!(asked_by("db.a", &all), Ok(wanted("a", Kind::ScatterGet)));
    assert_eq!(asked_by("a", &all), Err(Unreadable));
}

#[test]
fn commands_are_named_by_their_first_field_and_finding_is_a_query() {
    let insert = document(&[(2, "insert", &text("c"))]);
    assert_eq!(
        asked_by("db.$cmd", &insert),
        Ok(Asked::Command("insert".into()))
    );
    let inner = document(&[(3, "$query", &insert)]);
    assert_eq!(
        asked_by("db.$cmd", &inner),
        Ok(Asked::Command("insert".into()))
    );
    assert_eq!(asked_by("db.$cmd", &document(&[])), Err(Unreadable));
    let comment = text("{\"callingFunction\": \"f\"}");
    let find = document(&[(2, "find", &text("c")), (2, "comment", &comment)]);
    let Ok(Asked::Documents(wanted)) = asked_by("db.$cmd", &find) else {
        panic!("finding is a query");
    };
    assert_eq!(
        (&*wanted.collection, wanted.caller.as_deref()),
        ("c", Some("f"))
    );
    let find = document(&[(16, "find", &int(1))]);
    assert_eq!(asked_by("db.$cmd", &find), Err(Unreadable));
}
