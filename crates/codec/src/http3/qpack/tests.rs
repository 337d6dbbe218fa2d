//! Blocks of headers, as they are written and read.

use nuncio_contract::headers::Known;

use super::static_table::{Found, STATIC_TABLE, find};
use super::{DecodeError, Decoder, PREFIX, encode};
use crate::header_block::{characters, known_exactly};

const MAX_TEXT_BYTES: usize = 64;

/// All fields of a block, and how many bytes were left.
fn decode(block: &[u8]) -> Result<(Vec<String>, usize), DecodeError> {
    let mut decoder = Decoder::new(MAX_TEXT_BYTES, characters::may_be_in_ascii_request);
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let taken = decoder.next(&block[at..], |field| {
            let (name, value) = (field.name.escape_ascii(), field.value.escape_ascii());
            let mark = if field.valid { "" } else { " (invalid)" };
            fields.push(format!("{name}: {value}{mark}"));
        })?;
        if taken == 0 {
            return Ok((fields, block.len() - at));
        }
        at += taken;
    }
}

fn coding(block: &[u8]) -> &'static str {
    match decode(block) {
        Err(DecodeError::Coding(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    // RFC 9204 appendix B.1.
    let block = b"\x00\x00\x51\x0b/index.html";
    let expected = (vec![":path: /index.html".to_owned()], 0);
    assert_eq!(decode(block), Ok(expected));
}

#[test]
fn every_entry_of_the_static_table_is_written_in_full_as_an_index_and_comes_back() {
    for (index, entry) in STATIC_TABLE.iter().enumerate() {
        assert_eq!(entry.known, known_exactly(entry.name));
        assert_eq!(
            find(entry.known, entry.name, entry.value),
            Found::Whole(index)
        );
        let mut block = PREFIX.to_vec();
        encode(entry.known, entry.name, entry.value, &mut block);
        assert!(block.len() <= PREFIX.len() + 2);
        let (fields, left) = decode(&block).expect("our own block");
        let line = format!(
            "{}: {}",
            entry.name.escape_ascii(),
            entry.value.escape_ascii()
        );
        assert_eq!(
            (fields[0].trim_end_matches(" (invalid)"), left),
            (&*line, 0)
        );
    }
}

#[test]
fn what_is_written_is_read_again_whatever_the_table_has_of_it() {
    let headers: [(&str, &str); 6] = [
        (":authority", "example.com"),
        ("accept-ranges", "none"),
        ("x-custom", "a value"),
        ("x-custom", ""),
        ("set-cookie", "a=b"),
        ("content-type", "text/plain"),
    ];
    let mut block = PREFIX.to_vec();
    for (name, value) in headers {
        let known = known_exactly(name.as_bytes());
        encode(known, name.as_bytes(), value.as_bytes(), &mut block);
    }
    let expected: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert_eq!(decode(&block), Ok((expected, 0)));
}

#[test]
fn secrets_are_marked_never_to_be_indexed() {
    let mut block = Vec::new();
    encode(
        Some(Known::Authorization),
        b"authorization",
        b"x",
        &mut block,
    );
    assert_eq!(block[0] & 0xf0, 0x70);
    block.clear();
    let name = Known::ProxyAuthorization;
    encode(Some(name), name.as_bytes(), b"x", &mut block);
    assert_eq!(block[0] & 0xf0, 0x30);
}

#[test]
fn a_block_that_is_cut_off_waits_for_more() {
    let mut block = PREFIX.to_vec();
    encode(None, b"x-custom", b"a long enough value", &mut block);
    for cut in 0..block.len() {
        let (fields, left) = decode(&block[..cut]).expect("the beginning of a block");
        assert!(fields.is_empty());
        let prefix_len = if cut < PREFIX.len() { 0 } else { PREFIX.len() };
        assert_eq!(left, cut - prefix_len);
    }
}

#[test]
fn what_needs_a_dynamic_table_is_refused() {
    assert_eq!(coding(b"\x02\x00"), "Error decoding Required Insert Count.");
    assert_eq!(coding(b"\x00\x80"), "Error calculating Base.");
    assert_eq!(coding(b"\x00\x00\x80"), "Invalid relative index.");
    assert_eq!(coding(b"\x00\x00\x40\x00"), "Invalid relative index.");
    let beyond = "Absolute Index must be smaller than Required Insert Count.";
    assert_eq!(coding(b"\x00\x00\x10"), beyond);
    assert_eq!(coding(b"\x00\x00\x00\x00"), beyond);
}

#[test]
fn what_is_badly_coded_is_refused() {
    assert_eq!(coding(b"\x00\x00\xff\x30"), "Static table entry not found.");
    let text = "Error in Huffman-encoded string.";
    assert_eq!(coding(b"\x00\x00\x51\x84\xff\xff\xff\xff"), text);
    let integer = "Encoded integer too large.";
    assert_eq!(coding(b"\x00\x00\xff\xff\xff\xff\xff\xff\xff"), integer);
}

#[test]
fn a_text_that_is_too_long_is_told_before_it_has_come() {
    let mut value = b"\x00\x00\x51".to_vec();
    value.push(MAX_TEXT_BYTES as u8 + 1);
    assert_eq!(decode(&value), Err(DecodeError::TooLong));
    let name = b"\x00\x00\x27\xf0\x00";
    assert_eq!(decode(name), Err(DecodeError::TooLong));
}

#[test]
fn characters_are_judged() {
    let (fields, _) = decode(b"\x00\x00\x21X\x01a\x21x\x01\xe9").expect("a block");
    assert_eq!(fields, ["X: a (invalid)", "x: \\xe9 (invalid)"]);
}
