//! Least request: among a few hosts drawn by chance the one with the fewest requests in flight.
//!
//! Where weights differ, hosts are scheduled by their weights instead, which requests in flight lessen. A full scan
//! looks at all hosts, as it does in Envoy; it is linear in them.

use std::sync::Arc;

use super::context::Random;
use super::level::host;
use super::settings::LeastRequest;
use crate::host::Host;

impl LeastRequest {
    /// One of `members` by requests alone.
    pub(super) fn pick(
        &self,
        hosts: &[Arc<Host>],
        members: &[u32],
        random: &Random,
    ) -> Option<u32> {
        match self.full_scan {
            true => scan(hosts, members, random),
            false => self.draw(hosts, members, random),
        }
    }

    fn draw(&self, hosts: &[Arc<Host>], members: &[u32], random: &Random) -> Option<u32> {
        let mut best: Option<(u32, u32)> = None;
        for _ in 0..self.choice_count {
            let number = *members.get(random.below(members.len()))?;
            let active = host(hosts, number)?.active_requests();
            if best.is_none_or(|(_, least)| active < least) {
                best = Some((number, active));
            }
        }
        best.map(|(number, _)| number)
    }

    /// What a host's weight is worth while it has requests in flight.
    pub(super) fn weight(&self, host: &Host) -> f64 {
        let weight = f64::from(host.weight);
        let requests = f64::from(host.active_requests()) + 1.0;
        let bias = self.active_request_bias.now();
        if bias == 1.0 {
            weight / requests
        } else if bias == 0.0 {
            weight
        } else {
            weight / requests.powf(bias)
        }
    }
}

/// The host with the fewest requests; chance decides among several.
fn scan(hosts: &[Arc<Host>], members: &[u32], random: &Random) -> Option<u32> {
    let mut best: Option<(u32, u32)> = None;
    let mut equal = 0;
    for number in members {
        let active = host(hosts, *number)?.active_requests();
        match best {
            Some((_, least)) if active > least => continue,
            Some((_, least)) if active == least => {
                equal += 1;
                if random.below(equal) != 0 {
                    continue;
                }
            }
            _ => equal = 1,
        }
        best = Some((*number, active));
    }
    best.map(|(number, _)| number)
}
