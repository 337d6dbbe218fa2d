//! The rooms on connections, under a clock that a test moves.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use nuncio_config::source::{Format, Source};
use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused, SupportTable};
use nuncio_config::{interpret, text, validate};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::calls::{CallEvent, CallOptions, Calls, HttpCall, HttpCalls};
use nuncio_contract::clock::Clock;
use nuncio_contract::grpc_client::frame;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::network_filter::{
    NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkResume, NetworkStatus, Shaped,
};
use nuncio_contract::registry::NetworkFilterRoom;
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stats::{StatValue, StatsStore};
use nuncio_contract::stream_info::{
    ConnectionInfo, StreamInfo, TCP_PROXY_CLUSTER, UPSTREAM_DYNAMIC_PORT,
};

use crate::{
    ROOMS, connection_limit, direct_response, echo, ext_authz, ext_proc, local_ratelimit,
    ratelimit, sni_cluster, sni_dynamic_forward_proxy, tcp_bandwidth_limit,
};

/// Sleeps are over at once.
struct Services {
    now: Cell<Instant>,
    service: Service,
}

/// A service of gRPC: what it answers to one call after another, none a failure; what it was asked.
#[derive(Clone, Default)]
struct Service {
    answers: Rc<RefCell<VecDeque<Option<Vec<u8>>>>>,
    asked: Rc<RefCell<Vec<Vec<u8>>>>,
}

/// A call of it.
struct Call {
    events: VecDeque<CallEvent>,
    asked: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl HttpCall for Call {
    fn send(&mut self, data: &[u8], _end_stream: bool) {
        self.asked.borrow_mut().push(data.to_vec());
    }

    fn unsent_bytes(&self) -> usize {
        0
    }

    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<CallEvent> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

impl HttpCalls for Service {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(std::future::pending())
    }

    fn start(&self, _: &str, _: HeaderMap, _: CallOptions) -> Option<Box<dyn HttpCall>> {
        let answer = self.answers.borrow_mut().pop_front()?;
        let mut headers = HeaderMap::response();
        headers.set(Known::Status, b"200");
        let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
        trailers.set(
            Known::GrpcStatus,
            if answer.is_some() { b"0" } else { b"13" },
        );
        let mut data = Buffer::new();
        data.extend(&answer.map(|message| frame(&message)).unwrap_or_default());
        let head = CallEvent::Head {
            headers,
            end_stream: false,
        };
        let body = CallEvent::Data {
            data,
            end_stream: false,
        };
        Some(Box::new(Call {
            events: [head, body, CallEvent::Trailers(trailers)].into(),
            asked: Rc::clone(&self.asked),
        }))
    }

    fn spawn(&self, _task: Pin<Box<dyn Future<Output = ()>>>) {}
}

impl Clock for Services {
    fn now(&self) -> Instant {
        self.now.get()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

impl WorkerServices for Services {
    fn random_u64(&self) -> u64 {
        0
    }
    fn sleep(&self, _duration: Duration) -> LocalFuture<()> {
        Box::pin(std::future::ready(()))
    }
    fn calls(&self) -> Option<Calls> {
        Some(Rc::new(self.service.clone()))
    }
}

/// A filter of a configuration on one worker.
struct Worker {
    factory: Box<dyn NetworkFilterFactory>,
    store: StatsStore,
    services: Services,
}

/// A connection of the filter.
struct Connection {
    filter: Box<dyn NetworkFilter>,
    info: StreamInfo,
    written: Vec<u8>,
}

fn parse(room: &NetworkFilterRoom, yaml: &str) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let mut ctx = Ctx::default();
    let source = Source::new("filter.yaml", Format::Yaml, yaml);
    let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics);
    let descriptor = nuncio_api::message(room.message).ok_or(Refused)?;
    let node = node.ok_or(Refused)?;
    let tree = interpret::interpret(descriptor, &node, &mut ctx.diagnostics).ok_or(Refused)?;
    validate::validate(&tree, &mut ctx.diagnostics);
    let any = Any {
        type_url: format!("type.googleapis.com/{}", room.message).into(),
        message: Arc::new(tree),
        span: Span::NONE,
    };
    let config = (room.parse)(&any, &mut ctx)?;
    match ctx.diagnostics.has_errors() {
        true => Err(Refused),
        false => Ok(config),
    }
}

impl Worker {
    fn new(room: &NetworkFilterRoom, yaml: &str) -> Self {
        let config = parse(room, yaml).unwrap_or_else(|_| panic!("{yaml}"));
        let store = StatsStore::default();
        Worker {
            factory: config.for_worker(&store.root()),
            store,
            services: Services {
                now: Cell::new(Instant::now()),
                service: Service::default(),
            },
        }
    }

    fn connection(&self) -> Connection {
        self.named_connection("")
    }

    fn named_connection(&self, server_name: &str) -> Connection {
        let connection = ConnectionInfo {
            requested_server_name: server_name.into(),
            ..ConnectionInfo::default()
        };
        let now = self.services.now();
        Connection {
            filter: self.factory.create(),
            info: StreamInfo::new(Rc::new(connection), self.services.wall(), now),
            written: Vec::new(),
        }
    }

    /// The connection begins; whether the filter lets it be.
    fn admits(&self, connection: &mut Connection) -> bool {
        self.begin(connection).is_none()
    }

    /// The connection begins; how the filter has it closed.
    fn begin(&self, connection: &mut Connection) -> Option<NetworkClose> {
        let status = connection.filter.on_new_connection(&mut NetworkContext {
            stream_info: &mut connection.info,
            out: &mut connection.written,
            services: &self.services,
        });
        self.closes(connection, status)
    }

    fn data(&self, connection: &mut Connection, data: &[u8], end: bool) -> Option<NetworkClose> {
        let mut context = NetworkContext {
            stream_info: &mut connection.info,
            out: &mut connection.written,
            services: &self.services,
        };
        let status = connection.filter.on_data(&mut context, data, end);
        self.closes(connection, status)
    }

    fn closes(&self, connection: &mut Connection, status: NetworkStatus) -> Option<NetworkClose> {
        let mut wait = match status {
            NetworkStatus::Continue | NetworkStatus::Stop => return None,
            NetworkStatus::Close(close) => return Some(close),
            NetworkStatus::Wait(wait) => wait,
            NetworkStatus::Shape(mut shaping) => {
                let shaped = shaping
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
                let Poll::Ready(shaped) = shaped else {
                    panic!("nothing takes time here");
                };
                let conclude = shaped.conclusion?;
                return conclude(&mut connection.info, &self.services);
            }
        };
        match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(NetworkResume::Close(close)) => Some(close),
            Poll::Ready(NetworkResume::Continue) => None,
            Poll::Ready(NetworkResume::Then(conclude)) => {
                conclude(&mut connection.info, &self.services)
            }
            Poll::Pending => panic!("nothing takes time here"),
        }
    }

    /// What the service says to the next call.
    fn answers(&self, answer: Option<&[u8]>) {
        let answers = &self.services.service.answers;
        answers.borrow_mut().push_back(answer.map(<[u8]>::to_vec));
    }

    fn stat(&self, name: &str) -> u64 {
        let mut found = None;
        for scope in self.store.scopes() {
            scope.for_each(&mut |view| {
                let (StatValue::Counter { value, .. } | StatValue::Gauge { value, .. }) =
                    view.value
                else {
                    return;
                };
                if view.name.to_string() == name {
                    found = Some(value);
                }
            });
        }
        found.unwrap_or_else(|| panic!("no stat is called {name}"))
    }
}

#[test]
fn rooms_have_names_and_messages_of_their_own() {
    let mut table = SupportTable::default();
    for (place, room) in ROOMS.iter().enumerate() {
        assert!(
            room.name.starts_with("envoy.filters.network."),
            "{}",
            room.name
        );
        assert!(
            nuncio_api::message(room.message).is_some(),
            "{}",
            room.message
        );
        let others = ROOMS.iter().take(place);
        assert!(others.clone().all(|other| other.name != room.name));
        assert!(others.clone().all(|other| other.message != room.message));
        (room.support)(&mut table);
    }
}

#[test]
fn echo_sends_back_what_comes_and_ends_with_the_client() {
    let worker = Worker::new(&echo::ROOM, "{}");
    let mut connection = worker.connection();
    assert!(worker.admits(&mut connection));
    assert_eq!(worker.data(&mut connection, b"one", false), None);
    let end = worker.data(&mut connection, b"two", true).expect("it ends");
    assert!(end.flushes);
    assert_eq!(connection.written, b"onetwo");
}

#[test]
fn a_direct_response_is_written_before_the_connection_is_closed() {
    let worker = Worker::new(
        &direct_response::ROOM,
        "{response: {inline_string: 'go away'}}",
    );
    let mut connection = worker.connection();
    let end = worker.begin(&mut connection).expect("it ends");
    assert!(end.flushes);
    assert_eq!(connection.written, b"go away");
}

#[test]
fn a_connection_gives_its_place_to_the_next_when_it_ends() {
    for delay in ["", ", delay: 1s"] {
        let yaml = format!("{{stat_prefix: p, max_connections: 1{delay}}}");
        let worker = Worker::new(&connection_limit::ROOM, &yaml);
        let mut first = worker.connection();
        assert!(worker.admits(&mut first));
        assert_eq!(worker.stat("connection_limit.p.active_connections"), 1);
        let refused = worker.begin(&mut worker.connection()).expect("no place");
        assert_eq!(refused.reason, "over_connection_limit");
        assert_eq!(worker.stat("connection_limit.p.limited_connections"), 1);
        drop(first);
        assert_eq!(worker.stat("connection_limit.p.active_connections"), 0);
        assert!(worker.admits(&mut worker.connection()));
    }
}

#[test]
fn a_limit_that_is_switched_off_counts_nothing() {
    let yaml = "{stat_prefix: p, max_connections: 1, runtime_enabled: {default_value: false, runtime_key: k}}";
    let worker = Worker::new(&connection_limit::ROOM, yaml);
    let mut all = [worker.connection(), worker.connection()];
    assert!(all.iter_mut().all(|one| worker.admits(one)));
    assert_eq!(worker.stat("connection_limit.p.active_connections"), 0);
}

#[test]
fn connections_wait_for_a_bucket_to_fill_by_being_closed() {
    let yaml = "{stat_prefix: p, token_bucket: {max_tokens: 1, fill_interval: 1s}}";
    let worker = Worker::new(&local_ratelimit::ROOM, yaml);
    assert!(worker.admits(&mut worker.connection()));
    let refused = worker.begin(&mut worker.connection()).expect("no token");
    assert_eq!(refused.reason, "local_ratelimit_close_over_limit");
    assert_eq!(worker.stat("local_rate_limit.p.rate_limited"), 1);
    let later = worker.services.now() + Duration::from_secs(1);
    worker.services.now.set(later);
    assert!(worker.admits(&mut worker.connection()));
}

#[test]
fn filters_with_the_same_key_share_their_bucket() {
    let yaml = |key: &str| {
        format!(
            "{{stat_prefix: p, share_key: {key}, token_bucket: {{max_tokens: 1, fill_interval: 60s}}}}"
        )
    };
    let one = Worker::new(&local_ratelimit::ROOM, &yaml("shared"));
    let other = Worker::new(&local_ratelimit::ROOM, &yaml("shared"));
    let apart = Worker::new(&local_ratelimit::ROOM, &yaml("apart"));
    assert!(one.admits(&mut one.connection()));
    assert!(!other.admits(&mut other.connection()));
    assert!(apart.admits(&mut apart.connection()));
}

#[test]
fn a_bucket_that_fills_too_fast_is_refused() {
    let yaml = "{stat_prefix: p, token_bucket: {max_tokens: 1, fill_interval: 0.049s}}";
    assert!(parse(&local_ratelimit::ROOM, yaml).is_err());
}

#[test]
fn the_server_name_becomes_the_name_of_the_cluster() {
    let worker = Worker::new(&sni_cluster::ROOM, "{}");
    let cluster = |server_name: &str| {
        let mut connection = worker.named_connection(server_name);
        assert!(worker.admits(&mut connection));
        let state = connection.info.filter_state();
        state.and_then(|state| state.get(TCP_PROXY_CLUSTER)?.serialize_as_string())
    };
    assert_eq!(cluster("a.example.com").as_deref(), Some("a.example.com"));
    assert_eq!(cluster(""), None);
}

#[test]
fn the_port_of_the_host_is_left_for_who_has_a_server_name() {
    let port = |yaml: &str, server_name: &str| {
        let worker = Worker::new(&sni_dynamic_forward_proxy::ROOM, yaml);
        let mut connection = worker.named_connection(server_name);
        assert!(worker.admits(&mut connection));
        let state = connection.info.filter_state();
        state.and_then(|state| state.get(UPSTREAM_DYNAMIC_PORT)?.serialize_as_string())
    };
    let given = "{port_value: 8443, dns_cache_config: {name: names}}";
    assert_eq!(port(given, "a.example.com").as_deref(), Some("8443"));
    let default = "{dns_cache_config: {name: names}}";
    assert_eq!(port(default, "a.example.com").as_deref(), Some("443"));
    assert_eq!(port(given, ""), None);
}

const SERVICE: &str = "grpc_service: {envoy_grpc: {cluster_name: service}}";

#[test]
fn a_connection_is_checked_once_with_its_first_bytes() {
    let worker = Worker::new(&ext_authz::ROOM, &format!("{{stat_prefix: p, {SERVICE}}}"));
    let mut connection = worker.connection();
    assert!(worker.admits(&mut connection));
    assert_eq!(worker.stat("ext_authz.p.total"), 0);
    worker.answers(Some(b"\x0a\x00"));
    assert_eq!(worker.data(&mut connection, b"one", false), None);
    assert_eq!(worker.data(&mut connection, b"two", false), None);
    assert_eq!(worker.stat("ext_authz.p.total"), 1);
    assert_eq!(worker.stat("ext_authz.p.ok"), 1);
    assert_eq!(worker.stat("ext_authz.p.active"), 0);
}

#[test]
fn who_may_not_be_is_closed_with_metadata_left_behind() {
    let worker = Worker::new(&ext_authz::ROOM, &format!("{{stat_prefix: p, {SERVICE}}}"));
    let mut connection = worker.connection();
    worker.answers(Some(
        b"\x0a\x02\x08\x07\"\x0e\x0a\x0c\x0a\x04user\x12\x04\x1a\x02me",
    ));
    let end = worker
        .data(&mut connection, b"one", false)
        .expect("it ends");
    assert_eq!(end.reason, "ext_authz_close");
    let details = connection.info.response_code_details.as_deref();
    assert_eq!(details, Some("ext_authz_denied"));
    let metadata = connection.info.dynamic_metadata();
    let fields = metadata.and_then(|it| it.namespace("envoy.filters.network.ext_authz"));
    assert!(fields.is_some());
    assert_eq!(worker.stat("ext_authz.p.denied"), 1);
    assert_eq!(worker.stat("ext_authz.p.cx_closed"), 1);
}

#[test]
fn a_service_that_fails_closes_connections_unless_they_may_pass() {
    for (allow, passed) in [(false, 0), (true, 1)] {
        let yaml = format!("{{stat_prefix: p, failure_mode_allow: {allow}, {SERVICE}}}");
        let worker = Worker::new(&ext_authz::ROOM, &yaml);
        worker.answers(None);
        let end = worker.data(&mut worker.connection(), b"one", false);
        assert_eq!(end.is_none(), allow);
        assert_eq!(worker.stat("ext_authz.p.error"), 1);
        assert_eq!(worker.stat("ext_authz.p.failure_mode_allowed"), passed);
    }
}

#[test]
fn connections_are_counted_by_what_is_known_of_them() {
    let yaml = |deny: bool| {
        format!(
            "{{stat_prefix: p, domain: d, failure_mode_deny: {deny}, rate_limit_service: {{{SERVICE}}}, \
             descriptors: [{{entries: [{{key: name, value: 'x-%REQUESTED_SERVER_NAME%'}}]}}]}}"
        )
    };
    let worker = Worker::new(&ratelimit::ROOM, &yaml(false));
    worker.answers(Some(b"\x08\x01"));
    assert!(worker.admits(&mut worker.named_connection("a.example")));
    let asked = worker.services.service.asked.borrow().concat();
    let told = b"x-a.example";
    assert!(asked.windows(told.len()).any(|part| part == told));
    worker.answers(Some(b"\x08\x02"));
    let end = worker.begin(&mut worker.connection()).expect("it ends");
    assert_eq!(end.reason, "ratelimit_close_over_limit");
    worker.answers(None);
    assert!(worker.admits(&mut worker.connection()));
    assert_eq!(worker.stat("ratelimit.p.failure_mode_allowed"), 1);
    assert_eq!(worker.stat("ratelimit.p.total"), 3);

    let worker = Worker::new(&ratelimit::ROOM, &yaml(true));
    worker.answers(None);
    let end = worker.begin(&mut worker.connection()).expect("it ends");
    assert_eq!(end.reason, "ratelimit_error_failure_mode_connection_close");
}

#[test]
fn a_processor_that_fails_closes_connections_unless_they_may_go_on() {
    let config = |allow: bool| {
        format!(
            "stat_prefix: a\nfailure_mode_allow: {allow}\n\
             grpc_service: {{ envoy_grpc: {{ cluster_name: c }} }}"
        )
    };
    for answers in [0, 1] {
        let closing = Worker::new(&ext_proc::ROOM, &config(false));
        let passing = Worker::new(&ext_proc::ROOM, &config(true));
        for _ in 0..answers {
            closing.answers(None);
            passing.answers(None);
        }
        let mut connection = closing.connection();
        let close = closing.data(&mut connection, b"a", false);
        assert_eq!(
            close,
            Some(NetworkClose::after_flush("ext_proc_stream_error"))
        );
        let mut connection = passing.connection();
        // Both go on as they came, and nothing is held.
        assert!(shaped(&passing, &mut connection, b"a", false).is_none());
        assert!(shaped(&passing, &mut connection, b"b", true).is_none());
    }
}

#[test]
fn a_processor_that_is_told_nothing_is_refused() {
    let mode = |mode: &str| {
        format!(
            "stat_prefix: a\nprocessing_mode: {{ {mode} }}\n\
             grpc_service: {{ envoy_grpc: {{ cluster_name: c }} }}"
        )
    };
    let room = &ext_proc::ROOM;
    assert!(parse(room, &mode("process_read: SKIP, process_write: SKIP")).is_err());
    assert!(parse(room, &mode("process_read: SKIP")).is_ok());
    assert!(parse(room, "stat_prefix: a").is_err());
}

/// What goes on of a client's bytes; none if they do as they are.
fn shaped(worker: &Worker, connection: &mut Connection, data: &[u8], end: bool) -> Option<Shaped> {
    let mut context = NetworkContext {
        stream_info: &mut connection.info,
        out: &mut connection.written,
        services: &worker.services,
    };
    let NetworkStatus::Shape(mut shaping) = connection.filter.on_data(&mut context, data, end)
    else {
        return None;
    };
    match shaping
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(shaped) => Some(shaped),
        Poll::Pending => panic!("nothing takes time here"),
    }
}

#[test]
fn what_is_too_much_of_a_connection_passes_in_parts_and_the_end_with_the_last() {
    let worker = Worker::new(
        &tcp_bandwidth_limit::ROOM,
        "stat_prefix: a\nread_limit_kbps: 1",
    );
    let mut connection = worker.connection();
    assert!(shaped(&worker, &mut connection, &[0; 1020], false).is_none());
    let first = shaped(&worker, &mut connection, &[1; 10], true).expect("a part");
    assert_eq!(first.instead, Some(vec![1; 4]));
    assert!(first.is_part && !first.end_stream);
    let wait = shaped(&worker, &mut connection, &[], false).expect("a wait");
    assert_eq!(wait.instead, Some(Vec::new()));
    worker
        .services
        .now
        .set(worker.services.now() + Duration::from_millis(50));
    let last = shaped(&worker, &mut connection, &[], false).expect("the rest");
    assert_eq!(last.instead, Some(vec![1; 6]));
    assert!(!last.is_part && last.end_stream);
}
