//! A host's counters among the stats (`track_cluster_stats.per_endpoint_stats`), with its address and name as tags.
//!
//! Different from Envoy: they stand in the order of all stats, not behind them, and those that were never written are
//! left out where only used ones are asked for. Sinks tell no address as a tag.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{EndpointHealthStats, EndpointStats};
use nuncio_contract::stream_info::Address;

/// Where a host's counters are listed.
#[derive(Debug)]
pub(super) struct ListedHost {
    scope: Scope,
    health: Mutex<Health>,
}

#[derive(Debug)]
struct Health {
    stats: Arc<EndpointHealthStats>,
    is_healthy: Cell<bool>,
}

impl ListedHost {
    pub(super) fn new(cluster: &Scope, address: Address, hostname: &str) -> Option<Self> {
        let address = match address {
            Address::Ip(address) => address.to_string(),
            Address::Pipe(path) => path.to_string(),
            Address::Internal(of) => format!("envoy://{}/{}", of.listener, of.endpoint_id),
        };
        let mut tags = vec![("envoy.endpoint_address", address.clone())];
        if !hostname.is_empty() {
            tags.push(("envoy.endpoint_hostname", hostname.to_owned()));
        }
        let scope = cluster.tagged_scope("endpoint.", &address, tags)?;
        scope.register::<EndpointStats>();
        let stats: Arc<EndpointHealthStats> = scope.worker_group();
        stats.healthy.add(0);
        let health = Mutex::new(Health {
            stats,
            is_healthy: Cell::new(false),
        });
        Some(Self { scope, health })
    }

    pub(super) fn worker_counters(&self) -> Arc<EndpointStats> {
        self.scope.worker_group()
    }

    pub(super) fn set_healthy(&self, now: bool) {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match (health.is_healthy.replace(now), now) {
            (false, true) => health.stats.healthy.inc(),
            (true, false) => health.stats.healthy.dec(),
            _ => {}
        }
    }
}
