//! The hosts of one priority, sorted by health and place: what policies pick from.
//!
//! Made off the workers when hosts or their health change. Hosts are numbers, their places among all hosts of the
//! cluster. Localities stand in Envoy's order: the proxy's own first, the others by region, zone and part of the zone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::host::{Health, Host, LevelOptions, Locality};

/// The hosts of one priority.
#[derive(Debug, Default)]
pub(crate) struct Level {
    pub(super) hosts: ByHealth,
    pub(super) localities: Box<[LocalityHosts]>,
    /// Whether the first of the localities is the proxy's own.
    pub(super) has_own_locality: bool,
    /// The weights of the localities, where these share the load by them.
    pub(super) locality_weights: Option<Box<[u32]>>,
    /// Hosts, or their weights where these count.
    pub(super) share: Share,
}

/// The hosts of one priority in one place.
#[derive(Debug)]
pub(crate) struct LocalityHosts {
    pub(super) locality: Arc<Locality>,
    pub(super) hosts: ByHealth,
}

/// Numbers of hosts.
#[derive(Debug, Default)]
pub(crate) struct ByHealth {
    pub(super) all: Box<[u32]>,
    pub(super) healthy: Box<[u32]>,
    pub(super) degraded: Box<[u32]>,
    /// How many do not count when shares are reckoned.
    pub(super) excluded: usize,
}

/// How much of a priority is available.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) healthy: u64,
    pub(super) degraded: u64,
    pub(super) total: u64,
}

impl ByHealth {
    pub(super) fn of(hosts: &[Arc<Host>], members: impl Iterator<Item = u32>) -> Self {
        let (mut all, mut healthy, mut degraded, mut excluded) = (vec![], vec![], vec![], 0);
        for number in members {
            let Some(host) = host(hosts, number) else {
                continue;
            };
            all.push(number);
            let flags = host.health();
            match flags.health() {
                Health::Healthy => healthy.push(number),
                Health::Degraded => degraded.push(number),
                Health::Unhealthy => {}
            }
            excluded += usize::from(flags.is_excluded());
        }
        Self {
            all: all.into(),
            healthy: healthy.into(),
            degraded: degraded.into(),
            excluded,
        }
    }

    /// Those that are among `members`, which are sorted.
    fn common<'a>(&'a self, members: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        let first = self.all.first().copied().unwrap_or(u32::MAX);
        let last = self.all.last().copied().unwrap_or(0);
        let from = members.partition_point(|number| *number < first);
        let near = members.get(from..).unwrap_or_default();
        let near = near
            .iter()
            .copied()
            .take_while(move |number| *number <= last);
        near.filter(|number| self.all.binary_search(number).is_ok())
    }

    /// Those that count when shares are reckoned.
    pub(super) fn counted(&self) -> usize {
        self.all.len().saturating_sub(self.excluded)
    }
}

impl Level {
    /// The level of `members`, in the order of the configuration; `own` is where the proxy stands, if places matter.
    pub(super) fn new(
        hosts: &[Arc<Host>],
        members: &[u32],
        options: LevelOptions,
        own: Option<&Locality>,
    ) -> Self {
        let by_health = ByHealth::of(hosts, members.iter().copied());
        let share = share(hosts, &by_health, options);
        let mut level = Self {
            share,
            hosts: by_health,
            ..Self::default()
        };
        if let Some(own) = own {
            level.sort_by_place(hosts, own);
        }
        level
    }

    fn sort_by_place(&mut self, hosts: &[Arc<Host>], own: &Locality) {
        let mut places: BTreeMap<&Arc<Locality>, Vec<u32>> = BTreeMap::new();
        for number in &self.hosts.all {
            if let Some(host) = host(hosts, *number) {
                places.entry(&host.locality).or_default().push(*number);
            }
        }
        let of_place = |locality: &Arc<Locality>, members: &[u32]| LocalityHosts {
            locality: Arc::clone(locality),
            hosts: ByHealth::of(hosts, members.iter().copied()),
        };
        let is_own = |locality: &Locality| locality == own;
        let first = places.iter().filter(|(locality, _)| is_own(locality));
        let others = places.iter().filter(|(locality, _)| !is_own(locality));
        let sorted = first.chain(others);
        self.localities = sorted
            .map(|(locality, members)| of_place(locality, members))
            .collect();
        self.has_own_locality = self
            .localities
            .first()
            .is_some_and(|first| is_own(&first.locality));
    }

    /// Has localities share the load by their weights.
    pub(super) fn weigh_localities(&mut self, hosts: &[Arc<Host>]) {
        let weight = |place: &LocalityHosts| {
            let first = place.hosts.all.first();
            let first = first.and_then(|number| host(hosts, *number));
            first.map_or(0, |host| host.locality_weight)
        };
        self.locality_weights = Some(self.localities.iter().map(weight).collect());
    }

    /// The hosts that are among `members`, which are sorted, in the same places, though these may be empty now.
    pub(super) fn filtered(
        &self,
        hosts: &[Arc<Host>],
        options: LevelOptions,
        members: &[u32],
    ) -> Self {
        let by_health = ByHealth::of(hosts, self.hosts.common(members));
        let filter = |place: &LocalityHosts| LocalityHosts {
            locality: Arc::clone(&place.locality),
            hosts: ByHealth::of(hosts, place.hosts.common(members)),
        };
        Self {
            share: share(hosts, &by_health, options),
            hosts: by_health,
            localities: self.localities.iter().map(filter).collect(),
            has_own_locality: self.has_own_locality,
            locality_weights: None,
        }
    }

    /// The share of available hosts, in per cent.
    pub(super) fn available_percent(&self) -> f64 {
        let available = self.hosts.healthy.len() + self.hosts.degraded.len();
        match self.hosts.counted() {
            0 => 0.0,
            counted => 100.0 * available as f64 / counted as f64,
        }
    }
}

/// The host of a number.
#[inline]
pub(super) fn host(hosts: &[Arc<Host>], number: u32) -> Option<&Arc<Host>> {
    hosts.get(usize::try_from(number).ok()?)
}

fn share(hosts: &[Arc<Host>], members: &ByHealth, options: LevelOptions) -> Share {
    if !options.weighted_priority_health {
        return Share {
            healthy: members.healthy.len() as u64,
            degraded: members.degraded.len() as u64,
            total: members.counted() as u64,
        };
    }
    let weight = |numbers: &[u32]| {
        let known = numbers.iter().filter_map(|number| host(hosts, *number));
        known.map(|host| u64::from(host.weight)).sum::<u64>()
    };
    let all = members.all.iter().filter_map(|number| host(hosts, *number));
    let counted = all.filter(|host| !host.health().is_excluded());
    Share {
        healthy: weight(&members.healthy),
        degraded: weight(&members.degraded),
        total: counted.map(|host| u64::from(host.weight)).sum(),
    }
}
