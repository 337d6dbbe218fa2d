//! What is told of a host's health, as lines of `HealthCheckEvent` in JSON.

use std::time::SystemTime;

use nuncio_config::json_text::string;
use nuncio_contract::formatter::{append_metadata, timestamp};
use nuncio_contract::stream_info::metadata::Value;
use nuncio_contract::stream_info::{Address, Metadata};

use super::session::{Event, Failure};
use super::settings::Probe;
use crate::host::Host;

/// A line with its newline.
pub(crate) fn line(
    event: Event,
    probe: &Probe,
    host: &Host,
    cluster: &str,
    at: SystemTime,
) -> String {
    let kind = match probe {
        Probe::Http(_) => "HTTP",
        Probe::Tcp(_) => "TCP",
        Probe::Grpc(_) => "GRPC",
        Probe::Redis(_) => "REDIS",
        Probe::Thrift(_) => "THRIFT",
    };
    let parts = parts(event);
    let place = &host.locality;
    let (region, zone, sub_zone) = (
        quoted(&place.region),
        quoted(&place.zone),
        quoted(&place.sub_zone),
    );
    let locality =
        format!("\"locality\":{{\"region\":{region},\"zone\":{zone},\"sub_zone\":{sub_zone}}}");
    let members = [
        format!("\"health_checker_type\":\"{kind}\""),
        format!("\"host\":{}", address(&host.shown_address())),
        format!("\"cluster_name\":{}", quoted(cluster)),
        parts.before_time,
        format!("\"timestamp\":\"{}\"", timestamp(at)),
        parts.after_time,
        host.metadata.as_deref().map(metadata).unwrap_or_default(),
        locality,
        parts.last,
    ];
    let members: Vec<_> = members.into_iter().filter(|it| !it.is_empty()).collect();
    format!("{{{}}}\n", members.join(","))
}

/// An event stands where its number in the message is.
#[derive(Default)]
struct Parts {
    before_time: String,
    after_time: String,
    last: String,
}

fn parts(event: Event) -> Parts {
    let mut parts = Parts::default();
    match event {
        Event::Ejected(failure) => {
            let (kind, status) = described(failure);
            parts.before_time = format!(
                "\"eject_unhealthy_event\":{{\"failure_type\":\"{kind}\",\"http_status_code\":{status}}}"
            );
        }
        Event::Added(is_first) => {
            parts.before_time = format!("\"add_healthy_event\":{{\"first_check\":{is_first}}}");
        }
        Event::Failed(failure, is_first) => {
            let (kind, status) = described(failure);
            parts.after_time = format!(
                "\"health_check_failure_event\":{{\"failure_type\":\"{kind}\",\"first_check\":{is_first},\"http_status_code\":{status}}}"
            );
        }
        Event::Degraded => parts.after_time = "\"degraded_healthy_host\":{}".into(),
        Event::NoLongerDegraded => parts.after_time = "\"no_longer_degraded_host\":{}".into(),
        Event::Passed => parts.last = "\"successful_health_check_event\":{}".into(),
    }
    parts
}

fn described(failure: Failure) -> (&'static str, u16) {
    match failure {
        Failure::Active { status, .. } => ("ACTIVE", status),
        Failure::Passive => ("PASSIVE", 0),
        Failure::Network => ("NETWORK", 0),
        Failure::NetworkTimeout => ("NETWORK_TIMEOUT", 0),
    }
}

fn address(address: &Address) -> String {
    match address {
        Address::Ip(address) => {
            let (ip, port) = (address.ip(), address.port());
            format!(
                "{{\"socket_address\":{{\"protocol\":\"TCP\",\"address\":\"{ip}\",\"port_value\":{port},\"resolver_name\":\"\",\"ipv4_compat\":false,\"network_namespace_filepath\":\"\"}}}}"
            )
        }
        Address::Pipe(path) => {
            format!("{{\"pipe\":{{\"path\":{},\"mode\":0}}}}", quoted(path))
        }
        Address::Internal(internal) => format!(
            "{{\"envoy_internal_address\":{{\"server_listener_name\":{},\"endpoint_id\":{}}}}}",
            quoted(&internal.listener),
            quoted(&internal.endpoint_id)
        ),
    }
}

/// What discovery says of the host for filters; nothing else of it is kept.
fn metadata(metadata: &Metadata) -> String {
    let namespaces = metadata.namespaces().map(|(name, fields)| {
        let mut told = Vec::new();
        append_metadata(&Value::Struct(fields.clone()), &mut told);
        format!("{}:{}", quoted(name), String::from_utf8_lossy(&told))
    });
    let all: Vec<_> = namespaces.collect();
    format!(
        "\"metadata\":{{\"filter_metadata\":{{{}}},\"typed_filter_metadata\":{{}}}}",
        all.join(",")
    )
}

fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    string(&mut quoted, text);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_of_a_host_is_told_by_namespaces() {
        let mut of_host = Metadata::default();
        of_host.namespace_mut("a");
        let is_canary = Value::Bool(true);
        of_host
            .namespace_mut("envoy.lb")
            .insert("canary", is_canary);
        assert_eq!(
            metadata(&of_host),
            r#""metadata":{"filter_metadata":{"a":{},"envoy.lb":{"canary":true}},"typed_filter_metadata":{}}"#
        );
    }

    #[test]
    fn a_unix_domain_socket_is_told_by_its_path() {
        assert_eq!(
            address(&Address::Pipe("/a \"b\"".into())),
            r#"{"pipe":{"path":"/a \"b\"","mode":0}}"#
        );
    }
}
