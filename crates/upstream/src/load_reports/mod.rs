//! What hosts report of their load with responses (ORCA), and the weights that come of it: the load balancer
//! `ClientSideWeightedRoundRobin`.
//!
//! As in Envoy a host's weight is its requests a second by its utilization, with a penalty for errors; it counts from
//! `blackout_period` after its first report until `weight_expiration_period` after its last, and hosts without one weigh
//! as much as the one in the middle. Weights come into force every `weight_update_period`, on the main thread ([`weight_updates`](crate::weight_updates)). Hosts
//! report with responses, or besides in calls of their own ([`load_streams`](crate::load_streams)). Other than in Envoy
//! trailers count behind a head that had a report.

mod orca;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::Address;
use nuncio_contract::stream_info::metadata::Struct;

use crate::host::Host;
use orca::Report;

/// How reports become weights.
#[derive(Clone, Debug)]
pub struct LoadReports {
    /// How long a host has to report before its weight counts (10 s).
    pub blackout: Duration,
    /// How long a report counts (3 min).
    pub expiration: Duration,
    /// How often weights come into force (1 s, 100 ms at least).
    pub update_period: Duration,
    /// By how much errors for each request add to the utilization (0).
    pub error_penalty: f64,
    /// Metrics whose greatest is the utilization, before what the application says and the use of its processor.
    pub metrics: Vec<String>,
    /// Reports are asked for out of band as well.
    pub out_of_band: Option<OutOfBand>,
}

/// How hosts are asked for reports out of band.
#[derive(Clone, Debug)]
pub struct OutOfBand {
    /// How often they are to report (10 s).
    pub period: Duration,
    /// The port that they report at; 0 for their own.
    pub port: u16,
    /// The call's `:authority`; empty for the host's name or address.
    pub authority: Box<str>,
    /// What the transport socket is chosen by, in the place of hosts' metadata.
    pub socket_criteria: Option<Struct>,
}

impl OutOfBand {
    /// Where a host reports; the second if that is no IP address.
    pub(crate) fn address<'h>(&self, host: &'h Host) -> (SocketAddr, Option<&'h Address>) {
        let mut address = host.address;
        if self.port != 0 {
            address.set_port(self.port);
        }
        (address, host.not_ip.as_deref())
    }
}

impl LoadReports {
    /// Takes a report from a response's headers or trailers, if there is one.
    pub(crate) fn note(&self, host: &Host, headers: &HeaderMap, now: Instant) {
        let Some(load) = host.reported_load() else {
            return;
        };
        if let Some(weight) = Report::read(headers).and_then(|report| self.weight_of(&report)) {
            load.report(weight, milliseconds(now));
        }
    }

    /// Takes a report in binary; whether it counts, none if it is none.
    pub(crate) fn take(&self, host: &Host, report: &[u8], now: Instant) -> Option<bool> {
        let weight = self.weight_of(&Report::of_binary(report)?);
        let counts = host.reported_load().zip(weight);
        if let Some((load, weight)) = counts {
            load.report(weight, milliseconds(now));
        }
        Some(counts.is_some())
    }

    /// The weight that a report comes to; none if it says too little.
    fn weight_of(&self, report: &Report) -> Option<u32> {
        let requests = report.requests_per_second;
        if !is_positive(requests) {
            return None;
        }
        let mut utilization = report.greatest_of(&self.metrics);
        if !is_positive(utilization) {
            utilization = report.application_utilization;
        }
        if !is_positive(utilization) {
            utilization = report.cpu_utilization;
        }
        utilization += self.error_penalty * report.errors_per_second / requests;
        is_positive(utilization).then(|| whole(requests / utilization))
    }

    /// Has weights come into force; true if one of them is another.
    pub(crate) fn update<'h>(
        &self,
        hosts: impl Iterator<Item = &'h Arc<Host>>,
        now: Instant,
    ) -> bool {
        let now = milliseconds(now);
        let loads: Vec<_> = hosts.filter_map(|host| host.reported_load()).collect();
        let of = |period: Duration| u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        let (blackout, expiration) = (of(self.blackout), of(self.expiration));
        let valid = loads
            .iter()
            .map(|load| load.valid(now, blackout, expiration));
        let valid: Vec<_> = valid.collect();
        let default = middle(valid.iter().flatten().copied().collect());
        let mut is_changed = false;
        for (load, valid) in loads.iter().zip(valid) {
            let weight = valid.unwrap_or(default).max(1);
            is_changed |= load.put_in_force(weight);
        }
        is_changed
    }
}

/// The one in the middle, or between the two in the middle; 1 if there is none.
fn middle(mut weights: Vec<u32>) -> u32 {
    weights.sort_unstable();
    let half = weights.len() / 2;
    let Some(upper) = weights.get(half).copied() else {
        return 1;
    };
    match weights.get(half.wrapping_sub(1)) {
        Some(lower) if weights.len().is_multiple_of(2) => lower.midpoint(upper),
        _ => upper,
    }
}

fn is_positive(number: f64) -> bool {
    number > 0.0
}

/// The whole part, as far as there is room for it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is meant to be cut off, and is not negative"
)]
fn whole(weight: f64) -> u32 {
    weight as u32
}

/// Of a clock that began with the first who asked, and one more.
fn milliseconds(at: Instant) -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let since = at.saturating_duration_since(*EPOCH.get_or_init(|| at));
    u64::try_from(since.as_millis())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HealthFlags;

    fn reports() -> LoadReports {
        LoadReports {
            blackout: Duration::from_secs(10),
            expiration: Duration::from_secs(180),
            update_period: Duration::from_secs(1),
            error_penalty: 2.0,
            metrics: vec!["named_metrics.queue".to_owned()],
            out_of_band: None,
        }
    }

    fn host() -> Arc<Host> {
        let address = "192.0.2.1:80".parse().unwrap();
        let host = Host::new(address, "", 7, 0, Arc::default(), HealthFlags::HEALTHY);
        host.begin_reports();
        Arc::new(host)
    }

    #[test]
    fn named_metrics_go_before_what_the_application_says_and_errors_make_it_more() {
        let mut report = Report {
            requests_per_second: 100.0,
            cpu_utilization: 0.5,
            ..Report::default()
        };
        let weight = |report: &Report| reports().weight_of(report);
        assert_eq!(weight(&report), Some(200));
        report.application_utilization = 0.8;
        assert_eq!(weight(&report), Some(125));
        report.named.push(("named_metrics.queue".to_owned(), 0.4));
        assert_eq!(weight(&report), Some(250));
        report.errors_per_second = 5.0;
        assert_eq!(weight(&report), Some(200));
        report.requests_per_second = 0.0;
        assert_eq!(weight(&report), None);
    }

    #[test]
    fn a_weight_counts_after_a_while_and_until_reports_stop() {
        let (reports, hosts) = (reports(), [host(), host(), host()]);
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(reports.update(hosts.iter(), at(0)), "all weigh the same");
        let weights = || hosts.each_ref().map(|host| host.current_weight());
        assert_eq!(weights(), [1, 1, 1]);
        let load = |place: usize| hosts[place].reported_load().unwrap();
        load(0).report(40, milliseconds(at(1)));
        load(1).report(10, milliseconds(at(2)));
        assert!(!reports.update(hosts.iter(), at(5)), "it is too early");
        assert!(reports.update(hosts.iter(), at(13)));
        assert_eq!(weights(), [40, 10, 25], "the last one is in the middle");
        load(1).report(20, milliseconds(at(100)));
        assert!(reports.update(hosts.iter(), at(190)));
        assert_eq!(weights(), [20, 20, 20]);
    }
}
