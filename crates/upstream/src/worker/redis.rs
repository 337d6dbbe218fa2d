//! Hosts of Redis clusters on one worker: those that have a slot.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::cluster::State;
use super::{WorkerCluster, WorkerHost};
use crate::cluster::{Health, HealthFlags, Host, Provided};
use crate::load_balancing::Random;
use crate::redis_cluster::{ReadPolicy, RedisCluster, SLOT_COUNT, ShardPlace};

impl WorkerCluster {
    /// Its slots, if it is a Redis cluster.
    pub fn redis(&self) -> Option<&RedisCluster> {
        match self.shared().provided()? {
            Provided::Redis(redis) => Some(redis),
            _ => None,
        }
    }

    /// How many shards it has, if it is a Redis cluster.
    pub fn shard_count(&self) -> usize {
        self.follow();
        let state = self.state.borrow();
        state.topology.as_ref().map_or(0, |it| it.shard_count())
    }

    /// A host of a shard.
    pub fn host_of_shard(&self, place: ShardPlace, policy: ReadPolicy) -> Option<Rc<WorkerHost>> {
        self.follow();
        let mut state = self.state.borrow_mut();
        let topology = state.topology.clone()?;
        let shard = topology.shard(place)?;
        let primary = state.at(shard.primary);
        let mut all = |addresses: &[SocketAddr]| -> Vec<_> {
            addresses.iter().filter_map(|at| state.at(*at)).collect()
        };
        match policy {
            ReadPolicy::Primary => primary,
            ReadPolicy::PreferPrimary if primary.as_ref().is_some_and(is_healthy) => primary,
            ReadPolicy::Replica => any(&all(&shard.replicas), &self.random),
            ReadPolicy::PreferReplica => {
                let replicas = all(&shard.replicas);
                match replicas.iter().any(is_healthy) {
                    true => any(&replicas, &self.random),
                    false => any_of_both(primary, replicas, &self.random),
                }
            }
            ReadPolicy::LocalZone | ReadPolicy::LocalZoneWithPrimary => {
                let zone = self.shared().own_zone();
                let counts_primary = policy == ReadPolicy::LocalZoneWithPrimary;
                let replicas = all(&shard.replicas);
                near(&zone, primary, replicas, counts_primary, &self.random)
            }
            ReadPolicy::PreferPrimary | ReadPolicy::Any => {
                any_of_both(primary, all(&shard.replicas), &self.random)
            }
        }
    }

    /// A host at an address that is none of the cluster's; it has connections of its own.
    pub fn host_outside(&self, address: SocketAddr) -> Rc<WorkerHost> {
        let healthy = HealthFlags::HEALTHY;
        let host = Host::new(address, "", 1, 0, Arc::default(), healthy);
        Rc::new(WorkerHost::new(Rc::clone(&self.core), Arc::new(host)))
    }

    /// The host of a hash that is no key's, as the router has it.
    pub(super) fn host_of_hash(&self, hash: Option<u64>) -> Option<Rc<WorkerHost>> {
        let slot = u16::try_from(hash? % u64::from(SLOT_COUNT)).ok()?;
        self.host_of_shard(ShardPlace::OfSlot(slot), ReadPolicy::Primary)
    }
}

impl State {
    fn at(&mut self, address: SocketAddr) -> Option<Rc<WorkerHost>> {
        let State {
            hosts, by_address, ..
        } = self;
        let by_address = by_address.get_or_insert_with(|| {
            let addresses = hosts.iter().map(|host| host.host().address);
            addresses.zip(0..).collect()
        });
        hosts.get(*by_address.get(&address)?).cloned()
    }
}

fn is_healthy(host: &Rc<WorkerHost>) -> bool {
    host.host().health().health() == Health::Healthy
}

/// Those of a zone before all others; as in Envoy replicas of the zone that are not healthy too.
fn near(
    zone: &str,
    primary: Option<Rc<WorkerHost>>,
    replicas: Vec<Rc<WorkerHost>>,
    counts_primary: bool,
    random: &Random,
) -> Option<Rc<WorkerHost>> {
    let is_near = |host: &Rc<WorkerHost>| !zone.is_empty() && *host.host().locality.zone == *zone;
    let of_zone = replicas.iter().filter(|host| is_near(host)).cloned();
    let of_zone: Vec<_> = of_zone.collect();
    let fits = |host: &Rc<WorkerHost>| counts_primary && is_near(host) && is_healthy(host);
    match primary {
        _ if !of_zone.is_empty() => any(&of_zone, random),
        Some(primary) if fits(&primary) => Some(primary),
        _ if !replicas.is_empty() => any(&replicas, random),
        primary => primary,
    }
}

fn any_of_both(
    primary: Option<Rc<WorkerHost>>,
    replicas: Vec<Rc<WorkerHost>>,
    random: &Random,
) -> Option<Rc<WorkerHost>> {
    let all: Vec<_> = primary.into_iter().chain(replicas).collect();
    any(&all, random)
}

/// Any of the healthy ones, else of the degraded ones, else of all.
fn any(hosts: &[Rc<WorkerHost>], random: &Random) -> Option<Rc<WorkerHost>> {
    let of = |health| {
        let is_so = move |host: &&Rc<WorkerHost>| host.host().health().health() == health;
        hosts.iter().filter(is_so)
    };
    for health in [Health::Healthy, Health::Degraded] {
        let count = of(health).count();
        if count > 0 {
            return of(health).nth(random.below(count)).cloned();
        }
    }
    hosts.get(random.below(hosts.len())).cloned()
}
