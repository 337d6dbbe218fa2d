//! Calls over clusters whose hosts play a script, over real sockets.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::calls::{CallOptions, CallRetries, Calls, collect};
use nuncio_contract::clock::SystemClock;
use nuncio_contract::grpc_client::{GrpcEvent, GrpcTarget, frame};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::{StatValue, StatsStore};
use nuncio_testkit::http2::frame::{Frame, flag, kind};
use nuncio_testkit::http2::hpack;
use nuncio_testkit::script::{Script, Step};
use nuncio_testkit::upstream::{Http2Script, Http2Step, Speaks, Upstream};
use nuncio_upstream::cluster::{ClusterSettings, HealthFlags, Host, HostSet, UpstreamProtocol};
use nuncio_upstream::{ClusterManager, TransportSocket};

use crate::worker::Worker;

const METHOD: &str = "/pkg.Service/Method";

fn on_worker(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(30), test)
            .await
            .expect("it ends");
    });
}

/// A worker with one cluster, `c`, which leads to an upstream.
struct Fixture {
    stats: StatsStore,
    worker: Worker,
}

impl Fixture {
    fn to(upstream: &Upstream, protocol: UpstreamProtocol) -> Self {
        let stats = StatsStore::default();
        let manager = Arc::new(ClusterManager::new(stats.clone()));
        let mut settings = ClusterSettings::named("c");
        settings.http.protocol = protocol;
        let shared = manager.prepare(settings, TransportSocket::RawBuffer, false);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream.port()));
        let healthy = HealthFlags::HEALTHY;
        let host = Host::new(address, "", 1, 0, Arc::default(), healthy);
        shared.publish_hosts(Arc::new(HostSet::new(vec![Arc::new(host)])));
        manager.publish([shared]);
        let worker = Worker::new(Rc::new(SystemClock), 7, manager);
        super::offer(&worker, Rc::new(SystemClock));
        Fixture { stats, worker }
    }

    fn calls(&self) -> Calls {
        self.worker.calls().expect("a worker can make calls")
    }

    async fn get(&self, options: CallOptions) -> (u16, String) {
        let mut head = HeaderMap::request();
        head.set(Known::Method, b"GET");
        head.set(Known::Path, b"/");
        head.set(Known::Authority, b"host.example");
        let mut call = self.calls().start("c", head, options).expect("a cluster");
        call.send(&[], true);
        let answer = collect(call).await.expect("a complete answer");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        (answer.status(), body)
    }

    fn stat(&self, name: &str) -> u64 {
        let mut found = 0;
        for scope in self.stats.scopes() {
            scope.for_each(&mut |view| {
                if view.name.to_string() == name
                    && let StatValue::Counter { value, .. } | StatValue::Gauge { value, .. } =
                        view.value
                {
                    found = value;
                }
            });
        }
        found
    }

    async fn until_stat(&self, name: &str, value: u64) {
        while self.stat(name) != value {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn headers(fields: &'static [(&str, &str)], flags: u8) -> Http2Step {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    Http2Step::Send(Arc::new(move |stream| {
        let flags = flags | flag::END_HEADERS;
        vec![Frame::new(
            kind::HEADERS,
            flags,
            stream,
            hpack::encode(&fields),
        )]
    }))
}

fn data(bytes: Vec<u8>) -> Http2Step {
    Http2Step::Send(Arc::new(move |stream| {
        vec![Frame::new(kind::DATA, 0, stream, bytes.clone())]
    }))
}

const OK: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/grpc")];

fn grpc_host(answers: impl IntoIterator<Item = Vec<Http2Step>>) -> Upstream {
    let answers = answers.into_iter().map(|steps| (METHOD.to_owned(), steps));
    let script = Http2Script {
        answers: answers.collect(),
        ..Http2Script::default()
    };
    Upstream::speaking("host", Speaks::Http2(script), None).expect("an upstream")
}

fn http_host(answers: impl IntoIterator<Item = Vec<Step>>) -> Upstream {
    let mut script = Script::new();
    for steps in answers {
        script.answer("*", steps);
    }
    Upstream::start("host", script, None).expect("an upstream")
}

fn retries(on: &str) -> CallOptions {
    CallOptions {
        retries: Some(Arc::new(CallRetries {
            retry_on: on.into(),
            num_retries: 2,
            back_off: Some((Duration::from_millis(1), Duration::from_secs(20))),
        })),
        ..CallOptions::default()
    }
}

#[test]
fn messages_go_both_ways_while_a_stream_is_open() {
    on_worker(async {
        let host = grpc_host([vec![
            Http2Step::Early,
            headers(OK, 0),
            data(frame(b"before the end")),
            Http2Step::ReadBody,
            data(frame(b"behind it")),
            headers(&[("grpc-status", "0"), ("x-more", "1")], flag::END_STREAM),
        ]]);
        let fixture = Fixture::to(&host, UpstreamProtocol::Http2);
        let target = GrpcTarget::of_cluster("c");
        let mut stream = target
            .stream(&*fixture.calls(), METHOD, None)
            .expect("a stream");
        stream.send(b"first");
        assert!(matches!(stream.next().await, GrpcEvent::Head(_)));
        let GrpcEvent::Message(message) = stream.next().await else {
            panic!("a message comes while the request is open");
        };
        assert_eq!(message, b"before the end");
        stream.send(b"second");
        stream.finish();
        let GrpcEvent::Message(message) = stream.next().await else {
            panic!("a message comes behind the request");
        };
        assert_eq!(message, b"behind it");
        let GrpcEvent::End(end) = stream.next().await else {
            panic!("then the stream ends");
        };
        assert_eq!((end.status, end.trailers.len()), (0, 2));
        drop(stream);
        let seen = host.take_seen();
        let sent: Vec<_> = [frame(b"first"), frame(b"second")].concat();
        let body = seen.first().map(|seen| seen.message.body.clone());
        assert_eq!(body, Some(sent));
        fixture.until_stat("cluster.c.upstream_rq_active", 0).await;
        assert_eq!(fixture.stat("cluster.c.upstream_rq_2xx"), 1);
        assert_eq!(fixture.stat("cluster.c.internal.upstream_rq_200"), 1);
        assert_eq!(fixture.stat("http.async-client.rq_total"), 1);
    });
}

#[test]
fn a_stream_that_is_dropped_ends_at_the_host() {
    on_worker(async {
        let host = grpc_host([vec![Http2Step::Early, headers(OK, 0), Http2Step::ReadBody]]);
        let fixture = Fixture::to(&host, UpstreamProtocol::Http2);
        let target = GrpcTarget::of_cluster("c");
        let mut stream = target
            .stream(&*fixture.calls(), METHOD, None)
            .expect("a stream");
        stream.send(b"x");
        assert!(matches!(stream.next().await, GrpcEvent::Head(_)));
        drop(stream);
        fixture.until_stat("cluster.c.upstream_rq_active", 0).await;
        assert_eq!(fixture.stat("cluster.c.upstream_rq_tx_reset"), 1);
        assert_eq!(fixture.stat("cluster.c.upstream_cx_active"), 1);
    });
}

#[test]
fn where_nobody_listens_a_call_of_grpc_is_unavailable_and_one_of_http_gets_503() {
    on_worker(async {
        let host = Upstream::refusing("host").expect("a port");
        let fixture = Fixture::to(&host, UpstreamProtocol::Http2);
        let target = GrpcTarget::of_cluster("c");
        let call = target.unary(&*fixture.calls(), METHOD, b"x", None, None);
        let end = call.await.expect_err("nobody answers");
        assert_eq!(end.status, 14);
        assert!(end.message.contains("reset reason"), "{}", end.message);
        let fixture = Fixture::to(&host, UpstreamProtocol::Http1);
        let (status, text) = fixture.get(CallOptions::default()).await;
        assert_eq!(status, 503);
        assert!(text.starts_with("upstream connect error"), "{text}");
        assert_eq!(fixture.stat("cluster.c.upstream_rq_503"), 1);
    });
}

#[test]
fn a_cluster_that_is_not_there_makes_no_call() {
    on_worker(async {
        let host = Upstream::refusing("host").expect("a port");
        let fixture = Fixture::to(&host, UpstreamProtocol::Http1);
        let target = GrpcTarget::of_cluster("other");
        let call = target.unary(&*fixture.calls(), METHOD, b"x", None, None);
        assert_eq!(call.await.expect_err("no cluster").status, 14);
    });
}

#[test]
fn an_answer_that_takes_too_long_is_given_up() {
    on_worker(async {
        let host = grpc_host([vec![Http2Step::Never]]);
        let fixture = Fixture::to(&host, UpstreamProtocol::Http2);
        let timeout = Some(Duration::from_millis(30));
        let target = GrpcTarget::of_cluster("c");
        let call = target.unary(&*fixture.calls(), METHOD, b"x", timeout, None);
        let end = call.await.expect_err("nothing comes");
        assert_eq!(end.message, "upstream request timeout");
        assert_eq!(fixture.stat("cluster.c.upstream_rq_timeout"), 1);
        assert_eq!(fixture.stat("cluster.c.upstream_rq_504"), 1);
    });
}

#[test]
fn what_fails_is_tried_again_with_all_that_was_sent() {
    on_worker(async {
        let failed: &[(&str, &str)] = &[(":status", "200"), ("grpc-status", "14")];
        let well = vec![
            Http2Step::ReadBody,
            headers(OK, 0),
            data(frame(b"well")),
            headers(&[("grpc-status", "0")], flag::END_STREAM),
        ];
        let first = vec![Http2Step::ReadBody, headers(failed, flag::END_STREAM)];
        let host = grpc_host([first, well]);
        let fixture = Fixture::to(&host, UpstreamProtocol::Http2);
        let mut head = HeaderMap::request();
        head.set(Known::Method, b"POST");
        head.set(Known::Path, METHOD.as_bytes());
        head.set(Known::Authority, b"c");
        head.set(Known::ContentType, b"application/grpc");
        let mut call = fixture
            .calls()
            .start("c", head, retries("unavailable"))
            .expect("a cluster");
        call.send(b"body", true);
        let answer = collect(call).await.expect("an answer");
        assert_eq!(answer.body, frame(b"well"));
        let bodies: Vec<_> = host
            .take_seen()
            .into_iter()
            .map(|seen| seen.message.body)
            .collect();
        assert_eq!(bodies, [b"body", b"body"]);
        assert_eq!(fixture.stat("cluster.c.upstream_rq_retry_success"), 1);
    });
}

#[test]
fn retries_end_with_the_last_answer() {
    on_worker(async {
        let busy = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy".to_vec();
        let host = http_host([vec![Step::Send(busy)]]);
        let fixture = Fixture::to(&host, UpstreamProtocol::Http1);
        let (status, text) = fixture.get(retries("5xx")).await;
        assert_eq!((status, text.as_str()), (503, "busy"));
        assert_eq!(host.take_seen().len(), 3);
        assert_eq!(
            fixture.stat("cluster.c.upstream_rq_retry_limit_exceeded"),
            1
        );
    });
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    on_worker(async {
        let half = b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\nhalf".to_vec();
        let host = http_host([vec![Step::Send(half), Step::Close]]);
        let fixture = Fixture::to(&host, UpstreamProtocol::Http1);
        let mut head = HeaderMap::request();
        head.set(Known::Method, b"GET");
        head.set(Known::Path, b"/");
        head.set(Known::Authority, b"c");
        let options = CallOptions::default();
        let mut call = fixture
            .calls()
            .start("c", head, options)
            .expect("a cluster");
        call.send(&[], true);
        assert!(collect(call).await.is_none());
    });
}
