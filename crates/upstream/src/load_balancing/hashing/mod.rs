//! Consistent hashing: a request's hash finds its host on a ring or in a table, which are the same in every Envoy
//! with the same hosts.
//!
//! Tables are made off the workers and shared by them. A host stands where its `hash_key` (metadata `envoy.lb`)
//! hashes to, or else its address or name. Degraded hosts are not in them, as in Envoy. Where a host that has too
//! many requests is passed over (`hash_balance_factor`), looking for another is linear in the hosts, as in Envoy.

mod bounded;
mod maglev;
mod murmur;
mod ring;
mod twister;

use std::borrow::Cow;
use std::sync::Arc;

use nuncio_contract::stream_info::FilterStateObject;
use nuncio_contract::stream_info::metadata::Value;

pub(super) use bounded::{Bounded, BoundedScratch};
use maglev::MaglevTable;
pub use murmur::murmur_hash2 as hash_of_key;
use ring::Ring;

use super::level::{Level, host};
use super::settings::LbPolicy;
use crate::host::Host;

/// What the hosts of one priority became.
#[derive(Debug)]
pub(super) struct HashTable {
    kind: Kind,
    pub(super) bounded: Option<Bounded>,
}

#[derive(Debug)]
enum Kind {
    Ring(Ring),
    Maglev(MaglevTable),
}

/// How even a table came out: the fewest and the most entries of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evenness {
    /// Entries of the ring; Maglev tables have the size that is configured.
    pub(crate) size: u64,
    pub(crate) min_per_host: u64,
    pub(crate) max_per_host: u64,
}

/// Hosts and their shares, which together are 1.
type Shares = Vec<(u32, f64)>;

impl HashTable {
    /// The table of a level; none if the policy has none.
    pub(super) fn of(
        hosts: &[Arc<Host>],
        level: &Level,
        weights: Option<&[u32]>,
        in_panic: bool,
        policy: &LbPolicy,
    ) -> Option<Self> {
        let common = policy.consistent()?;
        let shares = shares(hosts, level, weights, in_panic);
        let key = |number: u32| {
            host(hosts, number).map_or(Cow::Borrowed(""), |host| key(host, common.by_hostname))
        };
        let kind = match policy {
            LbPolicy::RingHash(settings) => Kind::Ring(Ring::new(&shares, key, settings)),
            LbPolicy::Maglev(settings) => {
                Kind::Maglev(MaglevTable::new(&shares, key, settings.table_size))
            }
            _ => return None,
        };
        let factor = common.balance_factor_percent;
        let bounded = (factor > 0).then(|| Bounded::new(shares, factor));
        Some(Self { kind, bounded })
    }

    /// The host for a hash at the given attempt.
    #[inline]
    pub(super) fn pick(&self, hash: u64, attempt: u32) -> Option<u32> {
        match &self.kind {
            Kind::Ring(ring) => ring.pick(hash, attempt),
            Kind::Maglev(table) => table.pick(hash, attempt),
        }
    }

    /// How even it came out; none if there is nothing in it.
    pub(super) fn evenness(&self) -> Option<Evenness> {
        match &self.kind {
            Kind::Ring(ring) => ring.evenness,
            Kind::Maglev(table) => table.evenness,
        }
    }
}

/// What a host's place is the hash of.
fn key(host: &Host, by_hostname: bool) -> Cow<'_, str> {
    let metadata = host.metadata.as_deref();
    let fields = metadata.and_then(|metadata| metadata.namespace("envoy.lb"));
    match fields.and_then(|fields| fields.get("hash_key")) {
        Some(Value::String(key)) if !key.is_empty() => Cow::Borrowed(key),
        _ if by_hostname => Cow::Borrowed(&host.hostname),
        _ => Cow::Owned(match &host.not_ip {
            None => host.address.to_string(),
            Some(_) => host
                .shown_address()
                .serialize_as_string()
                .unwrap_or_default(),
        }),
    }
}

fn shares(hosts: &[Arc<Host>], level: &Level, weights: Option<&[u32]>, in_panic: bool) -> Shares {
    let mut shares = Vec::new();
    let mut add = |members: &[u32], of_all: f64| {
        let weighed = members
            .iter()
            .filter_map(|number| Some((*number, u64::from(host(hosts, *number)?.weight))));
        let sum: u64 = weighed.clone().map(|(_, weight)| weight).sum();
        shares
            .extend(weighed.map(|(number, weight)| (number, weight as f64 * of_all / sum as f64)));
    };
    let Some(weights) = weights.filter(|weights| !weights.is_empty()) else {
        let members = if in_panic {
            &level.hosts.all
        } else {
            &level.hosts.healthy
        };
        add(members, 1.0);
        return shares;
    };
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    for (place, weight) in level.localities.iter().zip(weights) {
        let members = if in_panic {
            &place.hosts.all
        } else {
            &place.hosts.healthy
        };
        if *weight > 0 {
            add(members, f64::from(*weight) / sum as f64);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::super::settings::{ConsistentHashing, Maglev, RingHash};
    use super::*;
    use crate::host::{HealthFlags, LevelOptions};

    fn hosts(weights: &[u32]) -> Vec<Arc<Host>> {
        let of = |(index, weight): (usize, &u32)| {
            let address = format!("192.0.2.{}:80", index + 1).parse().unwrap();
            let name = format!("host{index}");
            let health = HealthFlags::HEALTHY;
            Arc::new(Host::new(
                address,
                &name,
                *weight,
                0,
                Arc::default(),
                health,
            ))
        };
        weights.iter().enumerate().map(of).collect()
    }

    fn table(hosts: &[Arc<Host>], policy: &LbPolicy) -> HashTable {
        let members: Vec<u32> = (0..).take(hosts.len()).collect();
        let level = Level::new(hosts, &members, LevelOptions::default(), None);
        HashTable::of(hosts, &level, None, false, policy).unwrap()
    }

    fn ring(min_size: u64, max_size: u64) -> LbPolicy {
        LbPolicy::RingHash(RingHash {
            min_size,
            max_size,
            murmur: false,
            common: ConsistentHashing::default(),
        })
    }

    fn maglev(table_size: u64) -> LbPolicy {
        LbPolicy::Maglev(Maglev {
            table_size,
            common: ConsistentHashing::default(),
        })
    }

    #[test]
    fn a_ring_has_whole_entries_for_each_host_and_keeps_below_its_limit() {
        let evenness = |weights: &[u32], policy| {
            let evenness = table(&hosts(weights), &policy).evenness().unwrap();
            (evenness.size, evenness.min_per_host, evenness.max_per_host)
        };
        assert_eq!(evenness(&[1, 1, 1], ring(1024, 8 << 20)), (1026, 342, 342));
        assert_eq!(evenness(&[1, 1, 1, 1], ring(6, 6)), (6, 1, 2));
        assert_eq!(evenness(&[1, 3], ring(8, 8 << 20)), (8, 2, 6));
    }

    #[test]
    fn a_table_is_full_and_shared_by_weight() {
        let evenness = table(&hosts(&[1, 2, 4]), &maglev(65537))
            .evenness()
            .unwrap();
        assert_eq!(
            (evenness.min_per_host, evenness.max_per_host),
            (9363, 37449)
        );
    }

    #[test]
    fn a_host_that_goes_takes_only_its_own_requests_along() {
        for (policy, least_kept) in [(ring(1024, 8 << 20), 9_000), (maglev(65537), 9_500)] {
            let all = hosts(&[1; 10]);
            let without_last = &all[..9];
            let (before, after) = (table(&all, &policy), table(without_last, &policy));
            let hash = |request: u64| request.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut asked = 0;
            let kept = (0..)
                .map(hash)
                .filter(|hash| before.pick(*hash, 0) != Some(9))
                .take(10_000)
                .inspect(|_| asked += 1)
                .filter(|hash| before.pick(*hash, 0) == after.pick(*hash, 0))
                .count();
            assert_eq!(asked, 10_000);
            assert!(kept >= least_kept, "{policy:?}: {kept}");
        }
    }

    #[test]
    fn nothing_is_found_where_there_are_no_hosts() {
        for policy in [ring(1024, 8 << 20), maglev(65537)] {
            assert_eq!(table(&[], &policy).pick(7, 0), None);
        }
    }

    #[test]
    fn another_attempt_may_find_another_host() {
        for policy in [ring(1024, 8 << 20), maglev(65537)] {
            let table = table(&hosts(&[1; 5]), &policy);
            let picks: std::collections::BTreeSet<_> =
                (0..20).map(|attempt| table.pick(12345, attempt)).collect();
            assert!(picks.len() > 1, "{policy:?}");
        }
    }
}
