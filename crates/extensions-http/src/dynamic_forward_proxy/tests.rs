//! The dynamic forward proxy filter on streams.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use nuncio_contract::forward_proxy::{ForwardProxy, LookUp, NamePermit};
use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::{HeadersStatus, Resume};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::ResponseFlags;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, outcome};

const CHAIN: &str = "{dns_cache_config: {name: names}}";

/// What the next look-up brings.
#[derive(Default)]
struct Names {
    next: RefCell<Option<LookUp>>,
    asked: RefCell<Vec<String>>,
    waiting: Rc<Cell<u32>>,
    is_crowded: Cell<bool>,
}

struct Place(Rc<Cell<u32>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl ForwardProxy for Names {
    fn admit(&self) -> Option<NamePermit> {
        (!self.is_crowded.get()).then(|| {
            self.waiting.set(self.waiting.get() + 1);
            Box::new(Place(Rc::clone(&self.waiting))) as NamePermit
        })
    }

    fn look_up(&self, authority: &[u8]) -> LookUp {
        let asked = String::from_utf8_lossy(authority).into_owned();
        self.asked.borrow_mut().push(asked);
        self.next.borrow_mut().take().expect("a look-up")
    }
}

fn worker() -> (Worker, Rc<Names>) {
    let worker = Worker::new(&ROOM, CHAIN);
    let names = Rc::new(Names::default());
    *worker.services.forward_proxy.borrow_mut() = Some(("names", Rc::clone(&names) as _));
    (worker, names)
}

fn address() -> SocketAddr {
    "192.0.2.1:80".parse().expect("an address")
}

fn run(stream: &mut Stream<'_>, names: &Names, next: LookUp) -> HeadersStatus {
    *names.next.borrow_mut() = Some(next);
    stream.decode_headers(true)
}

fn reply(status: HeadersStatus) -> Box<LocalReply> {
    match status {
        HeadersStatus::Reply(reply) => reply,
        _ => panic!("a reply was expected"),
    }
}

#[test]
fn names_that_are_known_pass_and_leave_their_place() {
    let (worker, names) = worker();
    let mut stream = worker.stream().going_to("names");
    let status = run(&mut stream, &names, LookUp::Known(Ok(address())));
    assert!(matches!(status, HeadersStatus::Continue));
    assert_eq!(*names.asked.borrow(), ["host"]);
    assert_eq!(names.waiting.get(), 0);
}

#[test]
fn other_clusters_are_none_of_its_business() {
    let (worker, names) = worker();
    let status = worker.stream().going_to("other").decode_headers(true);
    assert!(matches!(status, HeadersStatus::Continue));
    assert!(names.asked.borrow().is_empty());
}

#[test]
fn a_route_puts_another_host_in_the_place_of_the_requests() {
    for (route, header, wanted) in [
        ("{host_rewrite_literal: a.example}", "x", "a.example"),
        ("{host_rewrite_header: x}", "b.example", "b.example"),
        ("{host_rewrite_header: other}", "b.example", "host"),
        ("{}", "x", "host"),
    ] {
        let (worker, names) = worker();
        let mut stream = worker.stream().going_to("names").with("x", header);
        stream = stream.on_level(&ROOM, route);
        run(&mut stream, &names, LookUp::Known(Ok(address())));
        assert_eq!(*names.asked.borrow(), [wanted], "{route}");
        assert_eq!(
            stream.request.get(Known::Authority),
            Some(wanted.as_bytes())
        );
    }
}

#[test]
fn what_is_wrong_with_a_name_is_in_the_details() {
    let (worker, names) = worker();
    let mut stream = worker.stream().going_to("names");
    let status = run(
        &mut stream,
        &names,
        LookUp::Known(Err("no such name".into())),
    );
    let reply = reply(status);
    assert_eq!(
        (reply.status, &*reply.body),
        (503, b"DNS resolution failure".as_slice())
    );
    assert_eq!(reply.details, "dns_resolution_failure{no_such_name}");
    assert!(reply.flags.contains(ResponseFlags::DNS_RESOLUTION_FAILED));
}

#[test]
fn too_many_names_and_too_many_requests_are_told_apart() {
    let (worker, names) = worker();
    let status = run(&mut worker.stream().going_to("names"), &names, LookUp::Full);
    assert_eq!(reply(status).details, "dns_cache_overflow");
    names.is_crowded.set(true);
    let status = worker.stream().going_to("names").decode_headers(true);
    let details = "dynamic_forward_proxy_pending_request_overflow";
    assert_eq!(reply(status).details, details);
}

#[test]
fn a_request_has_its_place_as_long_as_its_name_is_being_resolved() {
    for is_found in [true, false] {
        let (worker, names) = worker();
        let mut stream = worker.stream().going_to("names");
        let found = if is_found {
            Ok(address())
        } else {
            Err("gone".into())
        };
        let later = LookUp::Later(Box::pin(async move { found }));
        let HeadersStatus::Wait(mut waiting) = run(&mut stream, &names, later) else {
            panic!("it waits");
        };
        assert_eq!(names.waiting.get(), 1);
        let resumed = outcome(&mut waiting).expect("it is resolved");
        assert_eq!(matches!(resumed, Resume::Continue), is_found);
        assert_eq!(names.waiting.get(), 0);
    }
}
