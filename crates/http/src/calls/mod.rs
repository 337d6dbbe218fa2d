//! Calls that the proxy makes itself, over its own clusters: the engine's side of
//! [`nuncio_contract::calls`], as Envoy's AsyncClient is on its router.
//!
//! One for each thread, the main thread too. A call takes the way of a request from the choice of a host on: load
//! balancing, pools, circuit breakers, retries, outlier detection and the cluster's counters are those of the router. It
//! has no client, no route and no filters, so that a cluster that asks for those (hashes of a client, subsets, original
//! destinations, names of a forward proxy) gives it a host by chance or none.
//!
//! Limits: what is kept for retries is 1 MiB; above it nothing is tried again.

mod call;
mod driver;
#[cfg(test)]
mod tests;
mod upload;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nuncio_config::runtime::RuntimeKey;
use nuncio_contract::call_notes::CallNotes;
use nuncio_contract::calls::{CallOptions, HttpCall, HttpCalls};
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{ChannelStats, RouterStats};
use nuncio_upstream::{ClusterManager, WorkerClusters};

use self::call::Call;
use self::driver::Driver;
use crate::config::router::RouterConfig;
use crate::worker::Worker;

/// Lets all that runs on a worker make calls over its clusters.
pub fn offer(worker: &Worker, clock: Rc<dyn Clock>) {
    let calls = WorkerCalls::new(worker, clock);
    nuncio_contract::calls::offer_on_thread(calls.clone());
    worker.offer_calls(calls);
}

/// The calls of one thread.
struct WorkerCalls {
    clusters: Rc<WorkerClusters>,
    manager: Arc<ClusterManager>,
    clock: Rc<dyn Clock>,
    random: Cell<u64>,
    /// `http.async-client.`, listed with the first call.
    stats: OnceCell<Arc<RouterStats>>,
    /// `grpc.<stat_prefix>.` of channels, each listed with its first call.
    channels: RefCell<HashMap<Box<str>, Arc<ChannelStats>>>,
    config: RouterConfig,
    /// For the tasks of this thread.
    me: Weak<WorkerCalls>,
}

impl WorkerCalls {
    fn new(worker: &Worker, clock: Rc<dyn Clock>) -> Rc<Self> {
        Rc::new_cyclic(|me| WorkerCalls {
            clusters: Rc::clone(&worker.clusters),
            manager: Arc::clone(&worker.manager),
            clock,
            random: Cell::new(worker.random_u64()),
            stats: OnceCell::new(),
            channels: RefCell::default(),
            config: RouterConfig {
                dynamic_stats: true,
                starts_child_spans: false,
                suppress_envoy_headers: false,
                respect_expected_rq_timeout: false,
                back_off_base_ms: RuntimeKey::default(),
                retried_percent: RuntimeKey::default(),
                upstream_filters: None,
                upstream_logs: None,
                strict_headers: Box::default(),
                hides_grpc_codes: false,
            },
            me: Weak::clone(me),
        })
    }

    fn stats(&self) -> &RouterStats {
        self.stats.get_or_init(|| {
            let stats = self.manager.stats();
            stats.scope("http.async-client").worker_group()
        })
    }
}

impl HttpCalls for WorkerCalls {
    fn start(
        &self,
        cluster: &str,
        head: HeaderMap,
        options: CallOptions,
    ) -> Option<Box<dyn HttpCall>> {
        self.start_noting(cluster, head, options, None)
    }

    fn start_noting(
        &self,
        cluster: &str,
        mut head: HeaderMap,
        options: CallOptions,
        notes: Option<Rc<CallNotes>>,
    ) -> Option<Box<dyn HttpCall>> {
        let cluster = self.clusters.get(self.manager.find(cluster)?)?;
        let calls = self.me.upgrade()?;
        if !cluster.settings().is_hidden {
            self.stats().rq_total.inc();
        }
        complete(&mut head, &options);
        Some(Box::new(Call::new(|shared| {
            Driver::new(calls, cluster, shared, head, options, notes).run()
        })))
    }

    fn channel_stats(&self, scope: &str) -> Option<Arc<ChannelStats>> {
        let mut channels = self.channels.borrow_mut();
        if let Some(stats) = channels.get(scope) {
            return Some(Arc::clone(stats));
        }
        let listed = self.manager.stats().scope(scope);
        let stats: Arc<ChannelStats> = listed.worker_group();
        stats.google_grpc_client_creation.inc();
        channels.insert(scope.into(), Arc::clone(&stats));
        Some(stats)
    }

    fn root(&self) -> Option<Scope> {
        Some(self.manager.stats().root())
    }

    fn sleep(&self, duration: Duration) -> LocalFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        tokio::task::spawn_local(task);
    }
}

/// Puts into a head what the client of calls and the router put there, in Envoy's order.
fn complete(head: &mut HeaderMap, options: &CallOptions) {
    if !head.contains(Known::Scheme) {
        head.set(Known::Scheme, b"http");
    }
    if !options.hides_internal {
        head.set(Known::XEnvoyInternal, b"true");
    }
    if let Some(address) = nuncio_net::machine::address().filter(|_| !options.hides_address) {
        head.append_joined(Known::XForwardedFor, address.to_string().as_bytes());
    }
    let timeout = driver::per_try(options).or(options.timeout);
    if let Some(timeout) = timeout.filter(|_| !options.hides_timeout) {
        let timeout_ms = crate::router::milliseconds(timeout);
        head.set_integer(Known::XEnvoyExpectedRqTimeoutMs, timeout_ms);
    }
}

impl Clock for WorkerCalls {
    fn now(&self) -> Instant {
        self.clock.now()
    }
    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }
}

impl WorkerServices for WorkerCalls {
    /// SplitMix64, for times between tries.
    fn random_u64(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 31)
    }

    fn sleep(&self, duration: Duration) -> LocalFuture<()> {
        HttpCalls::sleep(self, duration)
    }
}
