//! What load a cluster had since the last report: by priority and locality, and by host if that is wanted. Who had none
//! is left out.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use nuncio_config::sorting;
use nuncio_config::tree::Value;
use nuncio_config::wire::encode;
use nuncio_upstream::cluster::{ClusterShared, Host, HostPast, HostTotals};

use crate::message_tree::{self, address, list, locality, text, value};

/// The field `client_features` of a node that can be asked for all clusters.
const FEATURE: &[u8] = b"envoy.lrs.supports_send_all_clusters";
const FEATURE_TAG: u8 = 10 << 3 | 2;

/// A cluster whose load is told.
pub(super) struct Tracked {
    since: Instant,
    cluster: Weak<ClusterShared>,
    hosts: HashMap<usize, (HostPast, Load)>,
    dropped: (u64, u64),
}

/// What a host or a locality has done.
#[derive(Clone, Copy, Default)]
struct Load {
    issued: u64,
    succeeded: u64,
    failed: u64,
    in_progress: u64,
}

/// The node with what it can do, which is encoded as its last field.
pub(super) fn able_node(mut node: Vec<u8>) -> Vec<u8> {
    node.push(FEATURE_TAG);
    node.push(FEATURE.len().to_le_bytes()[0]);
    node.extend_from_slice(FEATURE);
    node
}

/// A message with the stats of clusters.
pub(super) fn message(node: &[u8], clusters: Vec<Value>) -> Vec<u8> {
    let mut out = vec![1 << 3 | 2];
    let mut length = node.len();
    while length >= 0x80 {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
    out.extend_from_slice(node);
    let rest = message_tree::message(
        "envoy.service.load_stats.v3.LoadStatsRequest",
        vec![("cluster_stats", list(clusters))],
    );
    out.extend(rest.as_ref().map(encode).unwrap_or_default());
    out
}

impl Tracked {
    /// What was before does not count.
    pub(super) fn new(cluster: &Arc<ClusterShared>, now: Instant) -> Self {
        let mut tracked = Self {
            since: now,
            cluster: Arc::downgrade(cluster),
            hosts: HashMap::new(),
            dropped: cluster.dropped().totals(),
        };
        for host in cluster.hosts().iter() {
            tracked.latch(host);
        }
        tracked
    }

    /// What came since the last time, as `ClusterStats`.
    pub(super) fn report(
        &mut self,
        cluster: &Arc<ClusterShared>,
        hosts_too: bool,
        now: Instant,
    ) -> Option<Value> {
        if self.cluster.as_ptr() != Arc::as_ptr(cluster) {
            // Another one of its name has counted from zero.
            self.cluster = Arc::downgrade(cluster);
            self.dropped = (0, 0);
        }
        self.hosts.retain(|_, (host, _)| !host.is_gone());
        let settings = &cluster.settings;
        let mut fields = vec![
            ("cluster_name", text(&settings.name)),
            (
                "upstream_locality_stats",
                list(self.localities(cluster, hosts_too)),
            ),
        ];
        let service = settings.eds.as_ref().map(|eds| &*eds.service_name);
        if let Some(service) = service.filter(|name| !name.is_empty()) {
            fields.push(("cluster_service_name", text(service)));
        }
        let (all, by_overload) = cluster.dropped().totals();
        let (all_before, by_overload_before) =
            std::mem::replace(&mut self.dropped, (all, by_overload));
        push(&mut fields, "total_dropped_requests", all - all_before);
        let by_overload = by_overload - by_overload_before;
        if by_overload > 0 {
            let category = cluster.dropped().category();
            let dropped = value(
                "envoy.config.endpoint.v3.ClusterStats.DroppedRequests",
                vec![
                    ("category", text(&category)),
                    ("dropped_count", Value::U64(by_overload)),
                ],
            );
            fields.push(("dropped_requests", list(dropped)));
        }
        fields.push(("load_report_interval", duration(now, self.since)));
        self.since = now;
        value("envoy.config.endpoint.v3.ClusterStats", fields)
    }

    fn localities(&mut self, cluster: &ClusterShared, hosts_too: bool) -> Vec<Value> {
        let hosts = cluster.hosts();
        let mut hosts: Vec<&Arc<Host>> = hosts.iter().collect();
        sorting::sort_by(&mut hosts, |one, other| {
            let place = |host: &Host| (host.priority, Arc::clone(&host.locality));
            place(one).cmp(&place(other))
        });
        let places = hosts.chunk_by(|one, other| {
            one.priority == other.priority && one.locality == other.locality
        });
        places
            .filter_map(|hosts| self.locality(hosts, hosts_too))
            .collect()
    }

    fn locality(&mut self, hosts: &[&Arc<Host>], hosts_too: bool) -> Option<Value> {
        let first = hosts.first()?;
        let mut sum = Load::default();
        let mut of_hosts = Vec::new();
        for host in hosts {
            let load = self.latch(host);
            sum.add(&load);
            if hosts_too && !load.is_none() {
                let mut fields = vec![("address", address(&host.shown_address())?)];
                load.push_to(&mut fields);
                of_hosts.extend(value(
                    "envoy.config.endpoint.v3.UpstreamEndpointStats",
                    fields,
                ));
            }
        }
        if sum.is_none() {
            return None;
        }
        let mut fields = vec![("locality", locality(&first.locality)?)];
        push(&mut fields, "priority", first.priority.into());
        sum.push_to(&mut fields);
        if !of_hosts.is_empty() {
            fields.push(("upstream_endpoint_stats", list(of_hosts)));
        }
        value("envoy.config.endpoint.v3.UpstreamLocalityStats", fields)
    }

    /// What a host has done since the last time.
    fn latch(&mut self, host: &Arc<Host>) -> Load {
        let now = Load::of(&host.totals());
        let before = self.hosts.insert(host.identity(), (host.past(), now));
        let before = before.map_or_else(Load::default, |(_, load)| load);
        now.since(&before)
    }
}

impl Load {
    fn of(totals: &HostTotals) -> Self {
        Self {
            issued: totals.rq_total,
            succeeded: totals.rq_success,
            failed: totals.rq_error,
            in_progress: totals.rq_active,
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            issued: self.issued.saturating_sub(before.issued),
            succeeded: self.succeeded.saturating_sub(before.succeeded),
            failed: self.failed.saturating_sub(before.failed),
            in_progress: self.in_progress,
        }
    }

    fn add(&mut self, more: &Self) {
        self.issued += more.issued;
        self.succeeded += more.succeeded;
        self.failed += more.failed;
        self.in_progress += more.in_progress;
    }

    fn is_none(&self) -> bool {
        self.issued + self.succeeded + self.failed + self.in_progress == 0
    }

    fn push_to(&self, fields: &mut Vec<(&'static str, Value)>) {
        push(fields, "total_successful_requests", self.succeeded);
        push(fields, "total_requests_in_progress", self.in_progress);
        push(fields, "total_error_requests", self.failed);
        push(fields, "total_issued_requests", self.issued);
    }
}

/// A number, unless it is nothing.
fn push(fields: &mut Vec<(&'static str, Value)>, name: &'static str, number: u64) {
    if number > 0 {
        fields.push((name, Value::U64(number)));
    }
}

fn duration(now: Instant, since: Instant) -> Value {
    let took = now.saturating_duration_since(since);
    let micros = took.subsec_micros().saturating_mul(1000);
    Value::Duration(
        i64::try_from(took.as_secs()).unwrap_or(i64::MAX),
        i32::try_from(micros).unwrap_or(0),
    )
}
