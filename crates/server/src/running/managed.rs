//! Clusters that extensions want for themselves ([`nuncio_config::typed::ManagedCluster`]): made as Envoy makes those of AWS' services,
//! one host that speaks HTTP/1, and shown as if an update had brought them; updates do not take them away.
//! Once they are made, what goes on beside the streams because of them begins.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::span::Span;
use nuncio_config::tree::{Any, MapItem, Message, Value};
use nuncio_config::typed::{Channels, ManagedCluster};

use super::Running as All;
use crate::log;
use crate::message_tree::{list, message, text, value};
use crate::resource::ClusterResource;

/// How long a connection may take, as Envoy has it.
const CONNECT_TIMEOUT_S: i64 = 5;
const PROTOCOL: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
/// Of [`nuncio_config::tree::Value::Enum`]: the types of clusters.
const STATIC: i32 = 0;
const LOGICAL_DNS: i32 = 2;

impl All {
    /// Makes the clusters that were wanted meanwhile, and begins what goes on because of them.
    pub(super) fn open_managed(self: &Rc<Self>, channels: &Channels) {
        let wanted = channels.take_managed();
        if !wanted.is_empty() {
            self.make_managed(&wanted);
        }
        for task in channels.take_tasks() {
            task.begin();
        }
    }

    fn make_managed(self: &Rc<Self>, wanted: &[ManagedCluster]) {
        let mut clusters = self.clusters.borrow_mut();
        let mut put = Vec::new();
        for cluster in wanted.iter().filter(|one| !clusters.knows(&one.name)) {
            match resource(cluster) {
                Some(resource) => put.push(resource),
                None => {
                    let text = format!("the cluster {} cannot be had", cluster.name);
                    log::warning("upstream", &text);
                }
            }
        }
        let mut warming = clusters.prepare_update(put, Vec::new(), SystemTime::now());
        warming
            .made
            .iter_mut()
            .for_each(|one| one.is_managed = true);
        let (_none_go, cold) = clusters.publish_warm(warming);
        drop(clusters);
        for cold in cold {
            self.promote_once_warm(cold, None);
        }
    }
}

fn resource(wanted: &ManagedCluster) -> Option<ClusterResource> {
    let own = ClusterResource::of_its_own(cluster(wanted)?)?;
    Some(ClusterResource {
        update: Some("".into()),
        ..own
    })
}

fn cluster(wanted: &ManagedCluster) -> Option<Message> {
    let kind = match wanted.is_resolved {
        true => LOGICAL_DNS,
        false => STATIC,
    };
    let assignment = value(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        vec![
            ("cluster_name", text(&wanted.name)),
            ("endpoints", hosts(wanted)?),
        ],
    )?;
    let mut fields = vec![
        ("name", text(&wanted.name)),
        ("type", Value::Enum(kind)),
        ("connect_timeout", Value::Duration(CONNECT_TIMEOUT_S, 0)),
        ("load_assignment", assignment),
        ("typed_extension_protocol_options", protocol()?),
    ];
    if wanted.is_encrypted {
        let socket = value(
            "envoy.config.core.v3.TransportSocket",
            vec![
                ("name", text("envoy.transport_sockets.tls")),
                ("typed_config", any(message(TLS, Vec::new())?)),
            ],
        )?;
        fields.push(("transport_socket", socket));
    }
    message("envoy.config.cluster.v3.Cluster", fields)
}

fn hosts(wanted: &ManagedCluster) -> Option<Value> {
    let socket = value(
        "envoy.config.core.v3.SocketAddress",
        vec![
            ("address", text(&wanted.host)),
            ("port_value", Value::U64(wanted.port.into())),
        ],
    )?;
    let address = value(
        "envoy.config.core.v3.Address",
        vec![("socket_address", socket)],
    )?;
    let endpoint = value(
        "envoy.config.endpoint.v3.Endpoint",
        vec![("address", address)],
    )?;
    let host = value(
        "envoy.config.endpoint.v3.LbEndpoint",
        vec![("endpoint", endpoint)],
    )?;
    let of_all = value(
        "envoy.config.endpoint.v3.LocalityLbEndpoints",
        vec![("lb_endpoints", list([host]))],
    )?;
    Some(list([of_all]))
}

/// HTTP/1, of old servers too.
fn protocol() -> Option<Value> {
    let http1 = value(
        "envoy.config.core.v3.Http1ProtocolOptions",
        vec![("accept_http_10", Value::Bool(true))],
    )?;
    let explicit = value(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig",
        vec![("http_protocol_options", http1)],
    )?;
    let item = MapItem {
        key: PROTOCOL.into(),
        key_span: Span::NONE,
        span: Span::NONE,
        value: any(message(PROTOCOL, vec![("explicit_http_config", explicit)])?),
    };
    Some(Value::Map([item].into()))
}

fn any(message: Message) -> Value {
    Value::Any(Arc::new(Any {
        type_url: format!("type.googleapis.com/{}", message.name()).into(),
        message: Arc::new(message),
        typed_struct: None,
    }))
}
