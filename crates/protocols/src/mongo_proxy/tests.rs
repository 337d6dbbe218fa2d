//! Messages in pieces, documents, and what queries ask for.

use super::bson::{Reader, Unreadable};
use super::framing::{Framing, MAX_BYTES};
use super::message::{self, Message};
use super::query::{Asked, Kind, Wanted, asked};

const DEPTH: usize = 3;

fn int(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

/// A document of fields: kind, name, value.
pub(super) fn document(fields: &[(u8, &str, &[u8])]) -> Vec<u8> {
    let fields = fields.iter();
    let fields =
        fields.map(|(kind, name, value)| [&[*kind], name.as_bytes(), &[0], *value].concat());
    let content = fields.collect::<Vec<_>>().concat();
    [&int(content.len() + 5)[..], &content, &[0]].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&int(text.len() + 1)[..], text.as_bytes(), &[0]].concat()
}

pub(super) fn query_bytes(collection: &str, query: &[u8]) -> Vec<u8> {
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
    let longest = u32::try_from(MAX_BYTES).unwrap();
    for length in [0, 15, longest + 1, u32::MAX] {
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
    let (symbol, inner) = (text("ab"), document(&[]));
    let values: [(u8, &[u8]); 14] = [
        (1, &[0; 8]),
        (2, &symbol),
        (3, &inner),
        (4, &inner),
        (5, &[3, 0, 0, 0, 0, 1, 2, 3]),
        (7, &[0; 12]),
        (8, &[1]),
        (9, &[0; 8]),
        (10, &[]),
        (11, b"a*\0i\0"),
        (14, &symbol),
        (16, &[0; 4]),
        (17, &[0; 8]),
        (18, &[0; 8]),
    ];
    let is_read = |kind: u8, value: &[u8]| {
        let bytes = document(&[(kind, "a", value)]);
        let read = Reader::new(&bytes, DEPTH).document();
        let skipped = Reader::new(&bytes, DEPTH).skip_document();
        assert_eq!(read.is_ok(), skipped.is_ok(), "{kind}");
        read.is_ok()
    };
    for (kind, value) in values {
        assert!(is_read(kind, value), "{kind}");
        let longer = [value, &[1]].concat();
        assert!(!is_read(kind, &longer), "{kind} is of its length");
    }
    for kind in (1..=255).filter(|kind| values.iter().all(|(known, _)| known != kind)) {
        // Whatever their length might be.
        for length in 0..24 {
            assert!(!is_read(kind, &vec![0; length]), "{kind} of {length}");
        }
        for (_, value) in values {
            assert!(!is_read(kind, value), "{kind}");
        }
    }
}

#[test]
fn of_documents_that_matter_a_limited_number_of_fields_is_kept() {
    let fields = |count: usize| document(&vec![(10, "", &[][..]); count]);
    let kept = |bytes: &[u8]| {
        let read = Reader::new(bytes, DEPTH).document();
        read.map(|document| document.fields.len())
    };
    assert_eq!(kept(&fields(1000)), Ok(1000));
    assert_eq!(kept(&fields(1001)), Err(Unreadable));
    let inner = fields(600);
    let twice = document(&[(3, "a", &inner), (3, "b", &inner)]);
    assert_eq!(kept(&twice), Err(Unreadable), "in all");
    let skipped = fields(1001);
    let in_array = document(&[(4, "a", &skipped), (4, "b", &skipped)]);
    assert_eq!(kept(&in_array), Ok(2), "nobody looks into arrays");
    let mut reader = Reader::new(&skipped, DEPTH);
    assert_eq!(reader.skip_document(), Ok(skipped.len()));
}

#[test]
fn fields_are_kept_as_deep_as_anybody_looks() {
    let id = document(&[(16, "_id", &int(1))]);
    let find = document(&[(2, "find", &text("c")), (3, "filter", &id)]);
    let deep = document(&[(3, "$query", &find)]);
    assert_eq!(asked_by("db.$cmd", &deep), Ok(wanted("c", Kind::OfId)));
    let deeper = document(&[(3, "a", &document(&[(3, "b", &document(&[(3, "c", &id)]))]))]);
    let document = Reader::new(&deeper, DEPTH).document().unwrap();
    let inner = document.document("a").and_then(|it| it.document("b"));
    let innermost = inner.and_then(|it| it.document("c")).unwrap();
    assert_eq!((innermost.fields.len(), innermost.bytes), (0, id.len()));
}

#[test]
fn long_comments_name_no_caller() {
    let caller = |spaces: usize| {
        let comment = format!("{{\"callingFunction\": \"f\"}}{}", " ".repeat(spaces));
        let query = document(&[(2, "$comment", &text(&comment))]);
        match asked_by("db.a", &query) {
            Ok(Asked::Documents(wanted)) => wanted.caller,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(caller(4000).as_deref(), Some("f"));
    assert_eq!(caller(4096), None);
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
