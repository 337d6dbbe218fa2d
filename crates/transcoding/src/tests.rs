//! Bodies in any pieces, what is held of them, bindings, groups and templates.

use std::sync::Arc;

use crate::descriptor::Pool;
use crate::request::bindings::{Binding, Step};
use crate::request::{Body, Translator};
use crate::response::{Print, json};
use crate::template::{Table, TableOptions, Template};
use crate::wire::{put_bytes, put_tag, put_varint};

/// `M`: a group `g`, texts `t`, `u` and many of `many`, a `Value` `v`.
fn pool() -> Arc<Pool> {
    let mut message = Vec::new();
    put_bytes(&mut message, 1, b"M");
    /// Name, number, label, kind and the type's name.
    type FieldOf<'a> = (&'a [u8], u64, u64, u64, &'a [u8]);
    let fields: [FieldOf<'_>; 5] = [
        (b"g", 1, 1, 10, b".p.M"),
        (b"t", 2, 1, 9, b""),
        (b"u", 3, 1, 9, b""),
        (b"many", 4, 3, 9, b""),
        (b"v", 5, 1, 11, b".google.protobuf.Value"),
    ];
    for (name, number, label, kind, of) in fields {
        let mut field = Vec::new();
        put_bytes(&mut field, 1, name);
        for (at, value) in [(3, number), (4, label), (5, kind)] {
            put_tag(&mut field, at, 0);
            put_varint(&mut field, value);
        }
        put_bytes(&mut field, 6, of);
        put_bytes(&mut message, 2, &field);
    }
    let mut value = Vec::new();
    put_bytes(&mut value, 1, b"Value");
    let mut set = Vec::new();
    for (package, of) in [(&b"p"[..], &message), (b"google.protobuf", &value)] {
        let mut file = Vec::new();
        put_bytes(&mut file, 2, package);
        put_bytes(&mut file, 4, of);
        put_bytes(&mut set, 1, &file);
    }
    Arc::new(Pool::read(&set).expect("descriptors"))
}

fn translator(body: Body, bindings: Vec<Binding>) -> Translator {
    let pool = pool();
    let root = pool.find("p.M").expect("the message");
    Translator::new(pool, root, body, bindings)
}

fn bound(name: &str, value: &str, is_repeated: bool) -> Binding {
    Binding {
        path: vec![Step {
            name: name.into(),
            is_repeated,
        }],
        value: value.into(),
    }
}

fn read(body: &Body, pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
    let mut translator = translator(body.clone(), vec![bound("u", "bound", false)]);
    let mut messages = Vec::new();
    for piece in pieces {
        messages.append(&mut translator.feed(piece)?);
    }
    messages.append(&mut translator.finish()?);
    Ok(messages)
}

#[test]
fn a_body_cut_at_any_byte_makes_the_same_messages() {
    let bodies = [
        (
            false,
            "{\"t\": \"a\\u00e9\\ud83d\\ude00\u{20ac}\", many: ['x', \"\\\\\"], \"v\": {\"a\": [1.5e3, true, null, {}]}}",
        ),
        (
            true,
            r#"[{"t": "a"}, {"v": -12}, {"many": [], "v": [false, "x"]}]"#,
        ),
        (false, r#"{"t": "a", "v": {"a": tru}}"#),
        (false, r#"{"t": "a"} x"#),
        (true, r#"{"t": "a"}"#),
    ];
    for (at, (is_stream, text)) in bodies.into_iter().enumerate() {
        let body = Body {
            is_stream,
            ..Body::default()
        };
        let bytes = text.as_bytes();
        // The words of an error show the text around it, as much of it as has come.
        let whole = read(&body, &[bytes]).map_err(|_| ());
        assert_eq!(whole.is_ok(), at < 2, "{text}");
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            let cut = read(&body, &[head, tail]).map_err(|_| ());
            assert_eq!(cut, whole, "{text} cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&body, &single).map_err(|_| ()), whole, "{text}");
    }
}

#[test]
fn what_is_collected_for_a_value_is_held() {
    let mut translator = translator(Body::default(), Vec::new());
    let _ = translator.feed(b"{\"v\": [");
    for _ in 0..1000 {
        let _ = translator.feed(b"1,");
    }
    let numbers = translator.held_bytes();
    assert!(numbers >= 1000 * 8, "{numbers}");
    let _ = translator.feed(format!("\"{}\",", "x".repeat(5000)).as_bytes());
    let text = translator.held_bytes() - numbers;
    assert!((5000..6000).contains(&text), "{text}");
    let messages = translator.feed(b"{a:1}]}").expect("a message");
    assert_eq!(messages.len(), 1);
    assert_eq!(translator.held_bytes(), 0);
}

#[test]
fn bodies_win_over_bindings_but_where_there_may_be_many() {
    let finish = |refuses_collisions, text: &[u8]| {
        let body = Body {
            refuses_collisions,
            ..Body::default()
        };
        let bindings = vec![
            bound("t", "1", false),
            bound("many", "2", true),
            bound("u", "3", false),
            bound("t", "4", false),
            bound("many", "5", true),
        ];
        let mut translator = translator(body, bindings);
        let mut messages = translator.feed(text)?;
        messages.append(&mut translator.finish()?);
        Ok::<_, String>(messages.concat())
    };
    let all = b"\x12\x011\"\x012\x1a\x013\x12\x014\"\x015".to_vec();
    assert_eq!(finish(false, b"{}"), Ok(all));
    let written = b"\x12\x01b\x12\x01c\"\x012\x1a\x013\"\x015".to_vec();
    assert_eq!(finish(false, b"{\"t\":\"b\",\"t\":\"c\"}"), Ok(written));
    // Of several that differ the last is told; what is the same does not differ.
    let words = finish(true, b"{\"t\":\"b\"}").expect_err("a collision");
    assert!(
        words.contains("The binding value \"4\" of the field t"),
        "{words}"
    );
    let words = finish(true, b"{\"t\":\"4\"}").expect_err("a collision");
    assert!(
        words.contains("The binding value \"1\" of the field t"),
        "{words}"
    );
    assert!(finish(true, b"{\"u\":\"3\"}").is_ok());
}

#[test]
fn a_group_is_never_a_name_alone() {
    let pool = pool();
    let id = pool.find("p.M").expect("the message");
    let words =
        |bytes: &[u8]| json(&pool, id, bytes, Print::default()).map_err(|fault| fault.words);
    let of_group = "field type 10 (number 1) does not support";
    assert_eq!(words(b"\x0b\x0c"), Err(format!("{of_group} group fields")));
    assert_eq!(
        words(b"\x0a\x00"),
        Err(format!("{of_group} type 2 records"))
    );
    assert_eq!(words(b"\x08\x01"), Err(format!("{of_group} varint fields")));
    assert_eq!(
        words(b"\x13\x14"),
        Err("field number 2 is not a group".to_owned())
    );
    assert_eq!(words(b"\x3b\x3c\x12\x01x"), Ok(br#"{"t":"x"}"#.to_vec()));
}

#[test]
fn templates_are_found_by_what_is_most_exact() {
    let mut table = Table::new(TableOptions::default());
    let texts = [
        "/v1/{a=**}",
        "/v1/{a}/{b=x/*}",
        "/v1/books",
        "/v1/{a}",
        "/v1/{a}:lend",
        "/",
    ];
    for text in texts {
        assert!(
            table.insert("GET", Template::parse(text).expect(text)),
            "{text}"
        );
    }
    let again = Template::parse("/v1/{other}").expect("a template");
    assert!(!table.insert("GET", again));
    let find = |path: &str| {
        let found = table.find("GET", path.as_bytes())?;
        let values = found
            .values
            .iter()
            .map(|value| String::from_utf8_lossy(value).into_owned());
        Some((found.entry, values.collect::<Vec<_>>().join("|")))
    };
    assert_eq!(find("/v1/books"), Some((2, String::new())));
    assert_eq!(find("/v1/b%2Fc"), Some((3, "b/c".to_owned())));
    assert_eq!(find("/v1/b:lend"), Some((4, "b".to_owned())));
    assert_eq!(find("/v1/b:keep"), Some((3, "b:keep".to_owned())));
    assert_eq!(find("/v1/b/x/y"), Some((1, "b|x/y".to_owned())));
    assert_eq!(find("/v1/b/z/y%2F"), Some((0, "b/z/y%2F".to_owned())));
    assert_eq!(find("/"), Some((5, String::new())));
    assert_eq!(find("/v2"), None);
    assert_eq!(table.find("POST", b"/v1/books"), None);
    assert_eq!(find(&format!("/v1{}", "/a".repeat(300))), None);
}

#[test]
fn what_is_no_template_is_refused() {
    let wrong = [
        "",
        "v1",
        "/v1/",
        "/{",
        "/{a",
        "/{}",
        "/{a.}",
        "/{a={b}}",
        "/**/a",
        "/a:",
        "/a:b/c",
        "/{a=**}/b",
        "//",
    ];
    for text in wrong {
        assert_eq!(Template::parse(text), None, "{text}");
    }
}
