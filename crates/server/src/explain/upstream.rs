//! A cluster and its hosts, as they are now.

use std::time::Duration;

use nuncio_config::tree::{Message, Value};
use nuncio_contract::matching::plain;
use nuncio_contract::stream_info::FilterStateObject;
use nuncio_http::explain::Forwarding;
use nuncio_upstream::cluster::{ClusterType, Host};
use nuncio_upstream::{ClusterManager, ConnectionName};

use super::places::{Place, Places};

/// How many hosts are told.
pub(super) const MOST_HOSTS: usize = 50;

/// A cluster.
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) policy: &'static str,
    pub(super) connect_timeout: Duration,
    /// The name for SNI, empty for none; no value without TLS.
    pub(super) tls: Option<String>,
    /// The name of the request's that the host's certificate is checked for.
    pub(super) validated_name: Option<String>,
    pub(super) host_count: usize,
    pub(super) hosts: Vec<HostTold>,
    /// Names that are not resolved, with their ports.
    pub(super) unresolved: Vec<String>,
    pub(super) place: Option<Place>,
}

/// A host.
pub(super) struct HostTold {
    pub(super) address: String,
    pub(super) hostname: String,
    pub(super) weight: u32,
    pub(super) priority: u32,
    pub(super) locality: String,
    pub(super) health: String,
    pub(super) is_usable: bool,
}

impl Upstream {
    pub(super) fn tell(
        clusters: &ClusterManager,
        forwarding: &Forwarding,
        places: &Places<'_>,
    ) -> Option<Self> {
        let cluster = clusters.get(forwarding.cluster.id)?;
        let settings = &cluster.settings;
        let name = forwarding.connection_name.as_ref();
        let hosts = cluster.hosts();
        let configured = places.cluster(&settings.name);
        let unresolved = match (&configured, hosts.iter().next(), settings.cluster_type) {
            (_, _, ClusterType::Static) | (_, Some(_), _) | (None, ..) => Vec::new(),
            (Some((message, _)), None, _) => endpoints(message),
        };
        Some(Upstream {
            name: settings.name.to_string(),
            kind: match settings.cluster_type {
                ClusterType::Static => "STATIC",
                ClusterType::StrictDns => "STRICT_DNS",
                ClusterType::LogicalDns => "LOGICAL_DNS",
                ClusterType::Eds => "EDS",
                ClusterType::DynamicForwardProxy => "dynamic forward proxy",
                ClusterType::OriginalDst => "ORIGINAL_DST",
                ClusterType::Aggregate => "aggregate",
                ClusterType::Composite => "composite",
                ClusterType::Redis => "redis",
            },
            policy: settings.lb.policy.name(),
            connect_timeout: settings.connect_timeout,
            tls: cluster.transport_socket.tls().map(|tls| {
                match name.and_then(ConnectionName::server_name) {
                    Some(chosen) => plain(chosen.as_bytes()),
                    None => tls.server_name(),
                }
            }),
            validated_name: name
                .and_then(ConnectionName::validated_name)
                .map(|name| plain(name.as_bytes())),
            host_count: hosts.iter().count(),
            hosts: hosts
                .iter()
                .take(MOST_HOSTS)
                .map(|host| told(host))
                .collect(),
            unresolved,
            place: configured.map(|(_, place)| place),
        })
    }
}

fn told(host: &Host) -> HostTold {
    let locality = &host.locality;
    let parts = [&locality.region, &locality.zone, &locality.sub_zone];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(|part| &**part)
        .filter(|part| !part.is_empty())
        .collect();
    HostTold {
        address: host
            .shown_address()
            .serialize_as_string()
            .unwrap_or_default(),
        hostname: host.hostname.to_string(),
        weight: host.weight,
        priority: host.priority,
        locality: parts.join("/"),
        health: host.health().describe(),
        is_usable: host.health().is_usable(),
    }
}

/// The endpoints of a cluster's message, `name:port`.
fn endpoints(cluster: &Message) -> Vec<String> {
    let list = |message: &Message, path: &[&str]| -> Vec<std::sync::Arc<Message>> {
        let items = message.find(path).and_then(Value::as_list);
        let messages = items.unwrap_or_default().iter();
        messages
            .filter_map(|item| item.value.as_message().cloned())
            .collect()
    };
    let address = |endpoint: &Message| {
        let socket = ["endpoint", "address", "socket_address"];
        let name = endpoint
            .find(&[&socket[..], &["address"]].concat())?
            .as_str()?;
        match endpoint.find(&[&socket[..], &["port_value"]].concat()) {
            Some(Value::U64(port)) => Some(format!("{name}:{port}")),
            _ => Some(name.to_owned()),
        }
    };
    list(cluster, &["load_assignment", "endpoints"])
        .iter()
        .flat_map(|locality| list(locality, &["lb_endpoints"]))
        .filter_map(|endpoint| address(&endpoint))
        .take(MOST_HOSTS)
        .collect()
}
