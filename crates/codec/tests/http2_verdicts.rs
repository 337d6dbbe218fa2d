//! Verdicts pinned from a running Envoy 1.40, in `verdicts/http2.tsv`: the same frames, the same outcome.

mod http2_support;

use http2_support::*;
use nuncio_codec::http2::*;

/// Where the outcome is not the codec's alone, and what its part is: Envoy's connection manager closes once it has
/// answered, when the client has said that it goes away. And what Envoy closes on without the words that RFC 9113 asks
/// for.
const DIFFERENT: [(&str, &str); 4] = [
    ("GOAWAY and a request", "answer 1"),
    (
        "WINDOW_UPDATE too large",
        "closed, goaway 0 FLOW_CONTROL_ERROR WINDOW_UPDATE: overflow",
    ),
    (
        "WINDOW_UPDATE too large on a stream",
        "reset 1 FLOW_CONTROL_ERROR",
    ),
    (
        "PING on a stream",
        "closed, goaway 0 PROTOCOL_ERROR PING: stream_id != 0",
    ),
];

/// The bytes that a table writes with `\x..` for what is not printable.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once("\\x") {
        bytes.extend(before.bytes());
        bytes.push(u8::from_str_radix(&escape[..2], 16).expect("two digits"));
        rest = &escape[2..];
    }
    bytes.extend(rest.bytes());
    bytes
}

/// Feeds the bytes to a server that answers each request once it is whole; the outcome in the words of the table.
fn outcome(bytes: &[u8]) -> String {
    let mut side = Side::server(Http2Settings::default());
    side.feed(bytes);
    let mut outcome = Vec::new();
    for told in &side.told {
        let is_whole = told.starts_with("Trailers ") || told.contains(" end: ");
        if let Some(stream) = told.split([' ', ':']).nth(1).filter(|_| is_whole) {
            outcome.push(format!("answer {stream}"));
        }
    }
    // A connection that ends takes its streams with it before they are answered.
    if side.failed.is_some() {
        outcome.clear();
    }
    for said in side.said() {
        let words: Vec<&str> = said.splitn(3, ' ').collect();
        match words[..] {
            ["RST_STREAM", stream, code] => {
                outcome.push(format!("reset {} {code}", stream.trim_end_matches(':')));
            }
            ["GOAWAY", last, rest] => {
                let (code, text) = rest.split_once(' ').expect("a text");
                let text = text.trim_matches('"');
                let last = last.trim_end_matches(':');
                outcome.push(format!("goaway {last} {code} {text}").trim().to_owned());
            }
            ["PING", "ACK", _] => outcome.push("pong".to_owned()),
            _ => {}
        }
    }
    if side.failed.is_some() {
        outcome.push("closed".to_owned());
    }
    outcome.sort();
    outcome.join(", ")
}

#[test]
fn frames_are_judged_as_envoy_judges_them() {
    let mut wrong = Vec::new();
    let mut different = Vec::new();
    for row in include_str!("verdicts/http2.tsv").lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let [case, bytes, envoy] = columns[..] else {
            assert!(row.starts_with('#'), "{row}");
            continue;
        };
        let found = outcome(&unescape(bytes));
        match DIFFERENT.iter().find(|(name, _)| *name == case) {
            Some((_, ours)) => {
                assert_eq!(found, *ours, "{case}");
                assert_ne!(found, envoy, "{case} is not different");
                different.push(case);
            }
            None if found != envoy => {
                wrong.push(format!("{case}\n    Envoy: {envoy}\n    found: {found}"));
            }
            None => {}
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(different.len(), DIFFERENT.len());
}
