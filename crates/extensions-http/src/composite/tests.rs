//! The composite filter, step by step.

use nuncio_contract::http_filter::HeadersStatus;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, refusal};

const KEY: &str = "envoy.extensions.filters.http.composite.matched_actions";

fn mutation(name: &str) -> String {
    format!(
        "{{name: {name}, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation, \
         mutations: {{request_mutations: [{{append: {{header: {{key: x-ran, value: {name}}}}}}}]}}}}}}"
    )
}

/// A tree of one action for all streams.
fn always(action: &str) -> String {
    format!(
        "matcher: {{on_no_match: {{action: {{name: a, typed_config: {{\
         '@type': type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction, {action}}}}}}}}}"
    )
}

fn composite(parts: &[&str]) -> Worker {
    Worker::new(&ROOM, &format!("{{{}}}", parts.join(", ")))
}

fn ran(stream: &mut Stream<'_>) -> String {
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    stream.header("x-ran").to_owned()
}

fn matched(stream: &Stream<'_>) -> Option<String> {
    let state = stream.info.filter_state()?;
    state.get(KEY)?.serialize_as_json()
}

#[test]
fn it_runs_the_filter_of_its_tree_and_leaves_word_of_it() {
    let action = always(&format!("typed_config: {}", mutation("one")));
    let worker = composite(&[&action]);
    let mut stream = worker.stream();
    assert_eq!(ran(&mut stream), "one");
    let name = ROOM.name;
    assert_eq!(matched(&stream), Some(format!(r#"{{"{name}":"one"}}"#)));
    assert_eq!(worker.stat("composite.filter_delegation_success"), 1);
    assert_eq!(worker.stat("composite.filter_delegation_error"), 0);
}

#[test]
fn a_chain_runs_in_order_and_outweighs_the_rest() {
    let chain = format!("typed_config: [{}, {}]", mutation("one"), mutation("two"));
    let named = format!(
        "named_filter_chains: {{c: {{typed_config: [{}]}}}}",
        mutation("three")
    );
    let alone = format!("typed_config: {}", mutation("four"));
    let all = always(&format!(
        "filter_chain: {{{chain}}}, filter_chain_name: c, {alone}"
    ));
    assert_eq!(ran(&mut composite(&[&named, &all]).stream()), "one | two");
    let by_name = always(&format!("filter_chain_name: c, {alone}"));
    assert_eq!(ran(&mut composite(&[&named, &by_name]).stream()), "three");
    let unknown = always("filter_chain_name: other");
    let worker = composite(&[&named, &unknown]);
    let mut stream = worker.stream();
    assert_eq!(ran(&mut stream), "");
    assert_eq!(matched(&stream), None);
}

#[test]
fn a_sample_runs_it_for_some() {
    let action = format!(
        "typed_config: {}, sample_percent: {{default_value: {{numerator: 30}}}}",
        mutation("one")
    );
    let worker = composite(&[&always(&action)]);
    worker.services.randoms.borrow_mut().extend([29, 30]);
    assert_eq!(ran(&mut worker.stream()), "one");
    assert_eq!(ran(&mut worker.stream()), "");
}

#[test]
fn a_level_has_another_tree() {
    let worker = composite(&[&always(&format!("typed_config: {}", mutation("one")))]);
    let level = format!(
        "{{{}}}",
        always(&format!("typed_config: {}", mutation("two")))
    );
    let level = parse_level(&ROOM, &level).expect("a level");
    assert_eq!(ran(&mut worker.stream().on(&level)), "two");
}

#[test]
fn without_a_tree_nothing_runs() {
    assert_eq!(ran(&mut composite(&[]).stream()), "");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let with = |part: &str| refusal(&ROOM, &format!("{{{part}}}"));
    let empty = with("named_filter_chains: {n: {typed_config: []}}");
    assert!(
        empty.contains("Named filter chain 'n' must contain at least one filter."),
        "{empty}"
    );
    let nothing = with(&always("sample_percent: {default_value: {numerator: 1}}"));
    assert!(
        nothing.contains("Didn't find a registered implementation for ''"),
        "{nothing}"
    );
    let dynamic = with(&always("dynamic_config: {name: a}"));
    assert!(dynamic.contains("not supported"), "{dynamic}");
}
