//! Clusters whose hosts are those of others (`envoy.clusters.aggregate`): their priorities stand one behind the other,
//! and load falls on them as on those of one cluster; the cluster whose priority was chosen then picks a host of it.
//!
//! Or the tries of a request go to them in turn (`envoy.clusters.composite`), where they may be of any kind; eight deep.
//!
//! What is looked at is made anew when the hosts of one of them change. Those that are not there are passed over; so
//! are, other than in Envoy, those that choose hosts themselves. The overprovisioning factor is that of the first one.

use std::rc::Rc;
use std::sync::Arc;

use super::{WorkerCluster, WorkerClusters, WorkerHost};
use crate::cluster::{ClusterShared, HostSet, PriorityHosts, Provided};
use crate::error::UpstreamError;
use crate::load_balancing::{LbSettings, PickContext, PriorityLoad, Snapshot};

/// How many clusters that go to others may stand one in another.
const MAX_DEPTH: u8 = 8;

/// Other clusters as one.
pub(super) struct PartsView {
    parts: Vec<Part>,
    /// Whose priority each one is, and the how manieth of it.
    priorities: Vec<(usize, usize)>,
    snapshot: Snapshot,
}

/// One of them as it was last seen.
struct Part {
    shared: Arc<ClusterShared>,
    generation: u64,
    priorities: usize,
}

impl WorkerClusters {
    /// The next host for a request, of whatever kind of cluster.
    ///
    /// # Errors
    /// [`NoHealthyUpstream`](crate::UpstreamErrorKind::NoHealthyUpstream) when there is none.
    pub fn choose_host(
        &self,
        cluster: &WorkerCluster,
        context: &PickContext<'_>,
    ) -> Result<Rc<WorkerHost>, UpstreamError> {
        let names = match cluster.shared().provided() {
            Some(Provided::Aggregate(names)) => names,
            Some(Provided::Composite(names)) => {
                return self.choose_in_turn(names, cluster, context);
            }
            _ => return cluster.choose_host(context),
        };
        let parts = self.parts_called(names);
        let chosen = cluster.choose_part(&parts, context.priority_load);
        let (part, load) = chosen.ok_or_else(|| cluster.no_host())?;
        part.choose_host(&PickContext {
            priority_load: Some(&load),
            ..*context
        })
    }

    fn parts_called(&self, names: &[Box<str>]) -> Vec<Rc<WorkerCluster>> {
        names
            .iter()
            .filter_map(|name| self.get(self.manager.find(name)?))
            .filter(|part| part.shared().provided().is_none())
            .collect()
    }

    /// How much of each priority is available to a try, in per cent of what would do; of an aggregate cluster those of
    /// all its clusters, one behind the other.
    pub fn availability(&self, cluster: &WorkerCluster, attempt: u32) -> PriorityLoad {
        let part = self.part_of_try(cluster, attempt);
        let cluster = part.as_deref().unwrap_or(cluster);
        let Some(Provided::Aggregate(names)) = cluster.shared().provided() else {
            return cluster.availability();
        };
        let parts = self.parts_called(names);
        cluster.with_parts(&parts, |view| view.snapshot.availability().clone())
    }

    /// Which of these priorities is that of the host of a try.
    pub fn priority_of(&self, cluster: &WorkerCluster, attempt: u32, host: &WorkerHost) -> usize {
        let own = usize::try_from(host.host().priority).unwrap_or(usize::MAX);
        let part = self.part_of_try(cluster, attempt);
        let cluster = part.as_deref().unwrap_or(cluster);
        let Some(Provided::Aggregate(names)) = cluster.shared().provided() else {
            return own;
        };
        let parts = self.parts_called(names);
        cluster.with_parts(&parts, |view| {
            let mut parts = view.parts.iter();
            let place = parts.position(|part| host.is_of(&part.shared));
            let wanted = place.map(|place| (place, own));
            let mut priorities = view.priorities.iter();
            let found = priorities.position(|priority| Some(*priority) == wanted);
            found.unwrap_or(usize::MAX)
        })
    }

    /// The host of a try, of the cluster that it falls on. In the place of one that is not there stands the next.
    #[cold]
    fn choose_in_turn(
        &self,
        names: &[Box<str>],
        cluster: &WorkerCluster,
        context: &PickContext<'_>,
    ) -> Result<Rc<WorkerHost>, UpstreamError> {
        let part = match context.depth < MAX_DEPTH {
            true => self.part_at(names, context.attempt),
            false => None,
        };
        let part = part.ok_or_else(|| cluster.no_host())?;
        let context = PickContext {
            depth: context.depth + 1,
            ..*context
        };
        self.choose_host(&part, &context)
    }

    fn part_at(&self, names: &[Box<str>], attempt: u32) -> Option<Rc<WorkerCluster>> {
        let place = usize::try_from(attempt.checked_sub(1)?).ok()?;
        let mut from = names.get(place..)?.iter();
        from.find_map(|name| self.get(self.manager.find(name)?))
    }

    /// The cluster that a try of a composite one falls on, through all those between; none of any other.
    pub fn part_of_try(&self, cluster: &WorkerCluster, attempt: u32) -> Option<Rc<WorkerCluster>> {
        let Some(Provided::Composite(names)) = cluster.shared().provided() else {
            return None;
        };
        let mut part = self.part_at(names, attempt)?;
        for _ in 1..MAX_DEPTH {
            let Some(Provided::Composite(names)) = part.shared().provided() else {
                break;
            };
            let next = self.part_at(names, attempt)?;
            part = next;
        }
        Some(part)
    }
}

impl WorkerCluster {
    fn choose_part<'p>(
        &self,
        parts: &'p [Rc<WorkerCluster>],
        load: Option<&PriorityLoad>,
    ) -> Option<(&'p WorkerCluster, PriorityLoad)> {
        let random = self.random.next();
        self.with_parts(parts, |view| {
            let (priority, availability) = match load {
                None => view.snapshot.priority_of(random),
                Some(load) => load.choose(random),
            };
            let (part, priority) = *view.priorities.get(priority)?;
            let of = view.parts.get(part)?.priorities;
            let load = PriorityLoad::all_on(priority, availability, of);
            Some((&**parts.get(part)?, load))
        })
    }

    /// Calls `look` with these clusters as they are now.
    fn with_parts<T>(&self, parts: &[Rc<WorkerCluster>], look: impl FnOnce(&PartsView) -> T) -> T {
        let mut state = self.state.borrow_mut();
        let known = state.parts.take().filter(|view| view.is_of(parts));
        let made = || Box::new(PartsView::new(parts, &self.settings().lb));
        look(state.parts.insert(known.unwrap_or_else(made)))
    }
}

impl PartsView {
    fn new(parts: &[Rc<WorkerCluster>], settings: &LbSettings) -> Self {
        let mut all = HostSet::default();
        let mut levels = Vec::new();
        let mut priorities = Vec::new();
        let mut seen = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let shared = Arc::clone(part.shared());
            let generation = shared.generation();
            let hosts = shared.hosts();
            if number == 0 {
                all.options = hosts.options;
            }
            for (priority, level) in hosts.priorities.iter().enumerate() {
                priorities.push((number, priority));
                levels.push(PriorityHosts {
                    hosts: level.hosts.clone(),
                });
            }
            seen.push(Part {
                shared,
                generation,
                priorities: hosts.priorities.len(),
            });
        }
        all.priorities = levels.into();
        PartsView {
            parts: seen,
            priorities,
            snapshot: Snapshot::new(&all, settings, None),
        }
    }

    /// Whether these clusters are as they were.
    fn is_of(&self, parts: &[Rc<WorkerCluster>]) -> bool {
        let is_same = |(seen, part): (&Part, &Rc<WorkerCluster>)| {
            part.is_of(&seen.shared) && seen.generation == seen.shared.generation()
        };
        self.parts.len() == parts.len() && self.parts.iter().zip(parts).all(is_same)
    }
}
