//! What a peer can drive: paths of fields, what is held, types of answers, frames in any pieces.

use std::collections::HashSet;

use nuncio_config::typed::Ctx;
use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::DataStatus;

use super::ROOM;
use super::call::Kind;
use super::config::{MESSAGE, Settings, compile};
use super::methods::{Place, steps};
use super::request::query;
use super::response::Download;
use crate::tests::harness::{Worker, errors, parse};

fn yaml(more: &str) -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/differential/descriptors/library.pb"
    );
    format!("{{proto_descriptor: '{path}', services: [library.Library]{more}}}")
}

fn settings(more: &str) -> Settings {
    let mut ctx = Ctx::default();
    let any = parse(MESSAGE, &yaml(more), &mut ctx);
    let settings = any.and_then(|any| compile(&any, &mut ctx));
    settings.unwrap_or_else(|_| panic!("{}", errors(&ctx)))
}

#[test]
fn paths_of_fields_have_an_end() {
    let settings = settings("");
    let (entry, _) = settings.methods.find("POST", b"/v1/all").expect("a method");
    let mut names = vec!["value"];
    let around = ["struct_value", "fields", "value"];
    names.extend(around.iter().cycle().take(99));
    let first = |count| {
        steps(
            &settings.pool,
            entry.input,
            names.iter().copied().take(count),
        )
    };
    assert_eq!(first(64).map(|steps| steps.len()), Ok(64));
    assert!(first(65).is_err());
    let text = format!("{}=x", names.join("."));
    let words = query(&settings, entry, text.as_bytes()).err();
    let expected = "The path of a field has more than 64 names.";
    assert_eq!(words.as_deref(), Some(expected));
}

#[test]
fn a_tree_that_is_collected_is_too_large_for_its_limit() {
    for body in [
        "{\"value\":[",
        "{\"structure\":{\"a\":[",
        "{\"any\":{\"a\":[",
    ] {
        let worker = Worker::new(&ROOM, &yaml(", max_request_body_size: 1000"));
        let mut stream = worker.stream();
        stream.request.set(Known::Method, b"POST");
        stream.request.set(Known::Path, b"/v1/all");
        let _ = stream.decode_headers(false);
        let mut status = stream.decode_data(body.as_bytes(), false);
        for _ in 0..1000 {
            if matches!(status, DataStatus::Reply(_)) {
                break;
            }
            status = stream.decode_data(b"1,", false);
        }
        let DataStatus::Reply(reply) = status else {
            panic!("{body} is held without an end");
        };
        assert_eq!(reply.status, 413, "{body}");
    }
}

fn kind(settings: &Settings, path: &[u8], http_body: Option<Place>) -> Kind {
    let (entry, _) = settings.methods.find("GET", path).expect("a method");
    Kind {
        output: entry.output,
        client_streams: false,
        server_streams: entry.server_streams,
        http_body,
    }
}

#[test]
fn a_body_names_no_type_that_ends_the_line() {
    let settings = settings("");
    let kind = kind(&settings, b"/v1/pages/a", Some(Place::default()));
    let type_of = |text: &[u8]| {
        let length = u8::try_from(text.len()).expect("a short text");
        let mut frame = vec![0, 0, 0, 0, length + 2, 10, length];
        frame.extend_from_slice(text);
        let mut download = Download::default();
        let fed = download.feed(&settings, &kind, &frame);
        assert!(fed.is_ok());
        download.content_type
    };
    let good = b"a/b;\tc=\xe9";
    assert_eq!(type_of(good), Some(good.to_vec()));
    for text in ["a\r\nx: y", "a\ny", "a\0", "a\u{7f}", "\u{1f}"] {
        assert_eq!(type_of(text.as_bytes()), Some(Vec::new()), "{text:?}");
    }
}

#[test]
fn an_answer_cut_at_any_byte_comes_to_the_same() {
    let settings = settings("");
    let kind = kind(&settings, b"/v1/stream/a", None);
    let frames = b"\0\0\0\0\x03\n\x01a\0\0\0\0\0\0\0\0\0\x04\x12\x02bc";
    let read = |pieces: &[&[u8]]| {
        let mut download = Download::default();
        let mut out = Vec::new();
        for piece in pieces {
            out.append(&mut download.feed(&settings, &kind, piece).ok()?);
        }
        out.append(&mut download.finish(&settings, &kind).ok()?);
        String::from_utf8(out).ok()
    };
    let whole = read(&[frames]);
    assert_eq!(whole.as_deref(), Some(r#"[{"id":"a"},{},{"title":"bc"}]"#));
    for at in 0..=frames.len() {
        let (head, tail) = frames.split_at(at);
        assert_eq!(read(&[head, tail]), whole, "cut at {at}");
    }
    let single: Vec<&[u8]> = frames.chunks(1).collect();
    assert_eq!(read(&single), whole);
}

#[test]
fn a_large_message_in_small_pieces_is_not_copied_for_each() {
    let settings = settings("");
    let kind = kind(&settings, b"/v1/stream/a", None);
    let mut download = Download::default();
    let _ = download.feed(&settings, &kind, b"\0\0\x01\0\0");
    let mut sizes = HashSet::new();
    for _ in 0..10_000 {
        let _ = download.feed(&settings, &kind, b"x");
        sizes.insert(download.held_capacity());
    }
    assert!(sizes.len() < 32, "{}", sizes.len());
}
