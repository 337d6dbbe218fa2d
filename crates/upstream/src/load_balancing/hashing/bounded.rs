//! Consistent hashing with bounded loads: a host that has more than its share of the requests in flight is passed
//! over, and the same hash looks for another one in the same order each time.

use std::sync::Arc;

use super::twister::Twister;
use crate::host::Host;
use crate::load_balancing::level::host;

/// The bound, and the hosts' shares.
#[derive(Debug)]
pub(in super::super) struct Bounded {
    shares: Box<[(u32, f64)]>,
    /// The same by the hosts' numbers; 0 for those that have none.
    by_host: Box<[f64]>,
    factor_percent: u32,
}

/// Memory for looking for another host.
#[derive(Debug, Default)]
pub(in super::super) struct BoundedScratch {
    order: Vec<u32>,
}

impl Bounded {
    pub(super) fn new(shares: Vec<(u32, f64)>, factor_percent: u32) -> Self {
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let most = shares.iter().map(|(number, _)| place(*number) + 1).max();
        let mut by_host = vec![0.0; most.unwrap_or(0)].into_boxed_slice();
        for (number, share) in &shares {
            by_host
                .get_mut(place(*number))
                .into_iter()
                .for_each(|of_host| *of_host = *share);
        }
        Self {
            shares: shares.into(),
            by_host,
            factor_percent,
        }
    }

    /// `first`, or where it has too many of the cluster's `active` requests another one; the one with the least too
    /// many if all have.
    pub(in super::super) fn choose(
        &self,
        hosts: &[Arc<Host>],
        first: u32,
        hash: u64,
        active: u32,
        scratch: &mut BoundedScratch,
    ) -> u32 {
        let place = usize::try_from(first).unwrap_or(usize::MAX);
        let first_share = self.by_host.get(place).copied().unwrap_or(0.0);
        let overload = self.overload(hosts, first, first_share, active);
        if overload <= 1.0 {
            return first;
        }
        let mut least = (first, overload);
        let mut random = Twister::new(u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(0));
        let count = u32::try_from(self.shares.len()).unwrap_or(u32::MAX);
        scratch.order.clear();
        scratch.order.extend(0..count);
        for place in 0..count {
            let other = place + random.below(count - place);
            let (Ok(at), Ok(other)) = (usize::try_from(place), usize::try_from(other)) else {
                break;
            };
            scratch.order.swap(at, other);
            let drawn = scratch
                .order
                .get(at)
                .and_then(|drawn| usize::try_from(*drawn).ok());
            let Some((number, share)) = drawn.and_then(|drawn| self.shares.get(drawn)) else {
                break;
            };
            if *number == first {
                continue;
            }
            let overload = self.overload(hosts, *number, *share, active);
            if overload <= 1.0 {
                return *number;
            }
            if overload < least.1 {
                least = (*number, overload);
            }
        }
        least.0
    }

    /// How many times over its share a host has.
    fn overload(&self, hosts: &[Arc<Host>], number: u32, share: f64, active: u32) -> f64 {
        let Some(host) = host(hosts, number) else {
            return f64::INFINITY;
        };
        let slots = active
            .wrapping_add(1)
            .wrapping_mul(self.factor_percent)
            .wrapping_add(99)
            / 100;
        let own = (f64::from(slots) * share).ceil().max(1.0);
        f64::from(host.active_requests()) / own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HealthFlags;

    #[test]
    fn requests_leave_a_host_that_has_too_many_for_the_same_other_one() {
        let of = |index: u32| {
            let address = format!("192.0.2.{index}:80").parse().unwrap();
            let health = HealthFlags::HEALTHY;
            Arc::new(Host::new(address, "", 1, 0, Arc::default(), health))
        };
        let hosts: Vec<_> = (1..5).map(of).collect();
        let bounded = Bounded::new((0..4).map(|number| (number, 0.25)).collect(), 200);
        let mut scratch = BoundedScratch::default();
        let mut choose = |hash, active| bounded.choose(&hosts, 2, hash, active, &mut scratch);
        assert_eq!(choose(77, 0), 2);
        (0..5).for_each(|_| hosts[2].request_begins());
        // Five in flight of which each host may have (5 + 1) * 2 / 4 = 3.
        let other = choose(77, 5);
        assert_ne!(other, 2);
        assert_eq!(choose(77, 5), other);
        let others: std::collections::BTreeSet<_> = (0..50).map(|hash| choose(hash, 5)).collect();
        assert_eq!(others.len(), 3, "each of the others takes some");
        let overloaded = [9, 8, 5, 7];
        for (host, wanted) in hosts.iter().zip(overloaded) {
            (host.active_requests()..wanted).for_each(|_| host.request_begins());
        }
        assert_eq!(choose(77, 5), 2, "the one with the least too many");
    }
}
