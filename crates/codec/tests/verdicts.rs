//! Verdicts pinned from a running Envoy 1.40, in `verdicts/`: the same bytes, the same outcome.

mod support;

use nuncio_codec::http1::*;
use support::*;

fn rows(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            line.split_once('\t')
                .expect("a tab between input and outcome")
        })
}

/// The outcome of one connection, in the words of the tables.
fn outcome(settings: &Http1Settings, input: &[u8], expected: &str) -> String {
    if let Some(error) = refusal(settings, input) {
        return format!("refused {}", error.details());
    }
    let events = serve(settings, input);
    if events.is_empty() {
        return "incomplete".to_owned();
    }
    if expected == "accepted" {
        return expected.to_owned();
    }
    format!("forwarded {}", forward(settings, input).escape_ascii())
}

fn check(settings: &Http1Settings, table: &'static str) {
    let mut wrong = Vec::new();
    for (input, expected) in rows(table) {
        let found = outcome(settings, &unescape(input), expected);
        let expected = match expected.strip_prefix("forwarded ") {
            Some(bytes) => format!("forwarded {}", unescape(bytes).escape_ascii()),
            None => expected.to_owned(),
        };
        if found != expected {
            wrong.push(format!(
                "{input}\n    Envoy: {expected}\n    found: {found}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn requests_are_judged_as_envoy_judges_them() {
    check(
        &Http1Settings::default(),
        include_str!("verdicts/requests.tsv"),
    );
}

fn response_outcome(settings: &Http1Settings, method: &str, closes: bool, input: &[u8]) -> String {
    let Some((bytes, refused, extra)) = pass_back(settings, method == "HEAD", input, closes) else {
        return "refused".to_owned();
    };
    let after = match (refused, extra) {
        (Some(_), _) => " then refused",
        (None, 0) => "",
        (None, _) => " + extra",
    };
    format!("passed {}{after}", bytes.escape_ascii())
}

#[test]
fn responses_are_judged_as_envoy_judges_them() {
    let settings = Http1Settings::default();
    let mut wrong = Vec::new();
    for row in include_str!("verdicts/responses.tsv").lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let [method, closes, input, expected] = columns[..] else {
            assert!(row.starts_with('#'), "{row}");
            continue;
        };
        let found = response_outcome(&settings, method, closes == "close", &unescape(input));
        let expected = unescape(expected).escape_ascii().to_string();
        if found != expected {
            wrong.push(format!(
                "{input}\n    Envoy: {expected}\n    found: {found}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_number_that_is_no_status_is_refused_though_envoy_passes_it_on() {
    for status in [
        "0",
        "20",
        "99",
        "000",
        "1000",
        "100000",
        "+200",
        "18446744073709551816",
    ] {
        let input = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
        let outcome = pass_back(&Http1Settings::default(), false, input.as_bytes(), false);
        assert_eq!(outcome, None, "{status}");
    }
}

#[test]
fn options_change_the_verdict_as_they_do_in_envoy() {
    let settings = Http1Settings {
        accept_http_10: true,
        default_host_for_http_10: b"dflt".as_slice().into(),
        enable_trailers: true,
        allow_chunked_length: true,
        allow_custom_methods: true,
        headers_with_underscores: UnderscoresAction::DropHeader,
        ..Http1Settings::default()
    };
    check(
        &settings,
        include_str!("verdicts/requests_with_options.tsv"),
    );
}

#[test]
fn underscores_in_names_of_headers_and_trailers_are_refused_if_configured() {
    let settings = Http1Settings {
        headers_with_underscores: UnderscoresAction::RejectRequest,
        enable_trailers: true,
        ..Http1Settings::default()
    };
    for input in [
        "GET / HTTP/1.1\r\nHost: a\r\na_b: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na_b: 1\r\n\r\n",
    ] {
        let error = refusal(&settings, input.as_bytes()).expect("a refusal");
        assert_eq!(
            (error.status(), error.details()),
            (400, "http1.unexpected_underscore")
        );
        assert_eq!(
            error.counter(),
            Some("http1.requests_rejected_with_underscores_in_headers")
        );
    }
}
