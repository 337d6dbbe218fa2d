//! The hosts of a cluster as a `ClusterLoadAssignment`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{ENDPOINTS, Node, Resource, Section};
use crate::admin::json::Json;
use crate::admin::state::{ClusterHandle, HostStatus};

/// Priority, region, zone and sub-zone.
type Place = (u32, String, String, String);

pub(super) const MESSAGE: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment";

/// The hosts of all clusters.
pub(super) fn section(clusters: Vec<Arc<dyn ClusterHandle>>) -> Section {
    let (dynamic, fixed): (Vec<_>, Vec<_>) = clusters
        .into_iter()
        .partition(|cluster| cluster.is_added_via_api());
    let all = |kind, clusters: Vec<Arc<dyn ClusterHandle>>| {
        let resources = clusters.into_iter();
        resources.map(|cluster| resource(kind, cluster)).collect()
    };
    let section = Section {
        kind: ENDPOINTS,
        fields: Vec::new(),
        lists: Vec::new(),
    };
    section
        .with(
            "static_endpoint_configs",
            all("EndpointsConfigDump.StaticEndpointConfig", fixed),
        )
        .with(
            "dynamic_endpoint_configs",
            all("EndpointsConfigDump.DynamicEndpointConfig", dynamic),
        )
}

/// The hosts of a cluster, to be read when they are printed.
fn resource(kind: &'static str, cluster: Arc<dyn ClusterHandle>) -> Resource {
    Resource {
        name: cluster.name().to_owned(),
        kind,
        fields: vec![("endpoint_config", Node::Endpoints(cluster))],
    }
}

/// The assignment that the hosts of a cluster make up, with its type.
pub(super) fn assignment(cluster: &dyn ClusterHandle) -> (&'static str, Json) {
    let cluster = cluster.status();
    let name = cluster.eds_service_name.unwrap_or(cluster.name);
    let mut localities: BTreeMap<Place, (u32, Vec<Json>)> = BTreeMap::new();
    for host in &cluster.hosts {
        let key = (
            host.priority,
            host.region.clone(),
            host.zone.clone(),
            host.sub_zone.clone(),
        );
        let (weight, hosts) = localities.entry(key).or_default();
        *weight = host.locality_weight;
        hosts.push(lb_endpoint(host));
    }
    let endpoints: Vec<Json> = localities.into_iter().map(locality).collect();
    let policy = Json::object()
        .with_if(
            cluster.drop_overload.is_some(),
            "drop_overloads",
            cluster
                .drop_overload
                .iter()
                .map(dropped)
                .collect::<Vec<_>>(),
        )
        .with(
            "overprovisioning_factor",
            cluster.overprovisioning_percent.unwrap_or(140),
        );
    let assignment = Json::object()
        .with("cluster_name", name.as_str())
        .with_if(!endpoints.is_empty(), "endpoints", endpoints)
        .with("policy", policy);
    (MESSAGE, assignment)
}

/// A share that is turned away, in millionths as Envoy keeps it.
fn dropped((share, category): &(f64, Arc<str>)) -> Json {
    let share = Json::object()
        .with("numerator", (share * 1e6).round().clamp(0.0, 1e6) as u32)
        .with("denominator", "MILLION");
    Json::object()
        .with("category", &**category)
        .with("drop_percentage", share)
}

fn locality(
    ((priority, region, zone, sub_zone), (weight, hosts)): (Place, (u32, Vec<Json>)),
) -> Json {
    let place = Json::object()
        .with_if(!region.is_empty(), "region", region)
        .with_if(!zone.is_empty(), "zone", zone)
        .with_if(!sub_zone.is_empty(), "sub_zone", sub_zone);
    Json::object()
        .with("locality", place)
        .with("lb_endpoints", hosts)
        .with("load_balancing_weight", weight)
        .with_if(priority > 0, "priority", priority)
}

fn lb_endpoint(host: &HostStatus) -> Json {
    let check = Json::object()
        .with_if(
            host.check_port.is_some(),
            "port_value",
            u32::from(host.check_port.unwrap_or(0)),
        )
        .with_if(
            !host.check_hostname.is_empty(),
            "hostname",
            host.check_hostname.as_str(),
        );
    let others: Vec<Json> = (host.other_addresses.iter())
        .map(|address| Json::object().with("address", address.to_json()))
        .collect();
    let endpoint = Json::object()
        .with("address", host.address.to_json())
        .with("health_check_config", check)
        .with_if(
            !host.hostname.is_empty(),
            "hostname",
            host.hostname.as_str(),
        )
        .with_if(!others.is_empty(), "additional_addresses", others);
    Json::object()
        .with("endpoint", endpoint)
        .with(
            "health_status",
            match host.health {
                health if health.is_healthy() => "HEALTHY",
                health if health.is_usable() => "DEGRADED",
                _ => "UNHEALTHY",
            },
        )
        .with_if(
            host.metadata.is_some(),
            "metadata",
            host.metadata.clone().unwrap_or_else(Json::object),
        )
        .with("load_balancing_weight", host.weight)
}
