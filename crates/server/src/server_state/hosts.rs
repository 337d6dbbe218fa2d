//! Clusters and their hosts as the admin shows them.

use std::net::SocketAddr;
use std::sync::Arc;

use nuncio_contract::stream_info;
use nuncio_contract::stream_info::metadata;
use nuncio_upstream::cluster::{
    ClusterShared, ClusterType, HealthFlags, Host, Resource, ResourcePriority, is_canary,
};
use nuncio_upstream::outlier_detection::{HostMonitor, Origin};

use crate::admin::json::Json;
use crate::admin::state::{
    Address, CircuitBreakerLimits, ClusterHandle, ClusterStatus, HostCounts, HostHealth,
    HostStatus, Outlier,
};

impl ClusterHandle for ClusterShared {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn stat_name(&self) -> &str {
        self.settings.stat_name()
    }

    fn is_added_via_api(&self) -> bool {
        self.added_via_api
    }

    fn status(&self) -> ClusterStatus {
        status(self)
    }
}

fn status(cluster: &ClusterShared) -> ClusterStatus {
    let is_discovered = matches!(
        cluster.settings.cluster_type,
        ClusterType::StrictDns | ClusterType::LogicalDns
    );
    let limits = ResourcePriority::ALL.map(|priority| {
        let breakers = cluster.breakers();
        breakers.follow();
        let limit = |resource| breakers.limit(priority, resource);
        CircuitBreakerLimits {
            max_connections: limit(Resource::Connections),
            max_pending_requests: limit(Resource::PendingRequests),
            max_requests: limit(Resource::Requests),
            max_retries: breakers.max_retries(priority),
        }
    });
    let outliers = cluster.outliers();
    ClusterStatus {
        outlier: outliers.map(|it| Outlier {
            external: it.comparison(Origin::External),
            local: it.comparison(Origin::Local),
        }),
        name: cluster.settings.name.to_string(),
        observability_name: cluster.settings.stat_name().to_string(),
        added_via_api: cluster.added_via_api,
        eds_service_name: service_name(cluster),
        drop_overload: Some(cluster.told_drop_share())
            .filter(|share| *share > 0.0)
            .map(|share| (share, cluster.dropped().category())),
        overprovisioning_percent: Some(cluster.hosts().options.overprovisioning_factor_percent),
        circuit_breakers: limits,
        hosts: cluster
            .hosts()
            .iter()
            .map(|host| {
                host_status(
                    host,
                    is_discovered,
                    outliers.and_then(|it| it.monitor(host)),
                )
            })
            .collect(),
    }
}

fn host_status(host: &Host, is_discovered: bool, monitor: Option<Arc<HostMonitor>>) -> HostStatus {
    let rate = |origin| monitor.as_ref()?.success_rate(origin);
    let totals = host.totals();
    let metadata = host.metadata.as_deref();
    let check_address = host.check_address();
    let others = host.addresses.as_deref().unwrap_or_default();
    HostStatus {
        address: match host.shown_address() {
            stream_info::Address::Ip(address) => ip_address(&address),
            stream_info::Address::Internal(internal) => Address::Internal {
                listener: internal.listener.to_string(),
                endpoint_id: internal.endpoint_id.to_string(),
            },
            stream_info::Address::Pipe(path) => Address::Pipe {
                path: path.to_string(),
            },
        },
        hostname: host.hostname.to_string(),
        other_addresses: others.iter().skip(1).map(ip_address).collect(),
        check_port: (check_address != host.address).then(|| check_address.port()),
        check_hostname: (host.check.as_ref())
            .map(|check| check.hostname.to_string())
            .unwrap_or_default(),
        stats: HostCounts {
            cx_active: totals.cx_active,
            cx_connect_fail: totals.cx_connect_fail,
            cx_total: totals.cx_total,
            rq_active: totals.rq_active,
            rq_error: totals.rq_error,
            rq_pending_active: totals.rq_pending_active,
            rq_success: totals.rq_success,
            rq_timeout: totals.rq_timeout,
            rq_total: totals.rq_total,
        },
        health: health_of(host),
        weight: host.current_weight(),
        region: host.locality.region.to_string(),
        zone: host.locality.zone.to_string(),
        sub_zone: host.locality.sub_zone.to_string(),
        canary: is_canary(metadata),
        metadata: metadata_json(host, is_discovered),
        priority: host.priority,
        locality_weight: host.locality_weight,
        success_rate: rate(Origin::External),
        local_origin_success_rate: rate(Origin::Local),
    }
}

fn ip_address(address: &SocketAddr) -> Address {
    Address::Socket {
        ip: address.ip(),
        port: address.port(),
    }
}

fn health_of(host: &Host) -> HostHealth {
    let health = host.health();
    HostHealth {
        failed_active_hc: health.contains(HealthFlags::FAILED_ACTIVE_HC),
        failed_outlier_check: health.contains(HealthFlags::FAILED_OUTLIER_CHECK),
        failed_eds_health: health.contains(HealthFlags::FAILED_EDS_HEALTH),
        degraded_active_hc: health.contains(HealthFlags::DEGRADED_ACTIVE_HC),
        degraded_eds_health: health.contains(HealthFlags::DEGRADED_EDS_HEALTH),
        degraded_outlier_detection: health.contains(HealthFlags::DEGRADED_OUTLIER_DETECTION),
        pending_dynamic_removal: health.contains(HealthFlags::PENDING_DYNAMIC_REMOVAL),
        pending_active_hc: health.contains(HealthFlags::PENDING_ACTIVE_HC),
        excluded_via_immediate_hc_fail: health
            .contains(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL),
        active_hc_timeout: health.contains(HealthFlags::ACTIVE_HC_TIMEOUT),
        eds_status_draining: health.contains(HealthFlags::EDS_STATUS_DRAINING),
    }
}

/// The metadata of a host; one from DNS has some even if it is empty, as in Envoy.
fn metadata_json(host: &Host, is_discovered: bool) -> Option<Json> {
    let Some(metadata) = &host.metadata else {
        return is_discovered.then(Json::object);
    };
    let namespaces = metadata.namespaces();
    let fields = namespaces.fold(Json::object(), |object, (name, fields)| {
        object.with(name.to_string(), fields_json(fields))
    });
    Some(Json::object().with("filter_metadata", fields))
}

fn fields_json(fields: &metadata::Struct) -> Json {
    let fields = fields.fields();
    fields.fold(Json::object(), |object, (name, value)| {
        object.with(name.to_string(), metadata_value_json(value))
    })
}

fn metadata_value_json(value: &metadata::Value) -> Json {
    match value {
        metadata::Value::Null => Json::Null,
        metadata::Value::Number(number) => Json::Number(*number),
        metadata::Value::String(text) => Json::String(text.to_string()),
        metadata::Value::Bool(value) => Json::Bool(*value),
        metadata::Value::Struct(fields) => fields_json(fields),
        metadata::Value::List(values) => {
            Json::List(values.iter().map(metadata_value_json).collect())
        }
    }
}

/// What a cluster's hosts are called where they come from, if that is another name than its own.
fn service_name(cluster: &ClusterShared) -> Option<String> {
    let eds = cluster.settings.eds.as_ref()?;
    Some(eds.service_name.to_string()).filter(|name| !name.is_empty())
}
