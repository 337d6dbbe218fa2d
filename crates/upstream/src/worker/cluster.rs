//! A cluster on one worker: follows the published hosts and picks from them.
//!
//! Priorities: the first level with a host that may be used, else the first with any host. A level whose
//! share of usable hosts is below `healthy_panic_threshold` is in panic: health is ignored. (Envoy spreads
//! the load over levels by their health; that comes with priority load.)

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::WorkerHost;
use crate::cluster::{ClusterSettings, ClusterShared, HostSet};
use crate::cluster_core::{ClusterCore, ResponseStats};
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::load_balancing::RoundRobin;
use nuncio_contract::stats::groups::ClusterTrafficStats;
use nuncio_contract::stream_info::ClusterDescription;

/// A cluster on one worker.
pub struct WorkerCluster {
    core: Rc<ClusterCore>,
    generation: Cell<u64>,
    state: RefCell<State>,
    description: OnceCell<Arc<ClusterDescription>>,
}

struct State {
    /// All hosts, so that pools outlive updates that keep their host.
    hosts: Vec<Rc<WorkerHost>>,
    /// Those to pick from.
    candidates: Vec<Rc<WorkerHost>>,
    in_panic: bool,
    turn: RoundRobin,
    /// The places of `hosts`; made when one is first asked for by its address.
    by_address: Option<HashMap<SocketAddr, usize>>,
}

impl WorkerCluster {
    pub(crate) fn new(core: Rc<ClusterCore>, seed: u64) -> Self {
        let state = State {
            hosts: Vec::new(),
            candidates: Vec::new(),
            in_panic: true,
            turn: RoundRobin::new(seed),
            by_address: None,
        };
        // No published generation: the first pick takes the hosts over.
        Self {
            core,
            generation: Cell::new(u64::MAX),
            state: RefCell::new(state),
            description: OnceCell::new(),
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

    /// This worker's traffic stats, for what the router counts.
    pub fn traffic_stats(&self) -> &ClusterTrafficStats {
        &self.core.traffic
    }

    /// This worker's counts of responses, for the router.
    pub fn responses(&self) -> &ResponseStats {
        &self.core.responses
    }

    /// The cluster as access logs show it.
    pub fn description(&self) -> Arc<ClusterDescription> {
        Arc::clone(self.description.get_or_init(|| {
            let settings = self.settings();
            Arc::new(ClusterDescription {
                name: settings.name.clone(),
                observability_name: settings.stat_name().into(),
                metadata: settings.metadata.as_deref().cloned().unwrap_or_default(),
            })
        }))
    }

    pub(crate) fn is_of(&self, shared: &Arc<ClusterShared>) -> bool {
        Arc::ptr_eq(&self.core.shared, shared)
    }

    /// The next host in turn.
    ///
    /// # Errors
    /// [`NoHealthyUpstream`](UpstreamErrorKind::NoHealthyUpstream) when there is none.
    #[inline]
    pub fn pick_host(&self) -> Result<Rc<WorkerHost>, UpstreamError> {
        self.follow();
        let mut state = self.state.borrow_mut();
        if state.in_panic {
            self.core.lb_stats.lb_healthy_panic.inc();
        }
        let count = state.candidates.len();
        let picked = state
            .turn
            .pick(count)
            .and_then(|index| state.candidates.get(index));
        picked.cloned().ok_or_else(|| {
            self.core.traffic.upstream_cx_none_healthy.inc();
            UpstreamError::new(UpstreamErrorKind::NoHealthyUpstream)
        })
    }

    /// The host with this address, of whatever priority, if it may be used.
    pub fn host_at(&self, address: SocketAddr) -> Option<Rc<WorkerHost>> {
        self.follow();
        let mut state = self.state.borrow_mut();
        let State {
            hosts, by_address, ..
        } = &mut *state;
        let by_address = by_address.get_or_insert_with(|| {
            let addresses = hosts.iter().map(|host| host.host().address);
            addresses.zip(0..).collect()
        });
        let host = hosts.get(*by_address.get(&address)?)?;
        host.host().health().is_usable().then(|| Rc::clone(host))
    }

    /// Counts that the load balancer gave no host.
    pub fn count_no_host(&self) {
        self.core.traffic.upstream_cx_none_healthy.inc();
    }

    /// Takes the published hosts over where they have changed.
    #[inline]
    fn follow(&self) {
        let generation = self.core.shared.generation();
        if self.generation.get() != generation {
            self.generation.set(generation);
            self.take_over(&self.core.shared.hosts());
        }
    }

    fn take_over(&self, set: &HostSet) {
        let mut state = self.state.borrow_mut();
        state.by_address = None;
        let known = std::mem::take(&mut state.hosts);
        state.hosts = self.keep_known(&known, set);
        let gone = known
            .iter()
            .filter(|old| !state.hosts.iter().any(|new| Rc::ptr_eq(old, new)));
        gone.for_each(|host| host.drain());
        state.choose_candidates(set, self.settings().healthy_panic_threshold_percent);
    }

    fn keep_known(&self, known: &[Rc<WorkerHost>], set: &HostSet) -> Vec<Rc<WorkerHost>> {
        let by_address: HashMap<_, _> = known
            .iter()
            .map(|host| (Arc::as_ptr(host.host()), host))
            .collect();
        set.iter()
            .map(|host| match by_address.get(&Arc::as_ptr(host)) {
                Some(known) => Rc::clone(known),
                None => Rc::new(WorkerHost::new(Rc::clone(&self.core), Arc::clone(host))),
            })
            .collect()
    }
}

impl State {
    fn choose_candidates(&mut self, set: &HostSet, panic_threshold_percent: f64) {
        let usable = |host: &Rc<WorkerHost>| host.host().health().is_usable();
        let level = self
            .hosts
            .iter()
            .find(|host| usable(host))
            .or(self.hosts.first())
            .map_or(0, |host| host.host().priority);
        debug_assert!(self.hosts.len() == set.iter().count());
        let of_level: Vec<_> = self
            .hosts
            .iter()
            .filter(|host| host.host().priority == level)
            .cloned()
            .collect();
        let usable_count = of_level.iter().filter(|host| usable(host)).count();
        let usable_percent = 100.0 * usable_count as f64 / of_level.len().max(1) as f64;
        self.in_panic = usable_percent < panic_threshold_percent;
        self.candidates = of_level;
        if !self.in_panic {
            self.candidates.retain(usable);
        }
        self.turn
            .hosts_changed(self.candidates.iter().map(|host| host.host().weight));
    }
}

impl Drop for WorkerCluster {
    fn drop(&mut self) {
        self.state
            .get_mut()
            .hosts
            .iter()
            .for_each(|host| host.drain());
    }
}
