//! What leaves when, on calls that are written down.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use nuncio_contract::calls::{CallEvent, CallOptions, Calls, HttpCall, HttpCalls};
use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc_client::FrameReader;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_service_messages::Message;
use nuncio_service_messages::access_log::{Entries, StreamAccessLogsMessage};

use crate::tests::{Config, refusal};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Calls that keep what they are sent, and time that passes when it is told to.
#[derive(Default)]
struct Played {
    sent: Rc<RefCell<Vec<u8>>>,
    unsent: Rc<Cell<usize>>,
    starts: Cell<usize>,
    tasks: RefCell<Vec<Task>>,
    /// Answers of the calls to come.
    ends: Rc<RefCell<VecDeque<CallEvent>>>,
    is_time: Rc<Cell<bool>>,
}

struct PlayedCall {
    sent: Rc<RefCell<Vec<u8>>>,
    unsent: Rc<Cell<usize>>,
    ends: Rc<RefCell<VecDeque<CallEvent>>>,
}

impl HttpCall for PlayedCall {
    fn send(&mut self, data: &[u8], _end_stream: bool) {
        self.sent.borrow_mut().extend_from_slice(data);
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent.get()
    }

    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<CallEvent> {
        self.ends
            .borrow_mut()
            .pop_front()
            .map_or(Poll::Pending, Poll::Ready)
    }
}

impl HttpCalls for Played {
    fn start(
        &self,
        cluster: &str,
        _head: HeaderMap,
        _options: CallOptions,
    ) -> Option<Box<dyn HttpCall>> {
        self.starts.set(self.starts.get() + 1);
        (cluster == "als").then(|| {
            Box::new(PlayedCall {
                sent: Rc::clone(&self.sent),
                unsent: Rc::clone(&self.unsent),
                ends: Rc::clone(&self.ends),
            }) as Box<dyn HttpCall>
        })
    }

    fn sleep(&self, _duration: Duration) -> LocalFuture<()> {
        let is_time = Rc::clone(&self.is_time);
        Box::pin(std::future::poll_fn(move |_| match is_time.get() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }))
    }

    fn spawn(&self, task: Task) {
        self.tasks.borrow_mut().push(task);
    }
}

struct Services(Rc<Played>);

impl Clock for Services {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

impl WorkerServices for Services {
    fn random_u64(&self) -> u64 {
        0
    }

    fn sleep(&self, duration: Duration) -> LocalFuture<()> {
        self.0.sleep(duration)
    }

    fn calls(&self) -> Option<Calls> {
        Some(Rc::clone(&self.0) as Calls)
    }

    fn local_node(&self) -> Option<Arc<LocalNode>> {
        Some(Arc::new(LocalNode {
            encoded: vec![0x0a, 2, b'm', b'e'],
            ..LocalNode::default()
        }))
    }
}

impl Played {
    /// Polls all tasks once.
    fn turn(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        let mut cx = Context::from_waker(Waker::noop());
        for mut task in tasks {
            if task.as_mut().poll(&mut cx).is_pending() {
                self.tasks.borrow_mut().push(task);
            }
        }
    }

    /// The messages that were sent since this was asked last: whether each says who tells, and its entries.
    fn messages(&self) -> Vec<(bool, usize)> {
        let mut reader = FrameReader::new(None);
        reader.push(&std::mem::take(&mut *self.sent.borrow_mut()));
        let mut messages = Vec::new();
        while let Some(bytes) = reader.next_message().expect("frames") {
            let message = StreamAccessLogsMessage::decode(&*bytes).expect("a message");
            let count = match message.log_entries {
                Some(Entries::Http(http)) => http.log_entry.len(),
                Some(Entries::Tcp(tcp)) => tcp.log_entry.len(),
                None => 0,
            };
            messages.push((message.identifier.is_some(), count));
        }
        messages
    }
}

fn yaml(kind: &str, cluster: &str, fields: &str) -> String {
    format!(
        "name: a\ntyped_config:\n  '@type': type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.{kind}\n  \
         common_config: {{log_name: x, transport_api_version: V3, grpc_service: {{envoy_grpc: {{cluster_name: {cluster}}}}}, {fields}}}\n"
    )
}

struct Fixture {
    played: Rc<Played>,
    store: StatsStore,
    logger: Box<dyn nuncio_contract::access_log::AccessLogger>,
}

impl Fixture {
    fn new(cluster: &str, fields: &str) -> Self {
        let store = StatsStore::default();
        let config = Config::new(&yaml("HttpGrpcAccessLogConfig", cluster, fields));
        Fixture {
            played: Rc::default(),
            logger: config.0.worker(&store.root()),
            store,
        }
    }

    fn log(&self) {
        let services = Services(Rc::clone(&self.played));
        let info = StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, services.now());
        self.logger.log(&FormatContext::new(&info, &services));
    }

    fn counts(&self) -> [u64; 4] {
        let names = [
            "logs_written",
            "logs_dropped",
            "grpc_entries_flushed",
            "grpc_entries_flush_failed",
        ];
        names.map(|name| {
            let name = format!("access_logs.grpc_access_log.{name}");
            crate::tests::counter(&self.store, &name)
        })
    }
}

#[test]
fn entries_wait_for_the_interval_and_leave_together() {
    let fixture = Fixture::new("als", "");
    fixture.log();
    fixture.log();
    fixture.played.turn();
    assert_eq!(fixture.played.messages(), []);
    fixture.played.is_time.set(true);
    fixture.played.turn();
    assert_eq!(fixture.played.messages(), [(true, 2)]);
    fixture.log();
    fixture.played.turn();
    assert_eq!(fixture.played.messages(), [(false, 1)]);
    assert_eq!(fixture.counts(), [3, 0, 3, 0]);
}

#[test]
fn who_tells_is_said_once_a_stream() {
    let fixture = Fixture::new("als", "buffer_size_bytes: 0");
    fixture.log();
    fixture.log();
    assert_eq!(fixture.played.messages(), [(true, 1), (false, 1)]);
    fixture.played.ends.borrow_mut().push_back(CallEvent::Reset);
    fixture.played.turn();
    fixture.log();
    assert_eq!(fixture.played.messages(), [(true, 1)]);
    assert_eq!(fixture.played.starts.get(), 2);
}

#[test]
fn what_a_stream_does_not_take_is_kept_up_to_the_limit_and_then_dropped() {
    let fixture = Fixture::new("als", "buffer_size_bytes: 1");
    fixture.log();
    fixture.played.unsent.set((1 << 20) + 1);
    fixture.log();
    fixture.log();
    assert_eq!(fixture.played.messages(), [(true, 1)]);
    assert_eq!(fixture.counts(), [2, 1, 1, 0]);
    fixture.played.unsent.set(0);
    fixture.log();
    assert_eq!(fixture.played.messages(), [(false, 1), (false, 1)]);
    assert_eq!(fixture.counts(), [3, 1, 3, 0]);
}

#[test]
fn without_a_cluster_entries_fail() {
    let fixture = Fixture::new("other", "buffer_size_bytes: 1");
    fixture.log();
    assert_eq!(fixture.counts(), [1, 0, 0, 1]);
}

#[test]
fn logs_that_are_written_alike_share_a_stream() {
    let (one, other) = (Fixture::new("als", ""), Fixture::new("als", ""));
    one.log();
    other.log();
    one.played.is_time.set(true);
    one.played.turn();
    assert_eq!(one.played.messages(), [(true, 2)]);
    assert_eq!(other.played.starts.get(), 0);
}

#[test]
fn what_waits_to_be_sent_outlives_its_logs() {
    let fixture = Fixture::new("als", "buffer_size_bytes: 1");
    fixture.log();
    let played = Rc::clone(&fixture.played);
    played.unsent.set(7);
    played.turn();
    drop(fixture);
    played.turn();
    assert_eq!(played.tasks.borrow().len(), 1);
    played.unsent.set(0);
    played.turn();
    played.turn();
    assert_eq!(played.tasks.borrow().len(), 0);
}

#[test]
fn names_that_are_no_headers_are_refused() {
    let kind = "HttpGrpcAccessLogConfig";
    let text = yaml(kind, "als", "") + "  additional_request_headers_to_log: [ 'a b' ]\n";
    assert!(!refusal(&text).is_empty());
}
