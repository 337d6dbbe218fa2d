//! Bytes of a sink to some host of a cluster, over one connection at a time, on the main thread.
//!
//! A connection is made when there is something to send; while there is none to be had, what comes is lost, as in
//! Envoy. What the host sends is read and dropped. Limit: 16 MiB may wait; what comes beyond is lost and counted
//! in `statsd.cx_overflow`, and the connection is given up.
//!
//! Differs from Envoy: the connection is one of the cluster's pool, so that its counters know it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::stat_sink::ByteSink;
use nuncio_contract::stats::{Counter, StatsStore};
use nuncio_http::worker::Worker;
use nuncio_net::tasks::spawn_seldom;
use nuncio_upstream::{Acquired, BodyEvent, PickContext, UpstreamStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes that may wait.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// The side of the thread that tells.
pub(super) struct ToCluster {
    bytes: UnboundedSender<Vec<u8>>,
    waiting: Arc<Waiting>,
    overflow: Arc<Counter>,
}

#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    /// The connection does not keep up: it is to be given up.
    overflowed: AtomicBool,
    /// Wakes who waits for a connection that may never take more.
    overflow: Notify,
}

impl ToCluster {
    /// Starts the side of the main thread, which ends with this one.
    pub(super) fn start(cluster: &str, store: &StatsStore, worker: &Rc<Worker>) -> Self {
        let (bytes, received) = unbounded_channel();
        let waiting = Arc::<Waiting>::default();
        let carrier = Carrier {
            cluster: cluster.to_owned(),
            worker: Rc::clone(worker),
            waiting: Arc::clone(&waiting),
            stream: None,
        };
        spawn_seldom(carrier.run(received));
        Self {
            bytes,
            waiting,
            overflow: store.scope("statsd").counter("cx_overflow"),
        }
    }
}

impl ByteSink for ToCluster {
    fn send(&mut self, bytes: Vec<u8>) {
        if self.waiting.bytes.load(Relaxed) > MAX_WAITING_BYTES {
            self.waiting.overflowed.store(true, Relaxed);
            self.waiting.overflow.notify_one();
            return self.overflow.inc();
        }
        self.waiting.bytes.fetch_add(bytes.len(), Relaxed);
        let _lost_at_the_end_of_the_process = self.bytes.send(bytes);
    }
}

/// The side of the main thread.
struct Carrier {
    cluster: String,
    worker: Rc<Worker>,
    waiting: Arc<Waiting>,
    stream: Option<UpstreamStream>,
}

impl Carrier {
    async fn run(mut self, mut received: UnboundedReceiver<Vec<u8>>) {
        while let Some(bytes) = self.next(&mut received).await {
            let count = bytes.len();
            if self.stream.is_none() {
                self.stream = self.connect().await;
                // What came too much meanwhile is not this connection's fault.
                self.waiting.overflowed.store(false, Relaxed);
            }
            self.write(&bytes).await;
            self.waiting.bytes.fetch_sub(count, Relaxed);
            if self.waiting.overflowed.swap(false, Relaxed) {
                self.stream = None;
            }
        }
    }

    /// The next bytes to send; meanwhile what the host sends is dropped.
    async fn next(&mut self, received: &mut UnboundedReceiver<Vec<u8>>) -> Option<Vec<u8>> {
        poll_fn(|cx| {
            self.poll_host(cx);
            received.poll_recv(cx)
        })
        .await
    }

    /// Reads what the host sends, and lets the connection go when the host does.
    fn poll_host(&mut self, cx: &mut Context<'_>) {
        let mut dropped = Buffer::default();
        let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
        while let Some(stream) = &mut self.stream {
            dropped.clear();
            match stream.poll_read_body(cx, &mut dropped, &mut trailers) {
                Poll::Pending => return,
                Poll::Ready(Ok(BodyEvent::Data)) => {}
                Poll::Ready(_) => self.stream = None,
            }
        }
    }

    async fn connect(&self) -> Option<UpstreamStream> {
        let cluster = self.worker.manager.find(&self.cluster)?;
        let clusters = &self.worker.clusters;
        let cluster = clusters.get(cluster)?;
        let host = clusters.choose_host(&cluster, &PickContext::default());
        let host = host.ok()?;
        let ready = match host.new_tcp_stream().ok()? {
            Acquired::Ready(ready) => ready,
            Acquired::Pending(pending) => pending.await.ok()?,
        };
        let mut stream = ready.begin();
        // The head of a stream of bytes is there with the connection.
        let mut head = HeaderMap::new(MapKind::Response);
        poll_fn(|cx| stream.poll_read_head(cx, &mut head))
            .await
            .ok()?;
        Some(stream)
    }

    /// Writes all, or what an overflow leaves time for.
    async fn write(&mut self, bytes: &[u8]) {
        let (Some(stream), waiting) = (&mut self.stream, &self.waiting) else {
            return;
        };
        let mut data = Buffer::default();
        data.extend(bytes);
        let mut overflow = pin!(waiting.overflow.notified());
        poll_fn(|cx| {
            // An overflow from before leaves its permit, which says nothing of this connection.
            while overflow.as_mut().poll(cx).is_ready() {
                overflow.set(waiting.overflow.notified());
            }
            match stream.poll_write_data(cx, &mut data, false) {
                Poll::Pending if waiting.overflowed.load(Relaxed) => Poll::Ready(()),
                written => written,
            }
        })
        .await;
    }
}
