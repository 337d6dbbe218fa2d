//! The examples of the standard, limits, and both sides against each other.

use nuncio_contract::headers::Known;

use super::{Decoder, Encoder};
use crate::header_block::{CodingError, huffman};

fn judge_nothing(_: Option<Known>, _: &[u8], _: &[u8]) -> bool {
    true
}

fn decoder() -> Decoder {
    Decoder::new(4096, 65536, judge_nothing)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair));
    pairs
        .map(|pair| u8::from_str_radix(pair.expect("digits"), 16).expect("hexadecimal"))
        .collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, CodingError> {
    decoder.begin_block();
    let mut found = Vec::new();
    let taken = decoder.decode(block, |field| {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        found.push(format!("{}: {}", text(field.name), text(field.value)));
    })?;
    match taken == block.len() {
        true => Ok(found),
        false => Err(CodingError("cut off")),
    }
}

#[test]
fn the_requests_of_the_standard_are_decoded_one_after_the_other() {
    for blocks in [
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ] {
        let mut decoder = decoder();
        let decoded: Vec<_> = blocks
            .iter()
            .map(|block| decode(&mut decoder, &bytes(block)).expect("a valid block"))
            .collect();
        assert_eq!(
            decoded[0],
            [
                ":method: GET",
                ":scheme: http",
                ":path: /",
                ":authority: www.example.com"
            ]
        );
        assert_eq!(decoded[1][4], "cache-control: no-cache");
        assert_eq!(
            decoded[2],
            [
                ":method: GET",
                ":scheme: https",
                ":path: /index.html",
                ":authority: www.example.com",
                "custom-key: custom-value"
            ]
        );
    }
}

#[test]
fn the_responses_of_the_standard_push_each_other_out_of_a_small_table() {
    let mut decoder = decoder();
    assert_eq!(decode(&mut decoder, &bytes("3f e1 01")), Ok(vec![]));
    for (block, status, last) in [
        (
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e \
             919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            ":status: 302",
            "location: https://www.example.com",
        ),
        (
            "4883 640e ffc1 c0bf",
            ":status: 307",
            "location: https://www.example.com",
        ),
        (
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
             821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
             4ee5 b106 3d50 07",
            ":status: 200",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ] {
        let decoded = decode(&mut decoder, &bytes(block)).expect("a valid block");
        assert_eq!(decoded.first().map(String::as_str), Some(status));
        assert_eq!(decoded.last().map(String::as_str), Some(last));
    }
}

#[test]
fn every_text_comes_back_from_its_code() {
    for length in 0..70usize {
        for first in 0..=255u8 {
            let text: Vec<u8> = (0..length)
                .map(|at| first.wrapping_add((at * at) as u8))
                .collect();
            let mut coded = Vec::new();
            huffman::encode(&text, &mut coded);
            assert_eq!(coded.len(), huffman::coded_len(&text));
            let mut decoded = Vec::new();
            huffman::decode(&coded, &mut decoded).expect("our own code");
            assert_eq!(decoded, text);
        }
    }
}

#[test]
fn a_code_that_is_cut_off_or_badly_padded_is_refused() {
    // `0` has the code 00000.
    for (coded, why) in [
        (&[0b0000_0000u8][..], "padded with zeros"),
        (&[0b0000_0111, 0xff][..], "eight ones and more"),
        (&[0b1111_1111][..], "padding alone, of eight bits"),
        (&[0xff, 0xff, 0xff, 0xff][..], "the end of a text"),
        (&[0xff, 0xff, 0xff, 0xfc][..], "the end of a text, padded"),
        (&[0b1111_1110][..], "a long code that is cut off"),
    ] {
        assert!(huffman::decode(coded, &mut Vec::new()).is_err(), "{why}");
    }
    let mut decoded = Vec::new();
    huffman::decode(&[0b0000_0111], &mut decoded).expect("three ones are padding");
    assert_eq!(decoded, b"0");
}

#[test]
fn blocks_that_break_the_rules_are_refused() {
    for (block, why) in [
        ("80", "index 0"),
        ("be", "an index beyond the tables"),
        ("7f 00 01 61", "a name beyond the tables"),
        ("3f e2 1f", "a table larger than allowed"),
        ("82 20", "a size update behind a header"),
        ("ff ff ff ff ff ff ff ff", "an integer without an end"),
        ("ff 80 80 80 80 80 00", "an integer with too many zeros"),
        ("ff ff ff ff ff 7f", "an integer of more than 32 bits"),
        ("00 7f 82 ff 03 61", "a name of more than 65,536 bytes"),
    ] {
        let outcome = decode(&mut decoder(), &bytes(block));
        assert!(
            outcome.is_err() && outcome != Err(CodingError("cut off")),
            "{why}: {outcome:?}"
        );
    }
}

#[test]
fn a_smaller_table_is_wanted_once_the_peer_has_read_our_settings() {
    let mut decoder = Decoder::new(64, 65536, judge_nothing);
    let header = bytes("40 01 61 01 62");
    assert!(decode(&mut decoder, &header).is_ok());
    assert!(
        decode(&mut decoder, &bytes("be")).is_ok(),
        "it is in the table"
    );
    decoder.settings_acknowledged();
    assert!(
        decode(&mut decoder, &bytes("be")).is_err(),
        "it must say so"
    );
    assert!(decode(&mut decoder, &bytes("3f 21 be")).is_ok());
    assert!(decode(&mut decoder, &bytes("3f 22")).is_err());
}

#[test]
fn a_block_in_pieces_is_decoded_as_far_as_it_is_there() {
    let block = bytes(
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    );
    let whole = decode(&mut decoder(), &block).expect("a valid block");
    for split in 0..=block.len() {
        let mut decoder = decoder();
        decoder.begin_block();
        let mut found = Vec::new();
        let mut sink = |name: &[u8], value: &[u8]| {
            found.push(format!(
                "{}: {}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value)
            ));
        };
        let taken = decoder
            .decode(&block[..split], |field| sink(field.name, field.value))
            .expect("a valid beginning");
        let rest = decoder.decode(&block[taken..], |field| sink(field.name, field.value));
        assert_eq!(rest, Ok(block.len() - taken));
        assert_eq!(found, whole);
    }
}

fn encode(encoder: &mut Encoder, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    encoder.begin_block(&mut block);
    for (name, value) in headers {
        let known = Known::find(name.as_bytes());
        encoder.encode(known, name.as_bytes(), value.as_bytes(), &mut block);
    }
    block
}

const RESPONSE: [(&str, &str); 5] = [
    (":status", "200"),
    ("content-type", "text/html"),
    ("x-custom", "something"),
    ("server", "envoy"),
    ("vary", "accept-encoding"),
];

#[test]
fn what_was_sent_before_takes_a_byte() {
    let mut encoder = Encoder::new(4096);
    let first = encode(&mut encoder, &RESPONSE);
    let second = encode(&mut encoder, &RESPONSE);
    assert!(first.len() > 30);
    assert_eq!(second.len(), RESPONSE.len());
    let mut decoder = decoder();
    for block in [first, second] {
        let decoded = decode(&mut decoder, &block).expect("our own block");
        assert_eq!(decoded[2], "x-custom: something");
        assert_eq!(decoded[4], "vary: accept-encoding");
    }
}

#[test]
fn secrets_are_marked_so_that_nobody_indexes_them() {
    let mut encoder = Encoder::new(4096);
    for (name, value) in [
        ("authorization", "Basic abc"),
        ("proxy-authorization", "Basic abc"),
        ("set-cookie", "a=b; secure"),
        ("cookie", "short"),
    ] {
        let block = encode(&mut encoder, &[(name, value)]);
        assert_eq!(block[0] & 0xf0, 0x10, "{name}");
    }
    assert_eq!(encoder.table_len(), 0);
    encode(
        &mut encoder,
        &[("cookie", "a-long-cookie-that-nobody-guesses")],
    );
    assert_eq!(encoder.table_len(), 1);
}

#[test]
fn the_peers_limit_on_the_table_is_kept_and_told() {
    let mut encoder = Encoder::new(4096);
    encode(&mut encoder, &RESPONSE);
    encoder.allow(0);
    encoder.allow(100);
    let block = encode(&mut encoder, &RESPONSE);
    assert_eq!(
        &block[..4],
        [0x20, 0x3f, 69, 0x88],
        "smallest, last, status"
    );
    assert!(encoder.table_len() <= 2);
    let mut decoder = decoder();
    assert_eq!(decode(&mut decoder, &block).expect("our own").len(), 5);

    let mut without_table = Encoder::new(0);
    without_table.allow(4096);
    encode(&mut without_table, &RESPONSE);
    assert_eq!(without_table.table_len(), 0);
}

#[test]
fn a_long_life_keeps_the_tables_in_step_and_small() {
    let mut encoder = Encoder::new(4096);
    let mut decoder = decoder();
    for round in 0..5000 {
        let own = format!("x-{}", round % 700);
        let value = "v".repeat(round % 90);
        let headers = [(&*own, &*value), ("x-same", "value"), (":status", "503")];
        let block = encode(&mut encoder, &headers);
        let decoded = decode(&mut decoder, &block).expect("our own block");
        assert_eq!(decoded[0], format!("{own}: {value}"));
        assert_eq!(decoded[1], "x-same: value");
        assert!(encoder.table_len() <= 4096 / 32);
    }
}

#[test]
fn blocks_of_another_library_are_decoded() {
    let mut decoders = std::collections::HashMap::new();
    let rows = include_str!("blocks.tsv").lines();
    for row in rows.filter(|row| !row.starts_with('#')) {
        let columns: Vec<&str> = row.split('\t').collect();
        let decoder = decoders.entry(columns[0]).or_insert_with(decoder);
        let expected: Vec<String> = columns[2]
            .split('|')
            .map(|header| {
                let at = header[1..].find('=').expect("a value") + 1;
                format!("{}: {}", &header[..at], &header[at + 1..])
            })
            .collect();
        assert_eq!(decode(decoder, &bytes(columns[1])), Ok(expected));
    }
    assert_eq!(decoders.len(), 2);
}

#[test]
fn headers_that_come_again_do_not_push_each_other_out() {
    let mut encoder = Encoder::new(4096);
    let names: Vec<String> = (0..30).map(|number| format!("x-header-{number}")).collect();
    let headers: Vec<_> = names.iter().map(|name| (&**name, "the same")).collect();
    encode(&mut encoder, &headers);
    for _ in 0..3 {
        assert_eq!(encode(&mut encoder, &headers).len(), headers.len());
    }
}
