//! `/clusters`: every cluster with its limits and hosts, streamed.

use std::fmt::Write;

use super::filter;
use super::json::Json;
use super::number;
use super::request::AdminRequest;
use super::response::{AdminResponse, JSON, TEXT, chunks};
use super::state::{
    AdminState, CircuitBreakerLimits, ClusterStatus, HostCounts, HostHealth, HostStatus, Outlier,
};
use nuncio_config::sorting;

/// `/clusters`; `filter` is a regular expression over names, `format=json` gives JSON.
pub(super) fn clusters(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    let params = request.params();
    let filter = match params.non_empty("filter").map(filter::compile).transpose() {
        Ok(filter) => filter,
        Err(_) => return AdminResponse::text(400, "Invalid re2 regex"),
    };
    let shown = move |cluster: &ClusterStatus| {
        filter
            .as_ref()
            .is_none_or(|filter| filter.is_in(cluster.name.as_bytes()))
    };
    let clusters = state.clusters().filter(shown);
    if params.first("format") == Some("json") {
        AdminResponse::stream(JSON, json_chunks(clusters))
    } else {
        let mut clusters = clusters;
        AdminResponse::stream(
            TEXT,
            chunks(move |text: &mut String| {
                clusters
                    .next()
                    .map(|cluster| push_text(text, &cluster))
                    .is_some()
            }),
        )
    }
}

fn push_text(text: &mut String, cluster: &ClusterStatus) {
    let name = &cluster.name;
    let _ = writeln!(
        text,
        "{name}::observability_name::{}",
        cluster.observability_name
    );
    if let Some(outlier) = &cluster.outlier {
        push_outlier_text(text, name, outlier);
    }
    for (priority, limits) in ["default", "high"].iter().zip(&cluster.circuit_breakers) {
        for (limit, value) in limit_values(limits) {
            let _ = writeln!(text, "{name}::{priority}_priority::{limit}::{value}");
        }
    }
    let _ = writeln!(text, "{name}::added_via_api::{}", cluster.added_via_api);
    if let Some(service) = &cluster.eds_service_name {
        let _ = writeln!(text, "{name}::eds_service_name::{service}");
    }
    for host in &cluster.hosts {
        push_host_text(text, name, host);
    }
}

fn push_outlier_text(text: &mut String, cluster: &str, outlier: &Outlier) {
    for (prefix, found) in [("", outlier.external), ("local_origin_", outlier.local)] {
        let rates = [
            ("average", found.average),
            ("ejection_threshold", found.threshold),
        ];
        for (rate, value) in rates {
            let value = number::general(value, 6);
            let _ = writeln!(
                text,
                "{cluster}::outlier::{prefix}success_rate_{rate}::{value}"
            );
        }
    }
}

fn push_host_text(text: &mut String, cluster: &str, host: &HostStatus) {
    let address = host.address.to_string();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{cluster}::{address}::{name}::{value}");
    };
    let (counters, gauges) = (counters(&host.stats), gauges(&host.stats));
    let mut counts: Vec<_> = counters.iter().chain(&gauges).collect();
    sorting::sort(&mut counts);
    counts
        .into_iter()
        .for_each(|(name, value)| line(name, value));
    line("hostname", &host.hostname);
    line("health_flags", &host.health.flags());
    line("weight", &host.weight);
    line("region", &host.region);
    line("zone", &host.zone);
    line("sub_zone", &host.sub_zone);
    line("canary", &host.canary);
    line("priority", &host.priority);
    let rate = |rate: Option<f64>| number::shortest(rate.unwrap_or(-1.0));
    line("success_rate", &rate(host.success_rate));
    line(
        "local_origin_success_rate",
        &rate(host.local_origin_success_rate),
    );
}

fn limit_values(limits: &CircuitBreakerLimits) -> [(&'static str, u32); 4] {
    [
        ("max_connections", limits.max_connections),
        ("max_pending_requests", limits.max_pending_requests),
        ("max_requests", limits.max_requests),
        ("max_retries", limits.max_retries),
    ]
}

fn counters(stats: &HostCounts) -> [(&'static str, u64); 6] {
    [
        ("cx_connect_fail", stats.cx_connect_fail),
        ("cx_total", stats.cx_total),
        ("rq_error", stats.rq_error),
        ("rq_success", stats.rq_success),
        ("rq_timeout", stats.rq_timeout),
        ("rq_total", stats.rq_total),
    ]
}

fn gauges(stats: &HostCounts) -> [(&'static str, u64); 3] {
    [
        ("cx_active", stats.cx_active),
        ("rq_active", stats.rq_active),
        ("rq_pending_active", stats.rq_pending_active),
    ]
}

/// The document `{"cluster_statuses": [...]}` cluster by cluster.
fn json_chunks(mut clusters: impl Iterator<Item = ClusterStatus>) -> impl Iterator<Item = Vec<u8>> {
    let mut began = false;
    chunks(move |text: &mut String| {
        let next = clusters.next();
        match &next {
            Some(cluster) => {
                text.push_str(if began {
                    ",\n  "
                } else {
                    "{\n \"cluster_statuses\": [\n  "
                });
                began = true;
                cluster_json(cluster).write(text, 2);
            }
            None => text.push_str(if began { "\n ]\n}\n" } else { "{}\n" }),
        }
        next.is_some()
    })
}

fn cluster_json(cluster: &ClusterStatus) -> Json {
    let hosts: Vec<Json> = cluster.hosts.iter().map(host_json).collect();
    let [default, high] = cluster.circuit_breakers.map(|limits| limit_values(&limits));
    let with_limits = |object: Json, limits: [(&'static str, u32); 4]| {
        limits
            .into_iter()
            .fold(object, |object, (name, value)| object.with(name, value))
    };
    let thresholds = vec![
        with_limits(Json::object(), default),
        with_limits(Json::object().with("priority", "HIGH"), high),
    ];
    let service = cluster.eds_service_name.clone();
    let outlier = cluster.outlier;
    let threshold = outlier.map_or(-1.0, |it| it.external.threshold);
    let local_threshold = outlier.map_or(-1.0, |it| it.local.threshold);
    let percent = |value: f64| Json::object().with("value", value);
    Json::object()
        .with("name", cluster.name.as_str())
        .with_if(cluster.added_via_api, "added_via_api", true)
        .with_if(
            threshold > 0.0,
            "success_rate_ejection_threshold",
            percent(threshold),
        )
        .with_if(!hosts.is_empty(), "host_statuses", hosts)
        .with_if(
            local_threshold > 0.0,
            "local_origin_success_rate_ejection_threshold",
            percent(local_threshold),
        )
        .with(
            "circuit_breakers",
            Json::object().with("thresholds", thresholds),
        )
        .with("observability_name", cluster.observability_name.as_str())
        .with_if(
            service.is_some(),
            "eds_service_name",
            service.unwrap_or_default(),
        )
}

fn host_json(host: &HostStatus) -> Json {
    let stat = |(name, value): (&'static str, u64), gauge: bool| {
        let typed = Json::object().with_if(gauge, "type", "GAUGE");
        typed.with_if(value > 0, "value", value).with("name", name)
    };
    let counters = counters(&host.stats)
        .into_iter()
        .map(|count| stat(count, false));
    let gauges = gauges(&host.stats)
        .into_iter()
        .map(|count| stat(count, true));
    let stats: Vec<Json> = counters.chain(gauges).collect();
    let locality = Json::object()
        .with_if(!host.region.is_empty(), "region", host.region.as_str())
        .with_if(!host.zone.is_empty(), "zone", host.zone.as_str())
        .with_if(
            !host.sub_zone.is_empty(),
            "sub_zone",
            host.sub_zone.as_str(),
        );
    let rate = |rate: Option<f64>| Json::object().with("value", rate.unwrap_or_default());
    let (success, local) = (host.success_rate, host.local_origin_success_rate);
    Json::object()
        .with("address", host.address.to_json())
        .with("stats", stats)
        .with("health_status", health_json(host.health))
        .with_if(success.is_some(), "success_rate", rate(success))
        .with("weight", host.weight)
        .with_if(
            !host.hostname.is_empty(),
            "hostname",
            host.hostname.as_str(),
        )
        .with_if(host.priority > 0, "priority", host.priority)
        .with_if(local.is_some(), "local_origin_success_rate", rate(local))
        .with("locality", locality)
}

fn health_json(health: HostHealth) -> Json {
    let eds = if health.failed_eds_health {
        "UNHEALTHY"
    } else if health.eds_status_draining {
        "DRAINING"
    } else if health.degraded_eds_health {
        "DEGRADED"
    } else {
        "HEALTHY"
    };
    Json::object()
        .with_if(health.failed_active_hc, "failed_active_health_check", true)
        .with_if(health.failed_outlier_check, "failed_outlier_check", true)
        .with("eds_health_status", eds)
        .with_if(
            health.degraded_active_hc,
            "failed_active_degraded_check",
            true,
        )
        .with_if(
            health.pending_dynamic_removal,
            "pending_dynamic_removal",
            true,
        )
        .with_if(health.pending_active_hc, "pending_active_hc", true)
        .with_if(
            health.excluded_via_immediate_hc_fail,
            "excluded_via_immediate_hc_fail",
            true,
        )
        .with_if(health.active_hc_timeout, "active_hc_timeout", true)
        .with_if(
            health.degraded_outlier_detection,
            "failed_degraded_outlier_detection",
            true,
        )
}

impl HostHealth {
    /// Whether there is no reason against it.
    pub(super) fn is_healthy(self) -> bool {
        self.flags() == "healthy"
    }

    /// Whether it is chosen while there are others.
    pub(super) fn is_usable(self) -> bool {
        let unusable = [
            self.failed_active_hc,
            self.failed_outlier_check,
            self.failed_eds_health,
            self.eds_status_draining,
        ];
        !unusable.contains(&true)
    }

    /// `healthy`, or each reason after a slash.
    pub(super) fn flags(self) -> String {
        let reasons = [
            (self.failed_active_hc, "/failed_active_hc"),
            (self.failed_outlier_check, "/failed_outlier_check"),
            (self.failed_eds_health, "/failed_eds_health"),
            (self.degraded_active_hc, "/degraded_active_hc"),
            (self.degraded_eds_health, "/degraded_eds_health"),
            (self.pending_dynamic_removal, "/pending_dynamic_removal"),
            (self.pending_active_hc, "/pending_active_hc"),
            (
                self.excluded_via_immediate_hc_fail,
                "/excluded_via_immediate_hc_fail",
            ),
            (self.active_hc_timeout, "/active_hc_timeout"),
            (self.eds_status_draining, "/eds_status_draining"),
            (
                self.degraded_outlier_detection,
                "/degraded_outlier_detection",
            ),
        ];
        let flags: String = reasons
            .into_iter()
            .filter(|reason| reason.0)
            .map(|reason| reason.1)
            .collect();
        if flags.is_empty() {
            "healthy".to_owned()
        } else {
            flags
        }
    }
}
