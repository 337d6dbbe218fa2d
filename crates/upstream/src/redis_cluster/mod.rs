//! `envoy.clusters.redis`: which host has which keys, as the hosts of a Redis cluster say it.
//!
//! The main thread asks a host for `CLUSTER SLOTS` (`discovery/redis/`) and leaves what it says here
//! ([`Topology`]); workers choose by it (`worker/redis.rs`). What goes wrong with commands has the main thread ask again
//! ([`Refresh`]). The hash of keys is [`slot_of_key`].
//!
//! Defaults are Envoy's: asked every 5 s, answered within 3 s, asked again after 5 redirections, 5 s apart at least.
//! Limits: a host that names a slot beyond the last one (16,383) has said nothing, where Envoy ends; an answer has
//! 16 MiB at most, a zone a name of 255 bytes.

mod hash;
mod refresh;
pub(crate) mod slots;
mod topology;
pub(crate) mod zones;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::host::{Health, Host, HostSet};
pub use hash::{SLOT_COUNT, slot_of_key, tag_of_key};
pub use refresh::{Refresh, Trouble};
pub(crate) use topology::{Range as TopologyRange, Shard, Topology};
pub use topology::{ReadPolicy, ShardPlace};

/// How a Redis cluster is discovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisClusterSettings {
    /// Time between questions for its slots (5 s).
    pub refresh_rate: Duration,
    /// Time within which one is to be answered (3 s).
    pub refresh_timeout: Duration,
    /// The shortest time between questions that are asked as something goes wrong (5 s).
    pub redirect_interval: Duration,
    /// After how many redirections it is asked (5); 0: never.
    pub redirections: u32,
    /// After how many commands that fail (0, never).
    pub failures: u32,
    /// After how many hosts whose health gets worse (0, never).
    pub degraded_hosts: u32,
    /// Whether hosts are asked for their zones (no), each time after the slots.
    pub asks_for_zones: bool,
}

impl Default for RedisClusterSettings {
    fn default() -> Self {
        Self {
            refresh_rate: Duration::from_secs(5),
            refresh_timeout: Duration::from_secs(3),
            redirect_interval: Duration::from_secs(5),
            redirections: 5,
            failures: 0,
            degraded_hosts: 0,
            asks_for_zones: false,
        }
    }
}

/// A Redis cluster at work.
pub struct RedisCluster {
    /// How it is discovered.
    pub(crate) settings: RedisClusterSettings,
    /// When it is to be asked again.
    pub refresh: Refresh,
    topology: RwLock<Arc<Topology>>,
    /// Hosts that were not healthy when that was last looked at.
    bad_hosts: Mutex<HashSet<usize>>,
}

impl RedisCluster {
    pub(crate) fn new(settings: RedisClusterSettings) -> Self {
        Self {
            refresh: Refresh::new(&settings),
            topology: RwLock::default(),
            bad_hosts: Mutex::default(),
            settings,
        }
    }

    /// Looks at the health of hosts, and counts those that have become worse; those of before are not counted again.
    pub(crate) fn look_at_health(&self, hosts: &HostSet, now: Instant) {
        let added = self.replace_bad(hosts);
        (0..added).for_each(|_| self.refresh.count(Trouble::DegradedHost, now));
    }

    /// Notes the health of hosts that have come; how many are worse than they were.
    pub(crate) fn replace_bad(&self, hosts: &HostSet) -> usize {
        let is_bad = |host: &&Arc<Host>| host.health().health() != Health::Healthy;
        let bad = hosts.iter().filter(is_bad).map(|host| host.identity());
        let bad: HashSet<_> = bad.collect();
        let mut known = self
            .bad_hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let added = bad.difference(&known).count();
        *known = bad;
        added
    }

    /// Who has which slots now.
    pub(crate) fn topology(&self) -> Arc<Topology> {
        let topology = self.topology.read();
        Arc::clone(&topology.unwrap_or_else(PoisonError::into_inner))
    }

    /// Says who has which slots from now on; workers look once hosts are published.
    pub(crate) fn set_topology(&self, topology: Arc<Topology>) {
        let place = self.topology.write();
        *place.unwrap_or_else(PoisonError::into_inner) = topology;
    }
}
