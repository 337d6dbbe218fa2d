//! The grammar, and the filter on streams.

use nuncio_contract::http_filter::HeadersStatus;

use super::{ROOM, parser};
use crate::tests::harness::{Worker, refusal};

#[test]
fn ids_are_counted_where_they_are_whole() {
    for (header, count) in [
        ("", 0),
        (" , ,\t,", 0),
        ("cdn", 1),
        ("cdn,cdn", 2),
        ("cdn ;a=b;c=\"d, cdn\\\"\" , cdn", 2),
        ("cdn:80, cdn:", 0),
        ("cdnx, CDN, [::1]:1, x;cdn=cdn", 0),
        ("cdn,", 1),
    ] {
        assert_eq!(
            parser::count(header.as_bytes(), b"cdn"),
            Some(count),
            "{header}"
        );
    }
}

#[test]
fn what_is_no_list_is_told_apart() {
    for header in [
        "cdn x",
        "[::1",
        "[g]",
        ";a=b",
        "a;b",
        "a;b=",
        "a;b=\"c",
        "a;b=\"\\",
        "a;b=\"\\\n\"",
        "a;=b",
        "\"a\"",
        "a;b=\"c\"d",
        "a ; b =c",
    ] {
        assert_eq!(parser::count(header.as_bytes(), b"cdn"), None, "{header}");
    }
}

#[test]
fn one_has_been_here_too_often() {
    let worker = Worker::new(&ROOM, "{cdn_id: cdn, max_allowed_occurrences: 1}");
    let mut stream = worker.stream().with("cdn-loop", "other, cdn");
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(stream.header("cdn-loop"), "other, cdn,cdn");
    let mut stream = worker.stream().with("cdn-loop", "cdn,other,cdn");
    let HeadersStatus::Reply(reply) = stream.decode_headers(true) else {
        panic!("no answer");
    };
    assert_eq!((reply.status, &*reply.details), (502, "cdn_loop_detected"));
}

#[test]
fn an_id_must_be_one() {
    assert!(refusal(&ROOM, "{cdn_id: 'a b'}").ends_with("is not a valid CDN identifier: "));
    assert!(refusal(&ROOM, "{cdn_id: '[a'}").contains("at position 2 found end-of-input"));
    assert!(refusal(&ROOM, "{cdn_id: ' a'}").ends_with("starting at position 0; found ' '"));
}
