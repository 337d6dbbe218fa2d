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
