//! What a pick may look at: the request's side, and the worker's.

use std::cell::Cell;

use nuncio_contract::clock::Clock;
use nuncio_contract::stats::groups::ClusterLbStats;
use nuncio_contract::stream_info::metadata::Struct;

use super::priority_load::PriorityLoad;
use super::settings::LbSettings;
use super::zone_aware::LocalProxies;
use crate::destination::Destination;
use crate::host::Host;
use crate::override_host::WantedHosts;

/// What a request says of the host that it wants. The default says nothing.
#[derive(Clone, Copy, Default)]
pub struct PickContext<'a> {
    /// Its hash, for consistent hashing; chance where there is none.
    pub hash: Option<u64>,
    /// The host that it asks for, where clusters choose by that.
    pub destination: Option<&'a Destination>,
    /// The hosts that it names, which go before all else.
    pub wanted: Option<&'a WantedHosts>,
    /// Metadata that its host has to have, where there are subsets.
    pub metadata_match: Option<&'a Struct>,
    /// How the load is to be spread over priorities instead.
    pub priority_load: Option<&'a PriorityLoad>,
    /// Hosts that are not wanted.
    pub rejects: Option<&'a dyn Fn(&Host) -> bool>,
    /// How often another host is picked instead of one that is not wanted.
    pub repicks: u32,
    /// Which of its tries it is, from 1 on; 0 of bytes of TCP, which as in Envoy have none.
    pub attempt: u32,
    /// How many clusters that go to others it has come through.
    pub depth: u8,
}

impl PickContext<'_> {
    #[inline]
    pub(crate) fn rejects(&self, host: &Host) -> bool {
        self.rejects.is_some_and(|rejects| rejects(host))
    }
}

/// What a pick uses of its worker.
pub(crate) struct Around<'a> {
    pub(crate) settings: &'a LbSettings,
    pub(crate) stats: &'a ClusterLbStats,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) random: &'a Random,
    /// The cluster's requests in flight, over all workers.
    pub(crate) active_requests: &'a dyn Fn() -> u32,
    /// The proxies of the local cluster, if there is one.
    pub(crate) proxies: Option<LocalProxies<'a>>,
}

/// A worker's random source: SplitMix64.
#[derive(Debug)]
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    #[inline]
    pub(crate) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if that is 0.
    #[inline]
    pub(crate) fn below(&self, limit: usize) -> usize {
        let number = self.next().checked_rem(limit as u64).unwrap_or(0);
        usize::try_from(number).unwrap_or(0)
    }
}
