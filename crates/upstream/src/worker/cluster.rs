//! A cluster on one worker: follows the published hosts and picks from them.
//!
//! Plain round robin, where all requests go to the same hosts of one priority, takes its turns here; all else goes by
//! the [`Balancer`].

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::WorkerHost;
use super::aggregate::PartsView;
use super::around::LocalCluster;
use super::expecting::Peeked;
use crate::cluster::{
    ClusterSettings, ClusterShared, HostSet, Provided, Resource, ResourcePriority,
};
use crate::cluster_core::{ClusterCore, ResponseStats, RetryPermit, SessionPermit, TryStats};
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::load_balancing::{Balancer, PickContext, PriorityLoad, Random, RoundRobin, Snapshot};
use crate::override_host::WantedHosts;
use crate::redis_cluster::Topology;
use nuncio_contract::stats::groups::ClusterTrafficStats;
use nuncio_contract::stream_info::{ClusterDescription, FilterStateObject as _};
use nuncio_contract::upstream_filters::UpstreamSlot;

/// A cluster on one worker.
pub struct WorkerCluster {
    pub(super) core: Rc<ClusterCore>,
    generation: Cell<u64>,
    pub(super) state: RefCell<State>,
    pub(super) random: Random,
    /// The cluster whose hosts are the proxies, if it matters here.
    local: RefCell<Option<LocalCluster>>,
    description: OnceCell<Rc<ClusterDescription>>,
    filters: OnceCell<Rc<[UpstreamSlot]>>,
    kept: OnceCell<Rc<dyn Any>>,
}

pub(super) struct State {
    /// All hosts, so that pools outlive updates that keep their host.
    pub(super) hosts: Vec<Rc<WorkerHost>>,
    /// Those to pick from in turn.
    pub(super) candidates: Vec<Rc<WorkerHost>>,
    in_panic: bool,
    pub(super) turn: RoundRobin,
    pub(super) peeked: Peeked,
    /// Where plain turns will not do.
    pub(super) balancer: Option<Box<Balancer>>,
    /// Where they would do, but a request spreads load otherwise; made when there is one.
    spreading: Option<Box<Balancer>>,
    /// The places of `hosts`; made when one is first asked for by its address.
    pub(super) by_address: Option<HashMap<SocketAddr, usize>>,
    /// The same of those that are not at IP addresses, by how these are written.
    pub(super) by_text: Option<HashMap<String, usize>>,
    /// The same by their names, where the cluster chooses by that.
    pub(super) by_name: Option<HashMap<Box<str>, usize>>,
    /// Other clusters as one, where hosts are theirs.
    pub(super) parts: Option<Box<PartsView>>,
    /// Who has which slots, where it is a Redis cluster.
    pub(super) topology: Option<Arc<Topology>>,
}

impl WorkerCluster {
    pub(crate) fn new(core: Rc<ClusterCore>, seed: u64) -> Self {
        let state = State {
            hosts: Vec::new(),
            candidates: Vec::new(),
            in_panic: true,
            turn: RoundRobin::new(seed),
            peeked: Peeked::default(),
            balancer: None,
            spreading: None,
            by_address: None,
            by_text: None,
            by_name: None,
            parts: None,
            topology: None,
        };
        // No published generation: the first pick takes the hosts over.
        Self {
            core,
            generation: Cell::new(u64::MAX),
            state: RefCell::new(state),
            random: Random::new(seed),
            local: RefCell::default(),
            description: OnceCell::new(),
            filters: OnceCell::new(),
            kept: OnceCell::new(),
        }
    }

    /// Parsed settings.
    pub fn settings(&self) -> &ClusterSettings {
        self.core.settings()
    }

    /// The part that all threads share.
    pub fn shared(&self) -> &Arc<ClusterShared> {
        &self.core.shared
    }

    /// This worker's chain of the cluster's filters, if it has some.
    #[inline]
    pub fn filters(&self) -> Option<&Rc<[UpstreamSlot]>> {
        let filters = self.settings().http.filters.as_ref()?;
        Some(self.filters.get_or_init(|| {
            let shared = self.shared();
            filters.for_worker(shared.scope(), shared.scope())
        }))
    }

    /// What the proxy of a protocol keeps of the cluster on this worker, as long as the cluster is this one; made when it
    /// is first asked for. The cluster keeps what one proxy asks for; another that asks for its own gets it made each time.
    pub fn kept<T: Any>(&self, make: impl Fn() -> T) -> Rc<T> {
        let kept = self.kept.get_or_init(|| Rc::new(make()));
        let kept = Rc::clone(kept).downcast::<T>();
        kept.unwrap_or_else(|_| Rc::new(make()))
    }

    /// Whether a request is turned away as the cluster is being maintained, which is counted; chance decides.
    #[inline]
    pub fn turns_away(&self, random: impl FnOnce() -> u64) -> bool {
        let percent = self.shared().breakers().maintenance_percent();
        percent > 0 && self.turn_away(percent, random())
    }

    #[cold]
    fn turn_away(&self, percent: u32, random: u64) -> bool {
        let is_one = random % 100 < u64::from(percent);
        if is_one {
            self.core.traffic.upstream_rq_maintenance_mode.inc();
            self.shared().dropped().count();
        }
        is_one
    }

    /// This worker's traffic stats, for what the router counts.
    pub fn traffic_stats(&self) -> &ClusterTrafficStats {
        &self.core.traffic
    }

    /// This worker's counts of responses, for the router.
    pub fn responses(&self) -> &ResponseStats {
        &self.core.responses
    }

    /// This worker's counts of tries, where the cluster tracks them.
    #[inline]
    pub fn try_stats(&self) -> Option<&Rc<TryStats>> {
        self.core.tries.as_ref()
    }

    /// The cluster as access logs show it.
    pub fn description(&self) -> Rc<ClusterDescription> {
        Rc::clone(self.description.get_or_init(|| {
            let settings = self.settings();
            Rc::new(ClusterDescription {
                name: settings.name.clone(),
                observability_name: settings.stat_name().into(),
                metadata: settings.metadata.as_deref().cloned().unwrap_or_default(),
                audience: settings.audience.clone(),
            })
        }))
    }

    pub(crate) fn is_of(&self, shared: &Arc<ClusterShared>) -> bool {
        Arc::ptr_eq(&self.core.shared, shared)
    }

    /// A host for a request that has no wishes.
    ///
    /// # Errors
    /// [`NoHealthyUpstream`](UpstreamErrorKind::NoHealthyUpstream) when there is none.
    #[inline]
    pub fn pick_host(&self) -> Result<Rc<WorkerHost>, UpstreamError> {
        self.follow();
        {
            let mut state = self.state.borrow_mut();
            if state.balancer.is_none()
                && !state.candidates.is_empty()
                && let Some(picked) = self.take_turn(&mut state)
            {
                return Ok(Rc::clone(picked));
            }
        }
        self.choose_host(&PickContext::default())
    }

    /// The next host for a request.
    ///
    /// # Errors
    /// [`NoHealthyUpstream`](UpstreamErrorKind::NoHealthyUpstream) when there is none.
    pub fn choose_host(&self, context: &PickContext<'_>) -> Result<Rc<WorkerHost>, UpstreamError> {
        self.follow();
        if let Some(provided) = self.core.shared.provided() {
            return self.choose_provided(provided, context);
        }
        if let Some(wanted) = context.wanted.and_then(|wanted| self.next_wanted(wanted)) {
            return Ok(wanted);
        }
        self.find_host(context).ok_or_else(|| {
            self.core.traffic.upstream_cx_none_healthy.inc();
            UpstreamError::new(UpstreamErrorKind::NoHealthyUpstream)
        })
    }

    /// The same, without counting that there is none.
    pub fn find_host(&self, context: &PickContext<'_>) -> Option<Rc<WorkerHost>> {
        self.follow();
        if let Some(provided) = self.core.shared.provided() {
            return self.choose_provided(provided, context).ok();
        }
        let mut state = self.state.borrow_mut();
        match state.balancer {
            None if context.priority_load.is_some() => self.pick_spread(&mut state, context),
            None => self.next_in_turn(&mut state, context),
            Some(_) => self.pick_balanced(&mut state, context),
        }
    }

    /// Takes a connection's place in the circuit breaker for a session of datagrams; none if there is none left, which
    /// is counted.
    pub fn try_session(&self) -> Option<SessionPermit> {
        let permit = SessionPermit::try_take(&self.core);
        if permit.is_none() {
            self.core.traffic.upstream_cx_overflow.inc();
        }
        permit
    }

    /// Takes a retry from the circuit breaker, or the budget; none if there is none left.
    pub fn try_retry(&self, priority: ResourcePriority) -> Option<RetryPermit> {
        RetryPermit::try_take(&self.core, priority)
    }

    #[inline]
    fn take_turn<'s>(&self, state: &'s mut State) -> Option<&'s Rc<WorkerHost>> {
        if state.in_panic {
            self.core.lb_stats.lb_healthy_panic.inc();
        }
        let count = state.candidates.len();
        state.candidates.get(state.turn.pick(count)?)
    }

    fn next_in_turn(&self, state: &mut State, context: &PickContext<'_>) -> Option<Rc<WorkerHost>> {
        let mut repicks = context.repicks;
        loop {
            let picked = self.take_turn(state)?;
            if repicks == 0 || !context.rejects(picked.host()) {
                return Some(Rc::clone(picked));
            }
            repicks -= 1;
        }
    }

    #[cold]
    fn pick_balanced(
        &self,
        state: &mut State,
        context: &PickContext<'_>,
    ) -> Option<Rc<WorkerHost>> {
        let local = self.local.borrow();
        self.with_around(local.as_ref(), |around| {
            let balancer = state.balancer.as_mut()?;
            if local.as_ref().is_some_and(LocalCluster::has_changed) {
                let (_, snapshot) = self.core.shared.balanced();
                balancer.follow(snapshot, around);
            }
            let number = balancer.pick(around, context)?;
            state.hosts.get(usize::try_from(number).ok()?).cloned()
        })
    }

    /// For a request that spreads load over priorities in a way of its own.
    #[cold]
    fn pick_spread(&self, state: &mut State, context: &PickContext<'_>) -> Option<Rc<WorkerHost>> {
        let local = self.local.borrow();
        self.with_around(local.as_ref(), |around| {
            let balancer = state.spreading.get_or_insert_with(|| {
                let (_, snapshot) = self.core.shared.balanced();
                Box::new(Balancer::new(snapshot, around))
            });
            let number = balancer.pick(around, context)?;
            state.hosts.get(usize::try_from(number).ok()?).cloned()
        })
    }

    /// How much of each priority is available, in per cent of what would do.
    pub fn availability(&self) -> PriorityLoad {
        let (_, snapshot) = self.core.shared.balanced();
        snapshot.availability().clone()
    }

    /// Says which cluster's hosts are the proxies.
    pub(crate) fn set_local(&self, local: Option<Arc<ClusterShared>>) {
        let local = local.filter(|_| self.core.shared.local_cluster().is_some());
        *self.local.borrow_mut() = local.map(LocalCluster::new);
    }

    /// The host with this address as it is logged, of whatever priority, if its health allows that it is asked for.
    pub fn host_at(&self, address: &str) -> Option<Rc<WorkerHost>> {
        self.follow();
        let host = self.member_called(address)?;
        let allowed = self.settings().override_host_statuses;
        allowed.contains(host.host().status()).then_some(host)
    }

    /// All hosts, of whatever priority and health.
    pub fn members(&self) -> Vec<Rc<WorkerHost>> {
        self.follow();
        self.state.borrow().hosts.clone()
    }

    /// Looks at the hosts where they are; `look` must not ask this cluster for anything.
    pub fn look_at_members<R>(&self, look: impl FnOnce(&[Rc<WorkerHost>]) -> R) -> R {
        self.follow();
        look(&self.state.borrow().hosts)
    }

    fn member_at(&self, address: SocketAddr) -> Option<Rc<WorkerHost>> {
        let mut state = self.state.borrow_mut();
        let State {
            hosts, by_address, ..
        } = &mut *state;
        let by_address = by_address.get_or_insert_with(|| {
            let hosts = hosts.iter().map(|host| host.host()).zip(0..);
            let at_ip = hosts.filter(|(host, _)| host.not_ip.is_none());
            at_ip.map(|(host, number)| (host.address, number)).collect()
        });
        hosts.get(*by_address.get(&address)?).cloned()
    }

    /// The text counts, as in Envoy: another spelling of an address is another host.
    fn member_called(&self, text: &str) -> Option<Rc<WorkerHost>> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            let is_usual = address.to_string() == text;
            return self.member_at(address).filter(|_| is_usual);
        }
        let mut state = self.state.borrow_mut();
        let State { hosts, by_text, .. } = &mut *state;
        let by_text = by_text.get_or_insert_with(|| {
            let hosts = hosts.iter().zip(0..);
            let texts = hosts.filter_map(|(host, number)| {
                let text = host.host().not_ip.as_ref()?.serialize_as_string()?;
                Some((text, number))
            });
            texts.collect()
        });
        hosts.get(*by_text.get(text)?).cloned()
    }

    /// The next host that a request names and that is there.
    #[cold]
    fn next_wanted(&self, wanted: &WantedHosts) -> Option<Rc<WorkerHost>> {
        loop {
            if let Some(host) = self.member_called(&wanted.next()?) {
                return Some(host);
            }
        }
    }

    /// Whether the circuit breaker lets one more connection be.
    pub fn may_connect(&self) -> bool {
        let breakers = self.core.breakers();
        breakers.follow();
        breakers.can_create(ResourcePriority::Default, Resource::Connections)
    }

    /// Counts that the load balancer gave no host.
    pub fn count_no_host(&self) {
        self.core.traffic.upstream_cx_none_healthy.inc();
    }

    /// Takes the published hosts over where they have changed.
    #[inline]
    pub(super) fn follow(&self) {
        let generation = self.core.shared.generation();
        if self.generation.get() != generation {
            self.generation.set(generation);
            let (hosts, snapshot) = self.core.shared.balanced();
            self.take_over(&hosts, snapshot);
        }
    }

    fn take_over(&self, set: &HostSet, snapshot: Arc<Snapshot>) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.by_address = None;
        state.by_text = None;
        state.by_name = None;
        state.spreading = None;
        let known = std::mem::take(&mut state.hosts);
        state.hosts = self.keep_known(&known, set);
        let kept: HashSet<_> = set.iter().map(|host| host.identity()).collect();
        let gone = known
            .iter()
            .filter(|old| !kept.contains(&old.host().identity()));
        gone.for_each(|host| host.remove());
        if let Some(provided) = self.core.shared.provided() {
            if let Provided::Redis(redis) = provided {
                state.topology = Some(redis.topology());
            }
            return;
        }
        match snapshot.set.plain(&self.settings().lb) {
            Some((numbers, in_panic)) => {
                state.take_turns(numbers, in_panic);
                state.balancer = None;
            }
            None => self.balance(state, snapshot),
        }
    }

    fn balance(&self, state: &mut State, snapshot: Arc<Snapshot>) {
        let local = self.local.borrow();
        self.with_around(local.as_ref(), |around| {
            let _seen = local.as_ref().map(LocalCluster::has_changed);
            match &mut state.balancer {
                Some(balancer) => balancer.follow(snapshot, around),
                none => *none = Some(Box::new(Balancer::new(snapshot, around))),
            }
        });
    }

    fn keep_known(&self, known: &[Rc<WorkerHost>], set: &HostSet) -> Vec<Rc<WorkerHost>> {
        let before: HashMap<_, _> = known
            .iter()
            .map(|host| (host.host().identity(), host))
            .collect();
        let is_other_set = before.len() != set.iter().count()
            || !set.iter().all(|host| before.contains_key(&host.identity()));
        let closes = is_other_set && self.settings().close_connections_on_host_set_change;
        set.iter()
            .map(|host| match before.get(&host.identity()) {
                // As in Envoy, a host that was found out to be bad gets new connections, if any.
                Some(known)
                    if closes | known.has_become_bad() | known.host().has_other_socket(host) =>
                {
                    known.drain();
                    Rc::new(known.with_new_connections(Arc::clone(host)))
                }
                Some(known) if Arc::ptr_eq(known.host(), host) => Rc::clone(known),
                Some(known) => Rc::new(known.with_its_connections(Arc::clone(host))),
                None => Rc::new(WorkerHost::new(Rc::clone(&self.core), Arc::clone(host))),
            })
            .collect()
    }
}

impl State {
    /// Has these hosts take turns.
    fn take_turns(&mut self, numbers: &[u32], in_panic: bool) {
        let host = |number: &u32| self.hosts.get(usize::try_from(*number).ok()?).cloned();
        self.candidates = numbers.iter().filter_map(host).collect();
        self.in_panic = in_panic;
        self.turn.hosts_changed(
            self.candidates
                .iter()
                .map(|host| host.host().current_weight()),
        );
    }
}

impl Drop for WorkerCluster {
    fn drop(&mut self) {
        self.state
            .get_mut()
            .hosts
            .iter()
            .for_each(|host| host.remove());
    }
}
