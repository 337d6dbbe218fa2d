//! Streams past a processor that a test plays, step by step.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::calls::{CallEvent, CallOptions, HttpCall, HttpCalls};
use nuncio_contract::grpc_client::{FrameReader, frame};
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::http_filter::{DataStatus, HeadersStatus, Then, TrailersStatus};
use nuncio_contract::services::LocalFuture;
use nuncio_service_messages::Message;
use nuncio_service_messages::common::{HeaderValue, HeaderValueOption};
use nuncio_service_messages::ext_proc::{
    Answer, BodyMutation, CommonAnswer, CommonResponse, HeaderMutation, HttpBody,
    ImmediateResponse, Mutation, Part, ProcessingRequest, ProcessingResponse, TrailersAnswer,
};

use super::ROOM;
use crate::tests::harness::{Stream, Worker};

/// A processor that says what a test has it say.
#[derive(Clone, Default)]
struct Played {
    says: Rc<RefCell<VecDeque<CallEvent>>>,
    heard: Rc<RefCell<FrameReader>>,
}

impl HttpCall for Played {
    fn send(&mut self, data: &[u8], _end_stream: bool) {
        self.heard.borrow_mut().push(data);
    }

    fn unsent_bytes(&self) -> usize {
        0
    }

    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<CallEvent> {
        let next = self.says.borrow_mut().pop_front();
        next.map_or(Poll::Pending, Poll::Ready)
    }
}

impl HttpCalls for Played {
    fn start(
        &self,
        _cluster: &str,
        _head: HeaderMap,
        _options: CallOptions,
    ) -> Option<Box<dyn HttpCall>> {
        let mut headers = HeaderMap::response();
        headers.set(Known::Status, b"200");
        let head = CallEvent::Head {
            headers,
            end_stream: false,
        };
        self.says.borrow_mut().push_front(head);
        Some(Box::new(self.clone()))
    }

    fn sleep(&self, _duration: Duration) -> LocalFuture<()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, _task: Pin<Box<dyn Future<Output = ()>>>) {}
}

impl Played {
    fn says(&self, answer: Answer) {
        self.says_all_of(ProcessingResponse {
            answer: Some(answer),
            ..ProcessingResponse::default()
        });
    }

    fn says_all_of(&self, message: ProcessingResponse) {
        let mut data = Buffer::new();
        data.extend(&frame(&message.encode_to_vec()));
        self.says.borrow_mut().push_back(CallEvent::Data {
            data,
            end_stream: false,
        });
    }

    fn ends(&self, status: &str) {
        let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
        trailers.set(Known::GrpcStatus, status.as_bytes());
        self.says
            .borrow_mut()
            .push_back(CallEvent::Trailers(trailers));
    }

    /// What it has heard since this was asked last.
    fn heard(&self) -> Vec<String> {
        let mut told = Vec::new();
        while let Ok(Some(message)) = self.heard.borrow_mut().next_message() {
            let message = ProcessingRequest::decode(&*message).expect("a message");
            told.push(match message.part.expect("a part") {
                Part::RequestHeaders(_) => "request head".to_owned(),
                Part::ResponseHeaders(_) => "response head".to_owned(),
                Part::RequestBody(body) | Part::ResponseBody(body) => {
                    let end = if body.end_of_stream { " end" } else { "" };
                    format!("{}{end}", String::from_utf8_lossy(&body.body))
                }
                Part::RequestTrailers(_) | Part::ResponseTrailers(_) => "trailers".to_owned(),
            });
        }
        told
    }
}

fn worker(config: &str) -> (Worker, Played) {
    let config = format!("{{grpc_service: {{envoy_grpc: {{cluster_name: a}}}}{config}}}");
    let worker = Worker::new(&ROOM, &config);
    let played = Played::default();
    *worker.services.calls.borrow_mut() = Some(Rc::new(played.clone()));
    (worker, played)
}

fn common(response: CommonResponse) -> CommonAnswer {
    CommonAnswer {
        response: Some(response),
    }
}

fn body(bytes: &str) -> CommonAnswer {
    common(CommonResponse {
        body_mutation: Some(BodyMutation {
            mutation: Some(Mutation::Body(bytes.as_bytes().to_vec())),
        }),
        ..CommonResponse::default()
    })
}

fn piece(bytes: &str, end_of_stream: bool) -> CommonAnswer {
    let piece = HttpBody {
        body: bytes.as_bytes().to_vec(),
        end_of_stream,
    };
    common(CommonResponse {
        body_mutation: Some(BodyMutation {
            mutation: Some(Mutation::Streamed(piece)),
        }),
        ..CommonResponse::default()
    })
}

fn set(name: &str, value: &[u8]) -> CommonAnswer {
    common(CommonResponse {
        header_mutation: Some(mutation(name, value)),
        ..CommonResponse::default()
    })
}

fn mutation(name: &str, value: &[u8]) -> HeaderMutation {
    let header = HeaderValue {
        key: name.to_owned(),
        value: String::new(),
        raw_value: value.to_vec(),
    };
    HeaderMutation {
        set_headers: vec![HeaderValueOption {
            header: Some(header),
            ..HeaderValueOption::default()
        }],
        ..HeaderMutation::default()
    }
}

/// What the filter gives back of the request by now, in words.
fn request_goes(stream: &mut Stream<'_>) -> String {
    let mut words = Vec::new();
    while let Some(then) = stream.decode_late() {
        words.push(match then {
            Then::Head { end_stream: true } => "whole head".to_owned(),
            Then::Head { end_stream: false } => "head".to_owned(),
            Then::More => "some".to_owned(),
            Then::Nothing => "rest goes by".to_owned(),
            Then::End => "end".to_owned(),
            Then::Trailers(_) => "trailers".to_owned(),
            Then::Reply(reply) => format!("{} {}", reply.status, reply.details),
        });
        let is_over = words
            .last()
            .is_some_and(|last| last != "head" && last != "some");
        if is_over {
            break;
        }
    }
    words.join(", ")
}

fn passed(stream: &Stream<'_>) -> String {
    String::from_utf8_lossy(&stream.passed).into_owned()
}

#[test]
fn a_head_waits_for_its_answer() {
    let (worker, processor) = worker("");
    let mut stream = worker.stream();
    assert!(matches!(stream.decode_headers(true), HeadersStatus::Later));
    assert_eq!(processor.heard(), ["request head"]);
    assert_eq!(request_goes(&mut stream), "");
    processor.says(Answer::RequestHeaders(set("x-new", b"1")));
    assert_eq!(request_goes(&mut stream), "whole head");
    assert_eq!(stream.header("x-new"), "1");
    assert_eq!(worker.stat("ext_proc.stream_msgs_received"), 1);
}

#[test]
fn what_would_make_another_message_of_it_is_refused() {
    for (name, value) in [
        ("x-a", &b"1\r\nx-b: 2"[..]),
        ("x-a", b"1\0"),
        ("x a", b"1"),
        ("", b"1"),
        (":path", b"/a b"),
        (":path", b""),
        (":path", b"/a\r\n"),
    ] {
        let (worker, processor) = worker("");
        let mut stream = worker.stream();
        let _later = stream.decode_headers(true);
        processor.says(Answer::RequestHeaders(set(name, value)));
        assert_eq!(
            request_goes(&mut stream),
            "500 header_mutation_set_contains_invalid_character",
            "{name} {value:?}"
        );
        assert_eq!(worker.stat("ext_proc.rejected_header_mutations"), 1);
    }
}

#[test]
fn the_processor_does_not_say_where_a_body_ends() {
    for (name, value) in [
        ("content-length", "7"),
        ("transfer-encoding", "chunked"),
        ("Transfer-Encoding", "gzip"),
    ] {
        let (worker, processor) = worker("");
        let mut stream = worker.stream();
        let _later = stream.decode_headers(true);
        processor.says(Answer::RequestHeaders(set(name, value.as_bytes())));
        assert_eq!(request_goes(&mut stream), "whole head");
        assert_eq!(stream.header(&name.to_lowercase()), "", "{name}");
    }
}

#[test]
fn the_client_has_no_other_method_than_the_rules_allow() {
    let (worker, processor) = worker(", mutation_rules: {allow_all_routing: true}");
    for (method, comes) in [
        ("PUT", "whole head"),
        (
            "CONNECT",
            "500 header_mutation_set_contains_invalid_character",
        ),
        (
            "GET /x",
            "500 header_mutation_set_contains_invalid_character",
        ),
    ] {
        let mut stream = worker.stream();
        let _later = stream.decode_headers(true);
        processor.says(Answer::RequestHeaders(set(":method", method.as_bytes())));
        assert_eq!(request_goes(&mut stream), comes, "{method}");
    }
}

#[test]
fn a_buffered_body_goes_on_with_its_head() {
    let (worker, processor) = worker(", processing_mode: {request_body_mode: BUFFERED}");
    let mut stream = worker.stream().with("content-length", "10");
    let _later = stream.decode_headers(false);
    assert!(matches!(
        stream.decode_data(b"first", false),
        DataStatus::Later
    ));
    processor.says(Answer::RequestHeaders(CommonAnswer::default()));
    assert_eq!(request_goes(&mut stream), "");
    assert_eq!(processor.heard(), ["request head"]);
    let _later = stream.decode_data(b"-last", true);
    assert_eq!(processor.heard(), ["first-last end"]);
    processor.says(Answer::RequestBody(body("other-body")));
    assert_eq!(request_goes(&mut stream), "head, end");
    assert_eq!(passed(&stream), "other-body");
}

#[test]
fn a_length_that_is_not_true_is_refused_whether_the_body_changes_or_not() {
    for answer in [CommonAnswer::default(), body("abc")] {
        let (worker, processor) = worker(", processing_mode: {request_body_mode: BUFFERED}");
        let mut stream = worker.stream().with("content-length", "5");
        let _later = stream.decode_headers(false);
        let _later = stream.decode_data(b"hello", true);
        processor.says(Answer::RequestHeaders(set("content-length", b"9")));
        processor.says(Answer::RequestBody(answer));
        assert_eq!(
            request_goes(&mut stream),
            "500 mismatch_between_content_length_and_the_length_of_the_mutated_body"
        );
    }
}

#[test]
fn a_length_that_was_said_is_taken_back_if_the_processor_goes() {
    let (worker, processor) = worker(", processing_mode: {request_body_mode: BUFFERED}");
    let mut stream = worker.stream().with("content-length", "5");
    let _later = stream.decode_headers(false);
    let _later = stream.decode_data(b"hello", true);
    processor.says(Answer::RequestHeaders(set("content-length", b"9")));
    processor.ends("0");
    assert_eq!(request_goes(&mut stream), "head, end");
    assert_eq!(stream.header("content-length"), "5");
    assert_eq!(passed(&stream), "hello");
}

#[test]
fn a_trusted_length_holds_for_streamed_bodies() {
    let config =
        ", allow_content_length_header: true, processing_mode: {request_body_mode: STREAMED}";
    for (answer, comes) in [
        ("abc", "head, end"),
        (
            "abcd",
            "500 mismatch_between_content_length_and_the_length_of_the_mutated_body",
        ),
        (
            "ab",
            "500 mismatch_between_content_length_and_the_length_of_the_mutated_body",
        ),
    ] {
        let (worker, processor) = worker(config);
        let mut stream = worker.stream().with("content-length", "5");
        let _later = stream.decode_headers(false);
        let _later = stream.decode_data(b"hello", true);
        processor.says(Answer::RequestHeaders(set("content-length", b"3")));
        processor.says(Answer::RequestBody(body(answer)));
        assert_eq!(request_goes(&mut stream), comes, "{answer}");
    }
}

#[test]
fn more_than_may_be_kept_is_refused() {
    let (worker, processor) = worker(", processing_mode: {request_body_mode: BUFFERED}");
    let mut stream = worker.stream();
    stream.limit_bytes = 8;
    let _later = stream.decode_headers(false);
    let _later = stream.decode_data(b"123456789", false);
    processor.says(Answer::RequestHeaders(CommonAnswer::default()));
    assert_eq!(request_goes(&mut stream), "413 request_payload_too_large");
}

#[test]
fn a_part_of_a_body_is_told_and_the_rest_goes_by() {
    let (worker, processor) = worker(", processing_mode: {request_body_mode: BUFFERED_PARTIAL}");
    let mut stream = worker.stream();
    stream.limit_bytes = 8;
    let _later = stream.decode_headers(false);
    let _later = stream.decode_data(b"123456789", false);
    processor.says(Answer::RequestHeaders(CommonAnswer::default()));
    assert_eq!(request_goes(&mut stream), "");
    assert_eq!(processor.heard(), ["request head", "123456789"]);
    processor.says(Answer::RequestBody(body("some")));
    assert_eq!(request_goes(&mut stream), "head, rest goes by");
    assert!(matches!(
        stream.decode_data(b"rest", true),
        DataStatus::Continue
    ));
    assert_eq!(passed(&stream), "somerest");
}

#[test]
fn a_streamed_body_goes_piece_by_piece() {
    let (worker, processor) = worker(", processing_mode: {request_body_mode: STREAMED}");
    let mut stream = worker.stream();
    let _later = stream.decode_headers(false);
    processor.says(Answer::RequestHeaders(CommonAnswer::default()));
    assert_eq!(request_goes(&mut stream), "head");
    let _later = stream.decode_data(b"one", false);
    let _later = stream.decode_data(b"two", true);
    assert_eq!(processor.heard(), ["request head", "one", "two end"]);
    assert_eq!(request_goes(&mut stream), "");
    processor.says(Answer::RequestBody(body("1")));
    assert_eq!(request_goes(&mut stream), "some");
    assert_eq!(passed(&stream), "1");
    processor.says(Answer::RequestBody(CommonAnswer::default()));
    assert_eq!(request_goes(&mut stream), "end");
    assert_eq!(passed(&stream), "1two");
}

#[test]
fn a_body_in_both_directions_comes_from_the_processor() {
    let config =
        ", processing_mode: {request_body_mode: FULL_DUPLEX_STREAMED, request_trailer_mode: SEND}";
    let (worker, processor) = worker(config);
    let mut stream = worker.stream();
    let _later = stream.decode_headers(false);
    let _later = stream.decode_data(b"one", false);
    let _later = stream.decode_data(b"two", true);
    assert_eq!(processor.heard(), ["request head", "one", "two end"]);
    processor.says(Answer::RequestHeaders(CommonAnswer::default()));
    processor.says(Answer::RequestBody(piece("o", false)));
    processor.says(Answer::RequestBody(piece("ther", true)));
    assert_eq!(request_goes(&mut stream), "head, some, some, end");
    assert_eq!(passed(&stream), "other");
    processor.says(Answer::RequestBody(piece("more", true)));
    // What nobody asked for is heard when the next part comes.
    let mut response = HeaderMap::response();
    assert!(matches!(
        stream.encode_headers(&mut response, true),
        HeadersStatus::Reply(_)
    ));
}

#[test]
fn trailers_wait_for_their_answer_with_all_before_them() {
    let config = ", processing_mode: {request_body_mode: BUFFERED, request_trailer_mode: SEND}";
    let (worker, processor) = worker(config);
    let mut stream = worker.stream();
    let _later = stream.decode_headers(false);
    let _later = stream.decode_data(b"body", false);
    assert!(matches!(stream.decode_trailers(), TrailersStatus::Later));
    processor.says(Answer::RequestHeaders(CommonAnswer::default()));
    processor.says(Answer::RequestBody(CommonAnswer::default()));
    assert_eq!(request_goes(&mut stream), "");
    assert_eq!(processor.heard(), ["request head", "body", "trailers"]);
    processor.says(Answer::RequestTrailers(TrailersAnswer::default()));
    assert_eq!(request_goes(&mut stream), "head, rest goes by");
    assert!(matches!(stream.decode_trailers(), TrailersStatus::Continue));
    assert_eq!(passed(&stream), "body");
}

#[test]
fn no_answer_in_time_is_a_failure() {
    let (worker, _processor) = worker("");
    let mut stream = worker.stream();
    let _later = stream.decode_headers(true);
    worker.services.clock.advance(Duration::from_millis(199));
    assert_eq!(request_goes(&mut stream), "");
    worker.services.clock.advance(Duration::from_millis(1));
    let timeout = "504 ext_proc_error_per-message_timeout_exceeded";
    assert_eq!(request_goes(&mut stream), timeout);
    assert_eq!(worker.stat("ext_proc.message_timeouts"), 1);
}

#[test]
fn a_failure_lets_all_go_where_that_is_allowed() {
    let config = ", failure_mode_allow: true, processing_mode: {request_body_mode: STREAMED}";
    let (worker, processor) = worker(config);
    let mut stream = worker.stream();
    let _later = stream.decode_headers(false);
    processor.says(Answer::RequestHeaders(CommonAnswer::default()));
    assert_eq!(request_goes(&mut stream), "head");
    let _later = stream.decode_data(b"one", false);
    let _later = stream.decode_data(b"two", false);
    processor.ends("13");
    assert_eq!(request_goes(&mut stream), "rest goes by");
    assert!(matches!(
        stream.decode_data(b"three", true),
        DataStatus::Continue
    ));
    assert_eq!(passed(&stream), "onetwothree");
}

#[test]
fn what_was_not_asked_is_a_failure() {
    for answer in [
        Answer::RequestBody(CommonAnswer::default()),
        Answer::RequestTrailers(TrailersAnswer::default()),
        Answer::ResponseHeaders(CommonAnswer::default()),
        Answer::ResponseBody(CommonAnswer::default()),
    ] {
        let (worker, processor) = worker("");
        let mut stream = worker.stream();
        let _later = stream.decode_headers(true);
        processor.says(answer);
        assert_eq!(request_goes(&mut stream), "500 spurious_message");
        assert_eq!(worker.stat("ext_proc.spurious_msgs_received"), 1);
    }
}

#[test]
fn an_answer_in_the_place_of_all_is_given_past_the_processor() {
    let (worker, processor) = worker("");
    let mut stream = worker.stream();
    let _later = stream.decode_headers(true);
    processor.says(Answer::Immediate(ImmediateResponse {
        headers: Some(mutation("content-length", b"99")),
        details: "not today".to_owned(),
        ..ImmediateResponse::default()
    }));
    assert_eq!(request_goes(&mut stream), "200 not_today");
    let mut response = HeaderMap::response();
    assert!(matches!(
        stream.encode_headers(&mut response, true),
        HeadersStatus::Continue
    ));
}

#[test]
fn more_time_is_given_once_and_within_the_limit() {
    let (worker, processor) = worker(", max_message_timeout: 10s");
    let mut stream = worker.stream();
    let _later = stream.decode_headers(true);
    for seconds in [60, 5, 6] {
        let timeout = nuncio_service_messages::common::Duration { seconds, nanos: 0 };
        processor.says_all_of(ProcessingResponse {
            override_message_timeout: Some(timeout),
            ..ProcessingResponse::default()
        });
    }
    assert_eq!(request_goes(&mut stream), "");
    worker.services.clock.advance(Duration::from_millis(4999));
    assert_eq!(request_goes(&mut stream), "");
    assert_eq!(worker.stat("ext_proc.override_message_timeout_received"), 1);
    assert_eq!(worker.stat("ext_proc.override_message_timeout_ignored"), 2);
    worker.services.clock.advance(Duration::from_millis(1));
    assert!(request_goes(&mut stream).starts_with("504"));
}

#[test]
fn a_body_that_the_processor_alone_has_is_not_given_up() {
    let config = ", failure_mode_allow: true, processing_mode: {request_body_mode: FULL_DUPLEX_STREAMED, request_trailer_mode: SEND}";
    for (end, comes) in [
        ("0", "head, some, 500 ext_proc_error_body_not_returned"),
        (
            "13",
            "head, some, 500 ext_proc_error_gRPC_error_13{via_upstream}",
        ),
    ] {
        let (worker, processor) = worker(config);
        let mut stream = worker.stream();
        let _later = stream.decode_headers(false);
        let _later = stream.decode_data(b"body", false);
        processor.says(Answer::RequestHeaders(CommonAnswer::default()));
        processor.ends(end);
        assert_eq!(request_goes(&mut stream), comes);
    }
}
