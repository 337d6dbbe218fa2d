//! The main thread's stats of a cluster's tables of hashes and of its subsets.

use std::sync::Arc;

use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{ClusterLbStats, MaglevStats, RingHashStats, SubsetStats};

use crate::load_balancing::{Evenness, LbPolicy, LbSettings, Snapshot};

/// The stats that the cluster's policy has.
pub(super) struct TableStats {
    ring: Option<Arc<RingHashStats>>,
    maglev: Option<Arc<MaglevStats>>,
    subsets: Option<(Arc<SubsetStats>, Arc<ClusterLbStats>)>,
}

impl TableStats {
    pub(super) fn of(settings: &LbSettings, scope: &Scope) -> Self {
        let is_ring = matches!(settings.policy, LbPolicy::RingHash(_));
        let is_maglev = matches!(settings.policy, LbPolicy::Maglev(_));
        Self {
            ring: is_ring.then(|| scope.worker_group()),
            maglev: is_maglev.then(|| scope.worker_group()),
            subsets: settings
                .subset
                .as_ref()
                .map(|_| (scope.worker_group(), scope.worker_group())),
        }
    }

    /// Whether hosts are to be made into tables and subsets before workers ask for them.
    pub(super) fn are_wanted(&self) -> bool {
        self.ring.is_some() || self.maglev.is_some() || self.subsets.is_some()
    }

    /// Sets the stats for `snapshot`. In Envoy each of its `threads` has subsets of its own, and counts them.
    pub(super) fn set(&self, before: Option<&Snapshot>, snapshot: &Snapshot, threads: u64) {
        if let Some(even) = snapshot.evenness() {
            self.set_evenness(even);
        }
        if let (Some((single, stats)), Some(changes)) =
            (&self.subsets, snapshot.subset_changes(before))
        {
            single
                .lb_subsets_single_host_per_subset_duplicate
                .set(changes.duplicates);
            stats.lb_subsets_active.set(changes.active * threads);
            stats.lb_subsets_created.add(changes.created * threads);
            stats.lb_subsets_removed.add(changes.removed * threads);
        }
    }

    /// The cluster has no subsets any more.
    pub(super) fn withdraw(&self) {
        if let Some((_, stats)) = &self.subsets {
            stats.lb_subsets_active.set(0);
        }
    }

    fn set_evenness(&self, even: Evenness) {
        if let Some(ring) = &self.ring {
            ring.size.set(even.size);
            ring.min_hashes_per_host.set(even.min_per_host);
            ring.max_hashes_per_host.set(even.max_per_host);
        }
        if let Some(maglev) = &self.maglev {
            maglev.min_entries_per_host.set(even.min_per_host);
            maglev.max_entries_per_host.set(even.max_per_host);
        }
    }
}
