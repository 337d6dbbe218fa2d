//! What a service is asked, and the headers that tell of its limits.

use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::{HeadersStatus, Resume};
use nuncio_contract::rate_limit::{Descriptor, Entry, LimitOverride};
use nuncio_service_messages::Message;
use nuncio_service_messages::common::{Duration, HeaderValue};
use nuncio_service_messages::rate_limit::{DescriptorStatus, RateLimit, RateLimitRequest};

use super::{ROOM, service};
use crate::tests::harness::{Worker, outcome};

fn status(requests: u32, unit: i32, remaining: u32, reset: i64) -> DescriptorStatus {
    DescriptorStatus {
        code: 1,
        current_limit: Some(RateLimit {
            requests_per_unit: requests,
            unit,
            name: String::new(),
        }),
        limit_remaining: remaining,
        duration_until_reset: Some(Duration {
            seconds: reset,
            nanos: 0,
        }),
    }
}

#[test]
fn headers_tell_of_the_limit_that_is_nearest_and_of_all() {
    let statuses = [
        status(10, 1, 5, 1),
        status(100, 2, 3, 33),
        status(7, 0, 9, 2),
    ];
    let told = service::limit_headers(&statuses);
    let told: Vec<_> = told
        .iter()
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect();
    assert_eq!(told, ["100, 10;w=1, 100;w=60", "3", "33"]);
    assert!(service::limit_headers(&[]).is_empty());
}

#[test]
fn clients_are_told_when_the_last_limit_that_is_exceeded_counts_anew() {
    let over = |reset| DescriptorStatus {
        code: 2,
        ..status(1, 1, 0, reset)
    };
    let nobody_says = DescriptorStatus {
        duration_until_reset: None,
        ..over(0)
    };
    let told = |statuses: &[DescriptorStatus], name: &str| {
        let name = HeaderName::parse(name).expect("a name");
        let mut given = vec![(name, b"77".to_vec())];
        service::tell_when_again(statuses, &mut given);
        let (_, value) = given.pop().expect("a header");
        String::from_utf8(value).expect("a text")
    };
    assert_eq!(told(&[over(7), over(33), status(1, 1, 1, 99)], "x"), "33");
    assert_eq!(told(&[over(-5)], "x"), "1");
    assert_eq!(told(&[nobody_says], "x"), "1");
    assert_eq!(told(&[status(1, 1, 1, 99)], "x"), "77");
    assert_eq!(told(&[over(7)], "retry-after"), "77");
}

#[test]
fn what_a_client_sent_is_told_as_text_with_the_limit_it_brings() {
    let message = service::request(
        "here",
        vec![Descriptor {
            entries: vec![Entry::new("who", b"a\xff")],
            hits: Some(3),
            gives_back: false,
            tells_of_limit: None,
            limit: Some(LimitOverride {
                requests_per_unit: 42,
                unit: 3,
            }),
        }],
        5,
    );
    let request = RateLimitRequest::decode(&*message).expect("a request");
    assert_eq!(request.hits_addend, 5);
    let descriptor = request.descriptors.first().expect("a descriptor");
    let entry = descriptor.entries.first().expect("an entry");
    assert_eq!(
        (&*request.domain, &*entry.key, &*entry.value),
        ("here", "who", "a!")
    );
    assert_eq!(descriptor.limit.as_ref().map(|limit| limit.unit), Some(3));
    assert_eq!(descriptor.hits_addend.map(|hits| hits.value), Some(3));
}

#[test]
fn what_is_no_header_is_left_out() {
    let header = |key: &str, value: &str| HeaderValue {
        key: key.to_owned(),
        value: value.to_owned(),
        raw_value: Vec::new(),
    };
    let list = [
        header("a b", "1"),
        header("x", "1\r\ny: 2"),
        header("x-ok", "1"),
    ];
    assert_eq!(service::headers(&list).len(), 1);
}

#[test]
fn requests_pass_without_a_question_where_nothing_counts_them() {
    let yaml = "{domain: a, rate_limit_service: {transport_api_version: V3, \
                grpc_service: {envoy_grpc: {cluster_name: a}}}}";
    let worker = Worker::new(&ROOM, yaml);
    let mut stream = worker.stream().going_to("here");
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
}

#[test]
fn requests_pass_without_a_question_where_only_their_end_is_counted() {
    let yaml = "{domain: a, rate_limit_service: {transport_api_version: V3, \
                grpc_service: {envoy_grpc: {cluster_name: a}}}, rate_limits: \
                [{apply_on_stream_done: true, actions: [{generic_key: {descriptor_value: v}}]}]}";
    let worker = Worker::new(&ROOM, yaml);
    let mut stream = worker.stream().going_to("here");
    stream.info.upstream_cluster = Some(std::rc::Rc::default());
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
}

#[test]
fn where_no_calls_can_be_made_requests_pass_unless_failures_are_denied() {
    for (parts, status) in [("", None), (", failure_mode_deny: true", Some(500))] {
        let yaml = format!(
            "{{domain: a, rate_limit_service: {{transport_api_version: V3, grpc_service: \
             {{envoy_grpc: {{cluster_name: a}}}}}}, \
             rate_limits: [{{actions: [{{generic_key: {{descriptor_value: v}}}}]}}]{parts}}}"
        );
        let worker = Worker::new(&ROOM, &yaml);
        let mut stream = worker.stream().going_to("here");
        stream.info.upstream_cluster = Some(std::rc::Rc::default());
        let HeadersStatus::Wait(mut wait) = stream.decode_headers(true) else {
            panic!("it asks first");
        };
        let Some(Resume::Then(applied)) = outcome(&mut wait) else {
            panic!("nobody can be asked");
        };
        assert_eq!(stream.apply(*applied).map(|reply| reply.status), status);
    }
}
