//! The clusters that a cluster of `dynamic_forward_proxy` has for its hosts (`sub_clusters_config`): each is the message
//! of that cluster with another name, type, policy and host, made like one that an update brings; updates do not take it away.
//!
//! Limits: those of [`nuncio_upstream::forward_proxy::SubClusters`], which also says when they go: as in Envoy a look
//! each `sub_cluster_ttl`, here from the first of them on.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::resources::Response;
use nuncio_config::span::Span;
use nuncio_config::tree::{Entry, Message, Value};
use nuncio_net::tasks::spawn_seldom;
use nuncio_upstream::forward_proxy::SubClustersWith;

use super::Discovery;
use crate::log;
use crate::message_tree::{list, message, text, value};
use crate::running::retirement;

/// Of `DiscoveryType`.
const STRICT_DNS: i32 = 1;
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

impl Discovery<'_> {
    /// Makes one, unless it is being made.
    pub(super) fn make_sub_cluster(&self, of: &SubClustersWith, name: &str) {
        let parent = {
            let clusters = self.running.clusters.borrow();
            match clusters.knows(name) {
                true => None,
                false => clusters.message(&of.all.parent),
            }
        };
        if let Some(made) = parent.and_then(|parent| sub_cluster(&parent, of, name)) {
            let mut bench = self.workshop.begin(&Response::default(), &self.running);
            match bench.cluster(&Arc::new(made)) {
                Ok(made) => self.running.add_managed(made, self.workers()),
                Err(reason) => {
                    let text = format!("the cluster {name} cannot be had: {reason}");
                    log::warning("upstream", &text);
                }
            }
        }
        if let Some(idle) = of.all.watch() {
            let running = Rc::clone(&self.running);
            let (workers, most) = (self.workers().clone(), retirement(self.around.options));
            spawn_seldom(async move {
                loop {
                    let (removed, goes_on) = idle.next().await;
                    if !removed.is_empty() {
                        running.update_clusters(Vec::new(), removed, &workers, most);
                    }
                    if !goes_on {
                        return;
                    }
                }
            });
        }
    }
}

fn sub_cluster(parent: &Message, of: &SubClustersWith, name: &str) -> Option<Message> {
    let mut made = parent.clone();
    for gone in ["cluster_type", "type", "load_assignment"] {
        made.remove(parent.descriptor.field(gone)?.number());
    }
    let socket = value(
        "envoy.config.core.v3.SocketAddress",
        vec![
            ("address", text(&of.host)),
            ("port_value", Value::U64(of.port.into())),
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
    let hosts = value(
        "envoy.config.endpoint.v3.LocalityLbEndpoints",
        vec![("lb_endpoints", list([host]))],
    )?;
    let assignment = value(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        vec![("cluster_name", text(name)), ("endpoints", list([hosts]))],
    )?;
    let mut fields = vec![
        ("name", text(name)),
        ("type", Value::Enum(STRICT_DNS)),
        ("lb_policy", Value::Enum(of.all.settings.lb_policy)),
        ("load_assignment", assignment),
    ];
    if !has_http_options(parent) {
        let names = value(
            "envoy.config.core.v3.UpstreamHttpProtocolOptions",
            vec![
                ("auto_sni", Value::Bool(true)),
                ("auto_san_validation", Value::Bool(true)),
            ],
        )?;
        fields.push(("upstream_http_protocol_options", names));
    }
    let fields = message("envoy.config.cluster.v3.Cluster", fields)?;
    for entry in fields.entries() {
        made.set(Entry::new(
            entry.number,
            Span::NONE,
            Span::NONE,
            entry.value.clone(),
        ));
    }
    Some(made)
}

/// Whether the cluster itself says how connections are named.
fn has_http_options(cluster: &Message) -> bool {
    let typed = match cluster.find(&["typed_extension_protocol_options"]) {
        Some(Value::Map(items)) => items.iter().any(|item| &*item.key == HTTP_OPTIONS),
        _ => false,
    };
    typed || cluster.find(&["upstream_http_protocol_options"]).is_some()
}
