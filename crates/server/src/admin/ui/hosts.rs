//! `/ui/hosts?cluster=NAME`: the hosts of a cluster with what they count.

use super::page::{Page, number};
use crate::admin::json::Json;
use crate::admin::request::Params;
use crate::admin::response::AdminResponse;
use crate::admin::state::{AdminState, HostStatus};

pub(super) fn hosts(state: &dyn AdminState, params: &Params) -> AdminResponse {
    let page = Page::of(params);
    let name = params.first("cluster").unwrap_or_default();
    let handles = state.cluster_handles();
    let Some(cluster) = handles.iter().find(|handle| handle.name() == name) else {
        return AdminResponse::text(404, "no such cluster\n");
    };
    let hosts = cluster.status().hosts;
    let total = hosts.len();
    let taken =
        |host: &&HostStatus| page.takes(&host.address.to_string()) || page.takes(&host.hostname);
    let taken: Vec<_> = hosts.iter().filter(taken).collect();
    let shown = taken.iter().skip(page.offset).take(page.limit);
    let rows = shown.map(|host| row(host)).collect();
    AdminResponse::json(page.answer(total, taken.len(), rows).pretty())
}

fn row(host: &HostStatus) -> Json {
    let stats = &host.stats;
    let place = [&host.region, &host.zone, &host.sub_zone];
    let place: Vec<&str> = place
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    Json::object()
        .with("address", host.address.to_string())
        .with("hostname", host.hostname.as_str())
        .with("health", host.health.flags())
        .with("weight", number(host.weight.into()))
        .with("priority", number(host.priority.into()))
        .with("place", place.join("/"))
        .with("canary", Json::Bool(host.canary))
        .with("rq_total", number(stats.rq_total))
        .with("rq_active", number(stats.rq_active))
        .with("rq_success", number(stats.rq_success))
        .with("rq_error", number(stats.rq_error))
        .with("rq_timeout", number(stats.rq_timeout))
        .with("cx_active", number(stats.cx_active))
        .with("cx_total", number(stats.cx_total))
        .with("cx_connect_fail", number(stats.cx_connect_fail))
}
