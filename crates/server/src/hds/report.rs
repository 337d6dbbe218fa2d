//! What the server is told: who asks, and how the hosts are.

use std::sync::Arc;

use nuncio_config::tree::{Json, Value};
use nuncio_config::wire::encode;
use nuncio_upstream::cluster::{ClusterShared, Health, HealthFlags, Host};

use super::specifier::Checked;
use crate::message_tree::{address, list, locality, message, text, value};

/// `Capability` with HTTP and TCP.
const CAPABILITY: [u8; 4] = [0x0a, 2, 0, 1];
/// Field 1 and field 2, with a length.
const FIRST: u8 = 0x0a;
const SECOND: u8 = 0x12;

/// The first message of a stream: the node, as it is encoded, and what can be checked.
pub(super) fn first_request(node: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    push(&mut request, FIRST, node);
    push(&mut request, SECOND, &CAPABILITY);
    let mut whole = Vec::new();
    push(&mut whole, FIRST, &request);
    whole
}

fn push(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
    out.extend_from_slice(bytes);
}

/// How all hosts are, twice as in Envoy: one by one, and by cluster and locality.
pub(super) fn of(checked: &[Checked]) -> Vec<u8> {
    let mut endpoints = Vec::new();
    let mut clusters = Vec::new();
    for one in checked {
        clusters.extend(of_cluster(one.cluster(), &mut endpoints));
    }
    let response = value(
        "envoy.service.health.v3.EndpointHealthResponse",
        vec![
            ("endpoints_health", list(endpoints)),
            ("cluster_endpoints_health", list(clusters)),
        ],
    );
    let whole = response.and_then(|response| {
        message(
            "envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse",
            vec![("endpoint_health_response", response)],
        )
    });
    whole.as_ref().map(encode).unwrap_or_default()
}

fn of_cluster(cluster: &ClusterShared, endpoints: &mut Vec<Value>) -> Option<Value> {
    let hosts = cluster.hosts();
    let hosts: Vec<&Arc<Host>> = hosts.iter().collect();
    let localities = hosts.chunk_by(|one, other| Arc::ptr_eq(&one.locality, &other.locality));
    let localities = localities.filter_map(|hosts| {
        let of_hosts: Vec<Value> = hosts.iter().filter_map(|host| of_host(host)).collect();
        endpoints.extend(of_hosts.iter().cloned());
        let place = locality(&hosts.first()?.locality)?;
        value(
            "envoy.service.health.v3.LocalityEndpointsHealth",
            vec![("locality", place), ("endpoints_health", list(of_hosts))],
        )
    });
    let localities: Vec<Value> = localities.collect();
    value(
        "envoy.service.health.v3.ClusterEndpointsHealth",
        vec![
            ("cluster_name", text(&cluster.settings.name)),
            ("locality_endpoints_health", list(localities)),
        ],
    )
}

fn of_host(host: &Host) -> Option<Value> {
    let address = address(&host.shown_address())?;
    let endpoint = value(
        "envoy.config.endpoint.v3.Endpoint",
        vec![("address", address)],
    )?;
    let mut fields = vec![
        ("endpoint", endpoint),
        ("health_status", Value::Enum(status(host.health()))),
    ];
    if let Some(status) = host.checked_status() {
        let told = ("http_status_code".into(), Json::Number(status.into()));
        let told = Arc::new(Json::Object(vec![told]));
        fields.push(("health_metadata", Value::Json(told)));
    }
    value("envoy.service.health.v3.EndpointHealth", fields)
}

/// The number of `HealthStatus`.
fn status(flags: HealthFlags) -> i32 {
    const HEALTHY: i32 = 1;
    const UNHEALTHY: i32 = 2;
    const TIMEOUT: i32 = 4;
    match flags.health() {
        Health::Healthy => HEALTHY,
        _ if flags.contains(HealthFlags::ACTIVE_HC_TIMEOUT) => TIMEOUT,
        _ => UNHEALTHY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_says_who_asks_and_what_can_be_checked() {
        let node = [7; 200];
        let request = first_request(&node);
        assert_eq!(request[..6], [FIRST, 0xd1, 1, FIRST, 0xc8, 1]);
        assert_eq!(request[6..206], node);
        assert_eq!(request[206..], [SECOND, 4, 0x0a, 2, 0, 1]);
    }

    #[test]
    fn a_host_that_does_not_answer_in_time_is_told_apart() {
        let failed = HealthFlags::FAILED_ACTIVE_HC;
        assert_eq!(status(HealthFlags::HEALTHY), 1);
        assert_eq!(status(failed), 2);
        assert_eq!(status(failed.with(HealthFlags::ACTIVE_HC_TIMEOUT)), 4);
    }
}
