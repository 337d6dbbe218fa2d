//! Checks by a service that a test plays, step by step.

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
use nuncio_contract::http_filter::{DataStatus, HeadersStatus, Resume};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::LocalFuture;
use nuncio_service_messages::Message;
use nuncio_service_messages::auth::{
    CheckRequest, CheckResponse, DeniedHttpResponse, HttpRequest, HttpResponse,
};
use nuncio_service_messages::common::Status;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, outcome};

const GRPC: &str = "grpc_service: {envoy_grpc: {cluster_name: authz}}, transport_api_version: V3";

/// A service that answers every call alike, and what it was asked last.
#[derive(Default)]
struct Played {
    /// None: it never answers.
    answer: Option<CheckResponse>,
    asked: Rc<RefCell<Vec<u8>>>,
}

struct PlayedCall {
    events: VecDeque<CallEvent>,
    asked: Rc<RefCell<Vec<u8>>>,
}

impl HttpCall for PlayedCall {
    fn send(&mut self, data: &[u8], _end_stream: bool) {
        self.asked.borrow_mut().extend_from_slice(data);
    }

    fn unsent_bytes(&self) -> usize {
        0
    }

    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<CallEvent> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

impl HttpCalls for Played {
    fn start(
        &self,
        cluster: &str,
        _head: HeaderMap,
        _options: CallOptions,
    ) -> Option<Box<dyn HttpCall>> {
        if cluster != "authz" {
            return None;
        }
        let events = self.answer.as_ref().map(|answer| {
            let mut headers = HeaderMap::response();
            headers.set(Known::Status, b"200");
            let mut data = Buffer::new();
            data.extend(&frame(&answer.encode_to_vec()));
            let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
            trailers.set(Known::GrpcStatus, b"0");
            [
                CallEvent::Head {
                    headers,
                    end_stream: false,
                },
                CallEvent::Data {
                    data,
                    end_stream: false,
                },
                CallEvent::Trailers(trailers),
            ]
        });
        self.asked.borrow_mut().clear();
        Some(Box::new(PlayedCall {
            events: events.into_iter().flatten().collect(),
            asked: Rc::clone(&self.asked),
        }))
    }

    fn sleep(&self, _duration: Duration) -> LocalFuture<()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, _task: Pin<Box<dyn Future<Output = ()>>>) {}
}

fn worker(parts: &str, played: Played) -> Worker {
    let worker = Worker::new(&ROOM, &format!("{{{GRPC}{parts}}}"));
    *worker.services.calls.borrow_mut() = Some(Rc::new(played));
    worker
}

fn verdict(code: i32, http_response: Option<HttpResponse>) -> Played {
    Played {
        answer: Some(CheckResponse {
            status: Some(Status {
                code,
                message: String::new(),
            }),
            http_response,
            dynamic_metadata: None,
        }),
        ..Played::default()
    }
}

fn waits(stream: &mut Stream<'_>, end_stream: bool) -> LocalFuture<Resume> {
    match stream.decode_headers(end_stream) {
        HeadersStatus::Wait(wait) => wait,
        _ => panic!("it asks first"),
    }
}

fn concluded(stream: &mut Stream<'_>, mut wait: LocalFuture<Resume>) -> Option<Box<LocalReply>> {
    match outcome(&mut wait) {
        Some(Resume::Then(applied)) => stream.apply(*applied),
        _ => panic!("the service has answered"),
    }
}

fn told(asked: &Rc<RefCell<Vec<u8>>>) -> HttpRequest {
    let mut reader = FrameReader::new(None);
    reader.push(&asked.borrow());
    let message = reader.next_message().expect("a frame").expect("a message");
    let check = CheckRequest::decode(&*message).expect("a check");
    let attributes = check.attributes.expect("attributes");
    attributes
        .request
        .and_then(|request| request.http)
        .expect("a request")
}

#[test]
fn the_service_is_told_all_values_of_a_header() {
    let played = verdict(0, None);
    let asked = Rc::clone(&played.asked);
    let worker = worker("", played);
    let stream = worker.stream().going_to("here");
    let mut stream = stream.with("x-role", "user").with("x-role", "admin");
    let wait = waits(&mut stream, true);
    assert!(concluded(&mut stream, wait).is_none());
    let http = told(&asked);
    assert_eq!(
        http.headers.get("x-role").map(String::as_str),
        Some("user,admin")
    );
    assert_eq!((http.method.as_str(), http.host.as_str()), ("GET", "host"));
    assert_eq!(worker.stat("ext_authz.ok"), 1);
}

#[test]
fn a_part_of_the_body_is_told_as_such() {
    let played = verdict(0, None);
    let asked = Rc::clone(&played.asked);
    let body = ", with_request_body: {max_request_bytes: 4, allow_partial_message: true}";
    let worker = worker(body, played);
    let mut stream = worker.stream().going_to("here");
    assert!(matches!(stream.decode_headers(false), HeadersStatus::Stop));
    assert!(matches!(
        stream.decode_data(b"ab", false),
        DataStatus::StopAndBuffer
    ));
    let DataStatus::Wait(wait) = stream.decode_data(b"cde", false) else {
        panic!("there is enough of it");
    };
    assert!(concluded(&mut stream, wait).is_none());
    let http = told(&asked);
    assert_eq!(http.body, "abcd");
    let partial = http.headers.get("x-envoy-auth-partial-body");
    assert_eq!(partial.map(String::as_str), Some("true"));
    assert!(matches!(
        stream.decode_data(b"f", true),
        DataStatus::Continue
    ));
}

#[test]
fn a_denial_is_the_answer() {
    let response = HttpResponse::Denied(DeniedHttpResponse {
        body: "no".to_owned(),
        ..DeniedHttpResponse::default()
    });
    let worker = worker("", verdict(7, Some(response)));
    let mut stream = worker.stream().going_to("here");
    let wait = waits(&mut stream, true);
    let reply = concluded(&mut stream, wait).expect("an answer");
    assert_eq!((reply.status, &*reply.body), (403, &b"no"[..]));
    assert_eq!(worker.stat("ext_authz.denied"), 1);
}

#[test]
fn where_the_cluster_is_gone_nobody_passes_unless_failures_let_them() {
    for (parts, passes) in [("", false), (", failure_mode_allow: true", true)] {
        let yaml = format!(
            "{{grpc_service: {{envoy_grpc: {{cluster_name: gone}}}}, transport_api_version: V3{parts}}}"
        );
        let worker = Worker::new(&ROOM, &yaml);
        *worker.services.calls.borrow_mut() = Some(Rc::new(verdict(0, None)));
        let mut stream = worker.stream().going_to("here");
        let wait = waits(&mut stream, true);
        assert_eq!(concluded(&mut stream, wait).is_none(), passes);
        assert_eq!(worker.stat("ext_authz.error"), 1);
    }
}

#[test]
fn a_question_ends_with_its_stream() {
    let worker = worker("", Played::default());
    let mut stream = worker.stream().going_to("here");
    let mut wait = waits(&mut stream, true);
    assert!(outcome(&mut wait).is_none());
    drop(wait);
    drop(stream);
    assert_eq!(worker.stat("ext_authz.error"), 0);
}

#[test]
fn a_route_may_switch_it_off() {
    let worker = worker("", verdict(7, None));
    let stream = worker.stream().going_to("here");
    let mut stream = stream.on_level(&ROOM, "{disabled: true}");
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
}
