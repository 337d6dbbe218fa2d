//! Connections to hosts: one a worker and host, whose commands are answered in their order.

mod link;
mod pool;
mod rate;
mod redirection;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use nuncio_codec::resp::{Value, encode_command};
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_net::tasks::spawn_seldom;
use nuncio_upstream::redis_cluster::{ReadPolicy, Trouble};
use nuncio_upstream::redis_counts::{CommandCounts, Named};
use nuncio_upstream::{WorkerCluster, WorkerHost};
use tokio::sync::oneshot;

pub(crate) use pool::Pool;

use crate::commands::Words;
use crate::config::SharedConfig;

/// What a host says to a command; none: it says nothing any more.
pub(crate) type Answer = LocalFuture<Option<Value>>;

/// A command on its way.
struct Request {
    bytes: Vec<u8>,
    /// None: nobody wants to know.
    answer: Option<oneshot::Sender<Option<Value>>>,
    begun: Instant,
    counts: Option<Rc<Named>>,
}

/// What a client and its connection share.
struct Shared {
    config: SharedConfig,
    services: Rc<dyn WorkerServices>,
    cluster: Rc<WorkerCluster>,
    host: Rc<WorkerHost>,
    counts: Rc<CommandCounts>,
    incoming: RefCell<VecDeque<Request>>,
    waker: Cell<Option<Waker>>,
    /// Whether the connection is no more.
    is_closed: Cell<bool>,
    /// Whether nobody has more commands for it.
    is_left: Cell<bool>,
    /// Whether it ends once all commands are answered.
    is_leaving: Cell<bool>,
    /// Whether it is one client's alone, and stays whatever becomes of the host.
    is_alone: bool,
}

/// A connection to a host, for who has commands. It ends when this is dropped, unless it is leaving already.
pub(crate) struct Client(Rc<Shared>);

impl Client {
    /// Begins to connect.
    fn open(
        config: SharedConfig,
        services: Rc<dyn WorkerServices>,
        (cluster, host): (Rc<WorkerCluster>, Rc<WorkerHost>),
        counts: Rc<CommandCounts>,
        is_alone: bool,
    ) -> Self {
        let shared = Rc::new(Shared {
            config,
            services,
            cluster,
            host,
            counts,
            incoming: RefCell::default(),
            waker: Cell::default(),
            is_closed: Cell::new(false),
            is_left: Cell::new(false),
            is_leaving: Cell::new(false),
            is_alone,
        });
        let client = Client(shared);
        client.introduce();
        drop(spawn_seldom(link::run(Rc::clone(&client.0))));
        client
    }

    /// What a host is told before all else.
    fn introduce(&self) {
        let options = self.0.cluster.settings().redis.as_deref();
        let address = self.0.host.host().address;
        if let Some(credentials) = options.and_then(|of| of.of(address)) {
            self.push(&Rc::new(credentials.words()), None);
        }
        if self.0.config.settings.read_policy != ReadPolicy::Primary {
            self.push(&Rc::new(vec![b"readonly".to_vec()]), None);
        }
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed.get()
    }

    /// Whether its connection is there and stays.
    fn takes_more(&self) -> bool {
        !self.is_closed() && !self.0.is_leaving.get()
    }

    /// Sends a command.
    pub(crate) fn send(&self, words: &Words) -> Answer {
        let (sender, receiver) = oneshot::channel();
        self.push(words, Some(sender));
        Box::pin(async move { receiver.await.ok().flatten() })
    }

    /// Sends a command whose answer nobody wants.
    pub(crate) fn send_blindly(&self, words: &Words) {
        self.push(words, None);
    }

    fn push(&self, words: &Words, answer: Option<oneshot::Sender<Option<Value>>>) {
        let shared = &self.0;
        if shared.is_closed.get() {
            return;
        }
        let mut bytes = Vec::new();
        encode_command(words, &mut bytes);
        let (traffic, host) = (shared.cluster.traffic_stats(), shared.host.counters());
        traffic.upstream_rq_total.inc();
        traffic.upstream_rq_active.inc();
        host.rq_total.inc();
        host.rq_active.inc();
        let counts = shared.counts.begin(words);
        shared.incoming.borrow_mut().push_back(Request {
            bytes,
            answer,
            begun: shared.services.now(),
            counts,
        });
        self.wake();
    }

    /// Has it end once what was sent is answered.
    fn let_go(self) {
        self.0.is_leaving.set(true);
    }

    /// Has its connection look at what has changed.
    fn wake(&self) {
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.0.is_leaving.get() {
            self.0.is_left.set(true);
        }
        self.wake();
    }
}

impl Shared {
    /// Ends a command.
    fn answer(&self, request: Request, value: Option<Value>) {
        let (traffic, host) = (self.cluster.traffic_stats(), self.host.counters());
        traffic.upstream_rq_active.dec();
        host.rq_active.dec();
        let is_unwanted = request.answer.as_ref().is_some_and(|it| it.is_closed());
        if is_unwanted {
            traffic.upstream_rq_cancelled.inc();
        }
        if let Some(value) = &value {
            let took = self.services.now() - request.begun;
            let named = request.counts.as_deref();
            self.counts.answered(named, took, value, is_unwanted);
        }
        // As in Envoy: what nobody waits for is no failure.
        let is_awaited = request.answer.is_some() && !is_unwanted;
        if value.is_none()
            && is_awaited
            && let Some(redis) = self.cluster.redis()
        {
            redis.refresh.count(Trouble::Failure, self.services.now());
        }
        if let Some(answer) = request.answer {
            let _nobody_may_wait_for_it = answer.send(value);
        }
    }
}
