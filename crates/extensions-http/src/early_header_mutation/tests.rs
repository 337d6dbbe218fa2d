//! Early header mutation on requests.

use nuncio_contract::headers::HeaderMap;

use super::ROOM;
use crate::tests::harness::{Services, early_refusal, mutated_early};

fn mutated(mutations: &str, headers: &[(&str, &str)]) -> HeaderMap {
    let yaml = format!("{{mutations: [{mutations}]}}");
    mutated_early(&ROOM, &yaml, headers, &Services::default())
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = headers.iter();
    headers
        .map(|header| format!("{}: {}", text(header.name), text(header.value)))
        .collect()
}

#[test]
fn changes_are_made_in_the_order_of_the_config() {
    let mutations = "{append: {header: {key: x-path, value: '%REQ(:PATH)%'}}}, {remove: x-old}, \
                     {append: {header: {key: x-again, value: '%REQ(X-PATH)%|%REQ(X-OLD)%'}}}";
    let headers = mutated(mutations, &[(":path", "/a"), ("x-old", "1")]);
    assert_eq!(lines(&headers), [":path: /a", "x-path: /a", "x-again: /a|"]);
}

#[test]
fn what_makes_a_request_is_not_changed() {
    for (mutation, words) in [
        (
            "{append: {header: {key: ':path', value: /}}}",
            ":-prefixed or host headers may not be modified",
        ),
        (
            "{remove: ':path'}",
            ":-prefixed or host headers may not be removed",
        ),
        (
            "{remove: host}",
            ":-prefixed or host headers may not be removed",
        ),
    ] {
        let refusal = early_refusal(&ROOM, &format!("{{mutations: [{mutation}]}}"));
        assert_eq!(refusal, words, "{mutation}");
    }
}
