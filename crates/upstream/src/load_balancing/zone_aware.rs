//! Zone aware routing: requests stay in the proxy's own zone as far as its hosts have room.
//!
//! Reckoned for the first priority from the shares of the zones among the proxies (the local cluster) and among the
//! hosts; shares are parts of 10,000.

use std::collections::BTreeMap;
use std::sync::Arc;

use nuncio_contract::stats::groups::ClusterLbStats;

use super::level::{Level, LocalityHosts, host};
use super::settings::ZoneAware;
use crate::host::{Host, Locality};

const WHOLE: u64 = 10_000;

/// The proxies of the local cluster.
#[derive(Clone, Copy)]
pub(crate) struct LocalProxies<'a> {
    pub(crate) hosts: &'a [Arc<Host>],
    pub(crate) level: &'a Level,
}

/// How requests are spread over zones.
#[derive(Debug)]
pub(super) enum ZoneRouting {
    /// All stay.
    Direct,
    /// Some stay, others go where there is room.
    Residual {
        /// The share that stays.
        own: u64,
        /// The room of each zone, summed up.
        room: Box<[u64]>,
    },
}

impl ZoneRouting {
    /// None where zones do not matter.
    pub(super) fn of(
        hosts: &[Arc<Host>],
        level: &Level,
        proxies: LocalProxies<'_>,
        settings: &ZoneAware,
        stats: &ClusterLbStats,
    ) -> Option<Self> {
        stats.lb_recalculate_zone_structures.inc();
        let forced = settings.forced_min_size();
        if !is_possible(level, proxies.level, settings, forced, stats) {
            return None;
        }
        let shares = shares(hosts, level, proxies, settings);
        let own_healthy = level
            .localities
            .first()
            .map_or(0, |own| own.hosts.healthy.len());
        let own = shares.first().copied().filter(|_| level.has_own_locality);
        if let Some(own) = own {
            let has_room = own.upstream > 0 && own.upstream >= own.local;
            if has_room || forced.is_some_and(|least| own_healthy as u64 >= least) {
                return Some(Self::Direct);
            }
        }
        let mut sum = 0;
        let room = shares.iter().enumerate().map(|(place, share)| {
            if place > 0 || !level.has_own_locality {
                sum += share.upstream.saturating_sub(share.local);
            }
            sum
        });
        Some(Self::Residual {
            room: room.collect(),
            own: own.map_or(0, |own| {
                (own.upstream * WHOLE).checked_div(own.local).unwrap_or(0)
            }),
        })
    }

    /// The number of the locality for a request.
    pub(super) fn choose(&self, mut random: impl FnMut() -> u64, stats: &ClusterLbStats) -> usize {
        let Self::Residual { own, room } = self else {
            stats.lb_zone_routing_all_directly.inc();
            return 0;
        };
        if random() % WHOLE < *own {
            stats.lb_zone_routing_sampled.inc();
            return 0;
        }
        stats.lb_zone_routing_cross_zone.inc();
        match room.last().copied().unwrap_or(0) {
            0 => {
                stats.lb_zone_no_capacity_left.inc();
                let any = random().checked_rem(room.len() as u64).unwrap_or(0);
                usize::try_from(any).unwrap_or(0)
            }
            total => {
                let point = random() % total;
                room.iter().position(|sum| point < *sum).unwrap_or(0)
            }
        }
    }
}

impl ZoneAware {
    fn forced_min_size(&self) -> Option<u64> {
        match self.keys.force_local_zone_min_size.integer(0) {
            0 => self.force_local_zone_min_size.map(u64::from),
            least => Some(least),
        }
    }
}

fn is_possible(
    level: &Level,
    proxies: &Level,
    settings: &ZoneAware,
    forced: Option<u64>,
    stats: &ClusterLbStats,
) -> bool {
    if level.localities.len() < 2 || (forced.is_none() && proxies.localities.len() < 2) {
        return false;
    }
    let own_is_empty = |own: &LocalityHosts| own.hosts.all.is_empty();
    if !proxies.has_own_locality || proxies.localities.first().is_none_or(own_is_empty) {
        stats.lb_local_cluster_not_ok.inc();
        return false;
    }
    let least = settings
        .keys
        .min_cluster_size
        .integer(settings.min_cluster_size);
    if (level.hosts.healthy.len() as u64) < least {
        stats.lb_zone_cluster_too_small.inc();
        return false;
    }
    true
}

#[derive(Clone, Copy, Default)]
struct Shares {
    local: u64,
    upstream: u64,
}

fn shares(
    hosts: &[Arc<Host>],
    level: &Level,
    proxies: LocalProxies<'_>,
    settings: &ZoneAware,
) -> Vec<Shares> {
    let size = |hosts: &[Arc<Host>], place: &LocalityHosts| {
        let healthy = &place.hosts.healthy;
        match settings.by_host_weight {
            false => healthy.len() as u64,
            true => healthy
                .iter()
                .filter_map(|number| host(hosts, *number))
                .map(|host| u64::from(host.weight))
                .sum(),
        }
    };
    let of_proxies = |place| size(proxies.hosts, place);
    let proxies_by_place: BTreeMap<&Locality, u64> = proxies
        .level
        .localities
        .iter()
        .map(|place| (&*place.locality, of_proxies(place)))
        .collect();
    let all_proxies: u64 = proxies_by_place.values().sum();
    let all_hosts: u64 = level
        .localities
        .iter()
        .map(|place| size(hosts, place))
        .sum();
    let share = |part: u64, of: u64| (WHOLE * part).checked_div(of).unwrap_or(0);
    level
        .localities
        .iter()
        .map(|place| match place.hosts.healthy.is_empty() {
            true => Shares::default(),
            false => Shares {
                local: share(
                    proxies_by_place.get(&*place.locality).copied().unwrap_or(0),
                    all_proxies,
                ),
                upstream: share(size(hosts, place), all_hosts),
            },
        })
        .collect()
}
