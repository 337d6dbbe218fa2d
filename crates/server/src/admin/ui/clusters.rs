//! `/ui/clusters`: a page of clusters with what they count.
//!
//! `name` (repeated) picks clusters by name, `sort` is one of `name`, `requests`, `errors` and `unhealthy`, the most
//! first. To sort by a count all clusters must be read, which is done a few at a time between other work.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use nuncio_config::sorting;
use nuncio_contract::stats::StatsStore;

use super::page::{Page, count};
use super::traffic::{self, Wanted};
use crate::admin::json::Json;
use crate::admin::request::Params;
use crate::admin::response::AdminResponse;
use crate::admin::state::{AdminState, ClusterHandle, ClusterStatus, HostStatus};

/// Clusters that are read before others get their turn.
const CLUSTERS_A_TURN: usize = 64;

const WANTED: Wanted = Wanted {
    numbers: &[
        ("rq_total", "upstream_rq_total"),
        ("rq_active", "upstream_rq_active"),
        ("rq_pending", "upstream_rq_pending_active"),
        ("rq_2xx", "upstream_rq_2xx"),
        ("rq_3xx", "upstream_rq_3xx"),
        ("rq_4xx", "upstream_rq_4xx"),
        ("rq_5xx", "upstream_rq_5xx"),
        ("rq_timeout", "upstream_rq_timeout"),
        ("rq_retry", "upstream_rq_retry"),
        ("rq_overflow", "upstream_rq_pending_overflow"),
        ("cx_active", "upstream_cx_active"),
        ("cx_total", "upstream_cx_total"),
        ("cx_connect_fail", "upstream_cx_connect_fail"),
        ("cx_open", "circuit_breakers.default.cx_open"),
        ("rq_open", "circuit_breakers.default.rq_open"),
        ("pending_open", "circuit_breakers.default.rq_pending_open"),
    ],
    time: "upstream_rq_time",
};

type Handles = Vec<Arc<dyn ClusterHandle>>;

pub(super) fn clusters(state: &dyn AdminState, params: &Params) -> AdminResponse {
    let page = Page::of(params);
    let names: HashSet<&str> = params
        .iter()
        .filter(|(name, _)| *name == "name")
        .map(|(_, value)| value)
        .collect();
    let all = state.cluster_handles();
    let total = all.len();
    let picked: Handles = all
        .into_iter()
        .filter(|cluster| names.is_empty() || names.contains(cluster.name()))
        .filter(|cluster| page.takes(cluster.name()))
        .collect();
    let stats = state.stats().clone();
    let Some(key) = sort_key(params.first("sort").unwrap_or_default()) else {
        return AdminResponse::json(answer(&page, total, &picked, &stats));
    };
    AdminResponse::later(Box::pin(async move {
        let sorted = sorted(picked, key).await;
        AdminResponse::json(answer(&page, total, &sorted, &stats))
    }))
}

fn answer(page: &Page, total: usize, picked: &Handles, stats: &StatsStore) -> String {
    let shown = picked.iter().skip(page.offset).take(page.limit);
    let rows = shown.map(|cluster| row(&**cluster, stats)).collect();
    page.answer(total, picked.len(), rows).pretty()
}

fn row(cluster: &dyn ClusterHandle, stats: &StatsStore) -> Json {
    let status = cluster.status();
    let row = Json::object()
        .with("name", cluster.name())
        .with("stat_name", cluster.stat_name())
        .with("hosts", count(status.hosts.len()))
        .with("usable", count(status.hosts.len() - unusable(&status)))
        .with("healthy", count(healthy(&status)));
    let scope = stats.scope(&format!("cluster.{}", cluster.stat_name()));
    traffic::add(row, &scope, &WANTED)
}

fn healthy(status: &ClusterStatus) -> usize {
    let hosts = status.hosts.iter();
    hosts.filter(|host| host.health.is_healthy()).count()
}

fn unusable(status: &ClusterStatus) -> usize {
    let hosts = status.hosts.iter();
    hosts.filter(|host| !host.health.is_usable()).count()
}

type Key = fn(&ClusterStatus) -> u64;

/// By what is sorted; by name if by nothing.
fn sort_key(sort: &str) -> Option<Key> {
    match sort {
        "requests" => Some(|status| status.hosts.iter().map(|host| host.stats.rq_total).sum()),
        "errors" => Some(|status| {
            let errors = |host: &HostStatus| host.stats.rq_error + host.stats.cx_connect_fail;
            status.hosts.iter().map(errors).sum()
        }),
        "unhealthy" => Some(|status| {
            let sick = status.hosts.len() - healthy(status);
            u64::try_from(sick).unwrap_or(u64::MAX)
        }),
        _ => None,
    }
}

/// The most first, and among equals by name.
async fn sorted(clusters: Handles, key: Key) -> Handles {
    let mut keyed = Vec::with_capacity(clusters.len());
    for (index, cluster) in clusters.into_iter().enumerate() {
        if index % CLUSTERS_A_TURN == CLUSTERS_A_TURN - 1 {
            tokio::task::yield_now().await;
        }
        keyed.push((Reverse(key(&cluster.status())), cluster));
    }
    sorting::sort_by_key(&mut keyed, |(key, _)| *key);
    keyed.into_iter().map(|(_, cluster)| cluster).collect()
}
