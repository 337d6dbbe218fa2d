//! Tokens of the proxy's own, step by step.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::calls::{CallEvent, CallOptions, HttpCall, HttpCalls};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{HeadersStatus, Resume};
use nuncio_contract::services::LocalFuture;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, outcome};

const YAML: &str = "{credential: {name: c, typed_config: {\
    '@type': type.googleapis.com/envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2, \
    token_endpoint: {cluster: a, uri: 'http://a/t', timeout: 1s}, \
    client_credentials: {client_id: i, auth_type: TLS_CLIENT_AUTH}}}}";

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// An endpoint that answers when its tasks run.
#[derive(Default)]
struct Endpoint {
    bodies: RefCell<VecDeque<&'static str>>,
    tasks: RefCell<Vec<Task>>,
}

struct Call(VecDeque<CallEvent>);

impl HttpCall for Call {
    fn send(&mut self, _data: &[u8], _end_stream: bool) {}

    fn unsent_bytes(&self) -> usize {
        0
    }

    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<CallEvent> {
        Poll::Ready(self.0.pop_front().unwrap_or(CallEvent::Reset))
    }
}

impl HttpCalls for Endpoint {
    fn start(
        &self,
        _cluster: &str,
        _head: HeaderMap,
        _options: CallOptions,
    ) -> Option<Box<dyn HttpCall>> {
        let body = self.bodies.borrow_mut().pop_front()?;
        let mut headers = HeaderMap::response();
        headers.set(Known::Status, b"200");
        let mut data = Buffer::new();
        data.extend(body.as_bytes());
        let head = CallEvent::Head {
            headers,
            end_stream: false,
        };
        let rest = CallEvent::Data {
            data,
            end_stream: true,
        };
        Some(Box::new(Call([head, rest].into())))
    }

    fn sleep(&self, _duration: Duration) -> Task {
        Box::pin(pending())
    }

    fn spawn(&self, task: Task) {
        self.tasks.borrow_mut().push(task);
    }
}

impl Endpoint {
    fn run(&self) {
        for mut task in self.tasks.take() {
            assert!(outcome(&mut task).is_some(), "the answer is there");
        }
    }
}

fn worker(bodies: &[&'static str]) -> (Worker, Rc<Endpoint>) {
    let worker = Worker::new(&ROOM, YAML);
    let endpoint = Rc::new(Endpoint {
        bodies: RefCell::new(bodies.iter().copied().collect()),
        ..Endpoint::default()
    });
    *worker.services.calls.borrow_mut() = Some(endpoint.clone());
    (worker, endpoint)
}

fn waits(stream: &mut Stream<'_>) -> LocalFuture<Resume> {
    match stream.decode_headers(true) {
        HeadersStatus::Wait(future) => future,
        _ => panic!("there is no token yet"),
    }
}

/// Whether a request passes at once.
fn passes(stream: &mut Stream<'_>) -> bool {
    matches!(stream.decode_headers(true), HeadersStatus::Continue)
}

#[test]
fn requests_wait_for_the_first_token_and_not_for_others() {
    let (worker, endpoint) = worker(&[
        r#"{"access_token":"one","expires_in":10}"#,
        r#"{"access_token":"two","expires_in":10}"#,
    ]);
    let (mut first, mut second) = (worker.stream(), worker.stream());
    // The one that has it asked for goes away.
    drop(waits(&mut first));
    let mut future = waits(&mut second);
    assert!(outcome(&mut future).is_none());
    endpoint.run();
    let Some(Resume::Then(applied)) = outcome(&mut future) else {
        panic!("the token has come");
    };
    assert!(second.apply(*applied).is_none());
    assert_eq!(second.header("authorization"), "Bearer one");
    worker.services.clock.advance(Duration::from_secs(4));
    assert!(passes(&mut worker.stream()));
    assert_eq!(worker.stat("credential_injector.oauth2.token_requested"), 1);
    // Half of its time is over.
    worker.services.clock.advance(Duration::from_secs(1));
    let mut meanwhile = worker.stream();
    assert!(passes(&mut meanwhile));
    assert_eq!(meanwhile.header("authorization"), "Bearer one");
    endpoint.run();
    let mut after = worker.stream();
    assert!(passes(&mut after));
    assert_eq!(after.header("authorization"), "Bearer two");
    assert_eq!(worker.stat("credential_injector.oauth2.token_fetched"), 2);
    assert_eq!(worker.stat("credential_injector.injected"), 4);
}

#[test]
fn an_endpoint_that_is_not_there_is_asked_again_after_a_while() {
    let (worker, endpoint) = worker(&[]);
    let is_refused = || {
        matches!(
            worker.stream().decode_headers(true),
            HeadersStatus::Reply(_)
        )
    };
    assert!(is_refused());
    assert!(is_refused());
    let failed = "credential_injector.oauth2.token_fetch_failed_on_cluster_not_found";
    assert_eq!(worker.stat(failed), 1);
    worker.services.clock.advance(Duration::from_secs(2));
    let bodies = &endpoint.bodies;
    bodies
        .borrow_mut()
        .push_back(r#"{"access_token":"a\nb","expires_in":1}"#);
    drop(waits(&mut worker.stream()));
    endpoint.run();
    // What it says is no use, and so it is not asked any more.
    worker.services.clock.advance(Duration::from_secs(600));
    bodies
        .borrow_mut()
        .push_back(r#"{"access_token":"a","expires_in":1}"#);
    assert!(is_refused());
    assert_eq!(
        worker.stat("credential_injector.oauth2.token_fetch_failed_on_bad_token"),
        1
    );
    assert_eq!(worker.stat("credential_injector.oauth2.token_requested"), 1);
}
