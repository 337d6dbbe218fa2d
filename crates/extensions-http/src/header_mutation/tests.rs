//! The header mutation filter on requests and responses.

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::HeadersStatus;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, refusal, response, values};

/// A configuration with these request mutations.
fn on_requests(mutations: &str) -> Worker {
    Worker::new(
        &ROOM,
        &format!("{{mutations: {{request_mutations: [{mutations}]}}}}"),
    )
}

/// A configuration with these response mutations.
fn on_responses(mutations: &str) -> Worker {
    Worker::new(
        &ROOM,
        &format!("{{mutations: {{response_mutations: [{mutations}]}}}}"),
    )
}

/// A mutation that writes a header.
fn write(key: &str, value: &str, action: &str) -> String {
    format!("{{append: {{header: {{key: {key}, value: '{value}'}}, append_action: {action}}}}}")
}

fn goes_up(mut stream: Stream<'_>) -> Stream<'_> {
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    stream
}

fn comes_down(mut stream: Stream<'_>, mut headers: HeaderMap) -> HeaderMap {
    assert!(matches!(
        stream.encode_headers(&mut headers, true),
        HeadersStatus::Continue
    ));
    headers
}

#[test]
fn each_append_action_does_what_its_name_says() {
    for (action, where_absent, where_present) in [
        ("APPEND_IF_EXISTS_OR_ADD", "new", "old | new"),
        ("ADD_IF_ABSENT", "new", "old"),
        ("OVERWRITE_IF_EXISTS_OR_ADD", "new", "new"),
        ("OVERWRITE_IF_EXISTS", "", "new"),
    ] {
        let worker = on_requests(&write("x-it", "new", action));
        assert_eq!(
            goes_up(worker.stream()).header("x-it"),
            where_absent,
            "{action}"
        );
        let present = worker.stream().with("x-it", "old");
        assert_eq!(goes_up(present).header("x-it"), where_present, "{action}");
    }
}

#[test]
fn every_value_of_a_removed_name_goes() {
    let worker = on_requests("{remove: X-Gone}");
    let stream = worker
        .stream()
        .with("x-gone", "1")
        .with("x-stays", "2")
        .with("x-gone", "3");
    let stream = goes_up(stream);
    assert_eq!(stream.header("x-gone"), "");
    assert_eq!(stream.header("x-stays"), "2");
}

#[test]
fn mutations_run_in_the_order_of_the_configuration() {
    let add = write("x-it", "added", "APPEND_IF_EXISTS_OR_ADD");
    let removed_first = on_requests(&format!("{{remove: x-it}}, {add}"));
    assert_eq!(
        goes_up(removed_first.stream().with("x-it", "sent")).header("x-it"),
        "added"
    );
    let removed_last = on_requests(&format!("{add}, {{remove: x-it}}"));
    assert_eq!(
        goes_up(removed_last.stream().with("x-it", "sent")).header("x-it"),
        ""
    );
}

#[test]
fn a_later_mutation_sees_what_an_earlier_one_did() {
    let first = write("x-first", "1", "APPEND_IF_EXISTS_OR_ADD");
    let copy = write("x-copy", "%REQ(x-first)%", "APPEND_IF_EXISTS_OR_ADD");
    let worker = on_requests(&format!("{first}, {copy}"));
    assert_eq!(goes_up(worker.stream()).header("x-copy"), "1");
}

#[test]
fn a_value_that_comes_out_empty_adds_no_header() {
    let worker = on_requests(&write(
        "x-copy",
        "%REQ(x-absent)%",
        "APPEND_IF_EXISTS_OR_ADD",
    ));
    let stream = goes_up(worker.stream());
    assert!(!stream.request.iter().any(|header| header.name == b"x-copy"));
}

#[test]
fn responses_are_changed_on_their_way_down_and_may_quote_both_sides() {
    let quote = write(
        "x-quote",
        "%REQ(x-asked)% %RESP(x-said)%",
        "OVERWRITE_IF_EXISTS_OR_ADD",
    );
    let worker = on_responses(&format!("{quote}, {{remove: x-said}}"));
    let stream = goes_up(worker.stream().with("x-asked", "why"));
    assert_eq!(stream.header("x-quote"), "");
    let down = comes_down(
        stream,
        response(&[(":status", "200"), ("x-said", "because")]),
    );
    assert_eq!(values(&down, "x-quote"), "why because");
    assert_eq!(values(&down, "x-said"), "");
}

/// The same header written by the chain and by two levels of the route table.
fn last_word(most_specific_wins: bool) -> String {
    let writes = |value: &str| {
        let mutation = write("x-it", value, "OVERWRITE_IF_EXISTS_OR_ADD");
        format!("mutations: {{request_mutations: [{mutation}]}}")
    };
    let chain = writes("chain");
    let yaml = format!("{{{chain}, most_specific_header_mutations_wins: {most_specific_wins}}}");
    let worker = Worker::new(&ROOM, &yaml);
    let stream = worker
        .stream()
        .on_level(&ROOM, &format!("{{{}}}", writes("virtual host")))
        .on_level(&ROOM, &format!("{{{}}}", writes("route")));
    goes_up(stream).header("x-it")
}

#[test]
fn the_configuration_says_which_level_has_the_last_word() {
    assert_eq!(last_word(false), "virtual host");
    assert_eq!(last_word(true), "route");
}

#[test]
fn pseudo_headers_and_the_host_are_not_for_changing() {
    for name in ["':path'", "host"] {
        let add = write(name, "v", "APPEND_IF_EXISTS_OR_ADD");
        let yaml = format!("{{mutations: {{request_mutations: [{add}]}}}}");
        assert!(
            refusal(&ROOM, &yaml).contains("may not be modified"),
            "{name}"
        );
        let yaml = format!("{{mutations: {{request_mutations: [{{remove: {name}}}]}}}}");
        assert!(
            refusal(&ROOM, &yaml).contains("may not be removed"),
            "{name}"
        );
    }
}

#[test]
fn an_operator_that_does_not_exist_is_refused() {
    let add = write("x-it", "%NO_SUCH%", "APPEND_IF_EXISTS_OR_ADD");
    refusal(
        &ROOM,
        &format!("{{mutations: {{request_mutations: [{add}]}}}}"),
    );
}

#[test]
fn mutations_of_query_parameters_that_say_nothing_are_refused_in_envoys_words() {
    for (value, words) in [
        ("{}", "No mutation specified."),
        (
            "{append: {}}",
            "No record specified for parameter mutation.",
        ),
        (
            "{append: {record: {key: a, value: 1}}}",
            "Only string value is allowed for record value.",
        ),
    ] {
        let mutations = format!("{{mutations: {{query_parameter_mutations: [{value}]}}}}");
        let errors = refusal(&ROOM, &mutations);
        assert!(errors.contains(words), "{errors}");
    }
}
