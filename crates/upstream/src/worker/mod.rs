//! A worker's own side of the clusters: its load balancers, its pools, its stats cells.
//!
//! Everything here stays on its thread. A cluster's part is made when the worker first uses the cluster.

mod aggregate;
mod around;
mod by_grid;
mod cluster;
mod expecting;
mod host;
mod named_pools;
mod provided;
mod redis;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

pub use cluster::WorkerCluster;
pub use expecting::Expected;
pub use host::WorkerHost;

use nuncio_contract::clock::Clock;
use nuncio_contract::overload::OverloadOnWorker;

use crate::cluster_core::ClusterCore;
use crate::load_balancing::Random;
use crate::manager::{ClusterId, ClusterManager};

/// The clusters as one worker sees them.
pub struct WorkerClusters {
    manager: Arc<ClusterManager>,
    clock: Rc<dyn Clock>,
    seeds: Random,
    generation: Cell<u64>,
    slots: RefCell<Vec<Option<Rc<WorkerCluster>>>>,
    overload: RefCell<Option<Rc<OverloadOnWorker>>>,
}

impl WorkerClusters {
    /// A worker's view of `manager`'s clusters. `seed` decides where load balancers start.
    pub fn new(manager: Arc<ClusterManager>, clock: Rc<dyn Clock>, seed: u64) -> Self {
        let generation = Cell::new(manager.generation());
        Self {
            manager,
            clock,
            seeds: Random::new(seed),
            generation,
            slots: RefCell::default(),
            overload: RefCell::default(),
        }
    }

    /// Has pools open no connections where the overload manager says so; of clusters that are made from now on.
    pub fn shed_load(&self, overload: Option<Rc<OverloadOnWorker>>) {
        *self.overload.borrow_mut() = overload;
    }

    /// A cluster by number; `None` if there is none (any more).
    #[inline]
    pub fn get(&self, id: ClusterId) -> Option<Rc<WorkerCluster>> {
        if self.generation.get() != self.manager.generation() {
            self.drop_outdated();
        }
        if let Some(Some(cluster)) = self.slots.borrow().get(id.slot()) {
            return Some(Rc::clone(cluster));
        }
        self.make(id)
    }

    fn make(&self, id: ClusterId) -> Option<Rc<WorkerCluster>> {
        let shared = self.manager.get(id)?;
        let core = ClusterCore::new(shared, Rc::clone(&self.clock));
        let core = core.with_overload(self.overload.borrow().clone());
        let cluster = Rc::new(WorkerCluster::new(Rc::new(core), self.seeds.next()));
        cluster.set_local(self.manager.local_cluster());
        let mut slots = self.slots.borrow_mut();
        if slots.len() <= id.slot() {
            slots.resize_with(id.slot() + 1, || None);
        }
        slots.get_mut(id.slot())?.replace(Rc::clone(&cluster));
        Some(cluster)
    }

    /// Lets go of clusters that were replaced or removed; their pools drain. Done before the next pick in any
    /// case; whoever publishes clusters has idle workers do it too.
    pub fn drop_outdated(&self) {
        self.generation.set(self.manager.generation());
        let gone = self
            .manager
            .retain_serving(&mut self.slots.borrow_mut(), |held, serving| {
                held.is_of(serving)
            });
        gone.iter()
            .for_each(|cluster| cluster.core.departure.leave());
        drop(gone);
        let local = self.manager.local_cluster();
        for cluster in self.slots.borrow().iter().flatten() {
            cluster.set_local(local.clone());
        }
    }

    /// Takes hosts over as they change, so that connections to those that are gone or have become bad are closed
    /// whether there is traffic or not. Ends with the clusters.
    pub async fn follow_hosts(&self) {
        let mut changes = self.manager.host_changes();
        while changes.changed().await.is_ok() {
            let clusters: Vec<_> = self.slots.borrow().iter().flatten().cloned().collect();
            clusters.iter().for_each(|cluster| cluster.follow());
        }
    }
}
