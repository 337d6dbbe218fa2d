//! What belongs to one worker: its clock and chance, its clusters, the date of the second.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nuncio_contract::calls::Calls;
use nuncio_contract::clock::{Clock, HeldClock};
use nuncio_contract::forward_proxy::ForwardProxy;
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::on_demand::{ClusterSource, Found, OnDemandClusters};
use nuncio_contract::overload::OverloadOnWorker;
use nuncio_contract::services::{FailingHealth, LocalFuture, Membership, WorkerServices};
use nuncio_contract::stats::groups::RouterStats;
use nuncio_contract::stream_info::{ClusterDescription, ConnectionInfo};
use nuncio_upstream::cluster::Provided;
use nuncio_upstream::forward_proxy::NamesOf;
use nuncio_upstream::{ClusterManager, WorkerCluster, WorkerClusters};

use crate::route::{Action, ClusterChoice, RouteTable};
use crate::stream::{RouteSnapshot, StreamRoute, StreamState};

/// Stream states that a worker keeps for the streams to come, of 2 KiB each.
const MAX_SPARE_STREAMS: usize = 256;

/// For how long a date is taken for that of now.
const DATE_VALID_FOR: Duration = Duration::from_millis(10);

/// A worker. Everything on it runs on one thread.
pub struct Worker {
    clock: Rc<HeldClock>,
    random: Cell<u64>,
    /// The worker's view of the clusters.
    pub clusters: Rc<WorkerClusters>,
    /// All clusters, for look-ups by name.
    pub manager: Arc<ClusterManager>,
    date: RefCell<Date>,
    /// While health checks fail, the process drains.
    failing_health: FailingHealth,
    /// What the overload manager decides, if there is one.
    overload: Option<Rc<OverloadOnWorker>>,
    #[expect(
        clippy::vec_box,
        reason = "they go into streams and come back without being moved"
    )]
    spare_streams: RefCell<Vec<Box<StreamState>>>,
    /// What spare streams hold in the place of a route table, which could not go otherwise.
    no_routes: Rc<RouteSnapshot>,
    /// Who the process is, if it was said.
    node: Option<Arc<LocalNode>>,
    /// What makes calls over the clusters, once it is there.
    calls: OnceCell<Calls>,
    /// What counts the requests that nobody but the proxy sends, copies among them.
    own_requests: OnceCell<Arc<RouterStats>>,
}

/// The HTTP date, and until when it will do.
#[derive(Default)]
struct Date {
    seconds: u64,
    text: Box<[u8]>,
    valid_until: Option<Instant>,
}

impl Date {
    #[cold]
    fn renew(&mut self, now: Instant, wall: SystemTime) {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        if self.seconds != seconds || self.text.is_empty() {
            let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            self.text = httpdate::fmt_http_date(whole).into_bytes().into();
            self.seconds = seconds;
        }
        self.valid_until = Some(now + DATE_VALID_FOR);
    }
}

impl Worker {
    /// A worker; `seed` must differ from worker to worker.
    pub fn new(clock: Rc<dyn Clock>, seed: u64, manager: Arc<ClusterManager>) -> Self {
        let clock = Rc::new(HeldClock::new(clock));
        Worker {
            clusters: Rc::new(WorkerClusters::new(
                Arc::clone(&manager),
                Rc::clone(&clock) as Rc<dyn Clock>,
                seed,
            )),
            manager,
            clock,
            random: Cell::new(seed | 1),
            date: RefCell::default(),
            failing_health: FailingHealth::default(),
            overload: None,
            spare_streams: RefCell::default(),
            node: None,
            calls: OnceCell::new(),
            own_requests: OnceCell::new(),
            no_routes: RouteSnapshot::for_look_ups(Arc::new(RouteTable::empty())),
        }
    }

    /// What counts the requests that nobody but the proxy sends.
    pub(crate) fn own_requests(&self) -> &RouterStats {
        self.own_requests.get_or_init(|| {
            let stats = self.manager.stats();
            stats.scope("http.async-client").worker_group()
        })
    }

    /// Runs one step, such as a poll of a connection: within it the worker's time stands still.
    #[inline]
    pub fn step<T>(&self, step: impl FnOnce() -> T) -> T {
        self.clock.hold(step)
    }

    /// Calls `read` with the HTTP date of now; it may be 10 ms late.
    pub fn with_date<T>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        let now = self.now();
        let mut date = self.date.borrow_mut();
        if date.valid_until.is_none_or(|until| until <= now) {
            date.renew(now, self.wall());
        }
        read(&date.text)
    }

    /// The state of a stream that begins now; large, so it is made once and used again.
    pub fn begin_stream(
        &self,
        connection: &Rc<ConnectionInfo>,
        table: Rc<RouteSnapshot>,
    ) -> Box<StreamState> {
        let (connection, now) = (Rc::clone(connection), self.now());
        match self.spare_streams.borrow_mut().pop() {
            Some(mut spare) => {
                spare.begin(connection, self.clock.anchor(), now, table);
                spare
            }
            None => Box::new(StreamState::new(connection, self.wall(), now, table)),
        }
    }

    /// Takes back what [`Self::begin_stream`] gave.
    pub fn end_stream(&self, mut state: Box<StreamState>) {
        let mut spares = self.spare_streams.borrow_mut();
        if spares.len() < MAX_SPARE_STREAMS {
            state.end(Rc::clone(&self.no_routes));
            spares.push(state);
        }
    }

    /// Looks up the route of a request, and the cluster that it leads to.
    pub(crate) fn find_route(&self, state: &mut StreamState) {
        state.find_route(self.random_u64());
        let cluster = self.cluster_of(&state.route);
        state.info.upstream_cluster = cluster.map(|cluster| cluster.description());
    }

    /// The cluster that a route leads to, where it leads to one that there is.
    pub(crate) fn cluster_of(&self, route: &StreamRoute) -> Option<Rc<WorkerCluster>> {
        let Action::Forward(forward) = route.table.action(route.index?) else {
            return None;
        };
        let id = match forward.cluster(route.picked, route.named.as_deref()) {
            ClusterChoice::Named { id, .. } => id,
            ClusterChoice::ByName(name) => self.manager.find(std::str::from_utf8(name).ok()?)?,
            ClusterChoice::Missing => return None,
        };
        self.clusters.get(id)
    }

    /// The same worker, which asks here whether health checks are to fail.
    #[must_use]
    pub fn with_health(mut self, failing: FailingHealth) -> Self {
        self.failing_health = failing;
        self
    }

    /// The same worker, of a process that is this node.
    #[must_use]
    pub fn with_node(mut self, node: Arc<LocalNode>) -> Self {
        self.node = Some(node);
        self
    }

    /// Offers these calls to all that runs here; only the first ones count.
    pub fn offer_calls(&self, calls: Calls) {
        let _there_were_some = self.calls.set(calls);
    }

    /// The same worker, which sheds load as the overload manager says.
    #[must_use]
    pub fn with_overload(mut self, overload: Option<Rc<OverloadOnWorker>>) -> Self {
        self.clusters.shed_load(overload.clone());
        self.overload = overload;
        self
    }

    /// What the overload manager decides, if there is one.
    pub fn overload(&self) -> Option<&Rc<OverloadOnWorker>> {
        self.overload.as_ref()
    }

    /// Gives back to the allocator what the worker keeps for later.
    pub fn give_back(&self) {
        self.spare_streams.take();
        nuncio_contract::buffer::give_back();
        nuncio_contract::headers::give_back();
    }

    /// Whether the process drains: responses close their connections, but for those whose drain is another matter.
    pub fn is_draining(&self) -> bool {
        self.failing_health.is_set()
    }
}

impl Clock for Worker {
    #[inline]
    fn now(&self) -> Instant {
        self.clock.now()
    }
    #[inline]
    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }
}

impl WorkerServices for Worker {
    /// xorshift64*: fast, and good enough for percentages and ids; never used for secrets.
    fn random_u64(&self) -> u64 {
        let mut state = self.random.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn sleep(&self, duration: Duration) -> LocalFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn fails_health_checks(&self) -> bool {
        self.failing_health.is_set()
    }

    fn membership(&self, cluster: &str) -> Option<Membership> {
        let hosts = self.manager.get(self.manager.find(cluster)?)?.hosts();
        let mut membership = Membership::default();
        for health in hosts.iter().map(|host| host.health()) {
            membership.total += 1;
            membership.healthy += usize::from(health.is_healthy());
            membership.degraded += usize::from(health.is_degraded());
        }
        Some(membership)
    }

    fn local_node(&self) -> Option<Arc<LocalNode>> {
        self.node.clone()
    }

    fn calls(&self) -> Option<Calls> {
        self.calls.get().cloned()
    }

    fn knows_cluster(&self, cluster: &str) -> bool {
        self.manager.find(cluster).is_some()
    }

    fn describe_cluster(&self, cluster: &str) -> Option<Rc<ClusterDescription>> {
        let cluster = self.clusters.get(self.manager.find(cluster)?)?;
        Some(cluster.description())
    }

    fn on_demand_clusters(&self) -> Option<Rc<dyn OnDemandClusters>> {
        Some(Rc::new(AskingManager(Arc::clone(&self.manager))))
    }

    fn forward_proxy(&self, cluster: &str) -> Option<Rc<dyn ForwardProxy>> {
        let cluster = self.manager.get(self.manager.find(cluster)?)?;
        let Provided::Names(names) = cluster.provided()? else {
            return None;
        };
        let names = NamesOf::new(Arc::clone(names), cluster.default_port());
        Some(Rc::new(names))
    }
}

/// Asks the main thread for clusters.
struct AskingManager(Arc<ClusterManager>);

impl OnDemandClusters for AskingManager {
    fn find(&self, source: &Arc<ClusterSource>, name: &str) -> LocalFuture<Found> {
        Box::pin(self.0.ask(source, name))
    }
}
