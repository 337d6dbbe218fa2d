//! Channels of gRPC that services have by themselves (`google_grpc`): a cluster for each, which nobody but the calls to
//! it sees. Each is there as soon as what wished for it was compiled, and stays.
//!
//! As in gRPC one connection speaks HTTP/2; names are resolved as LOGICAL_DNS does, to one host with all its addresses.

use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::span::Span;
use nuncio_config::tree::{Any, MapItem, Message, Value};
use nuncio_config::typed::{ChannelPlace, ChannelTls, ChannelWish, Channels};

use super::clusters::Clusters;
use crate::log;
use crate::message_tree::{address, list, message, text, value};
use crate::resource::ClusterResource;

/// How long a connection may take, as in gRPC.
const CONNECT_TIMEOUT_S: i64 = 20;
const PROTOCOL: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const SOURCE: &str = "envoy.config.core.v3.DataSource";
/// Of [`nuncio_config::tree::Value::Enum`]: the types of clusters.
const LOGICAL_DNS: i32 = 2;
/// Of families of addresses.
const ALL_FAMILIES: i32 = 4;
/// Of subject alternative names: names, and addresses.
const DNS: i32 = 2;
const IP_ADDRESS: i32 = 4;
/// Of versions of TLS.
const TLS_1_3: i32 = 4;

impl Clusters {
    /// Makes the clusters of channels that were wished for meanwhile.
    pub(crate) fn open_channels(&mut self, channels: &Channels) {
        for (name, wish) in channels.take_new() {
            let made = cluster(&name, &wish).and_then(ClusterResource::of_its_own);
            let Some(mut resource) = made else {
                let text = format!("a channel of gRPC cannot be had: {:?}", wish.place);
                log::warning("grpc", &text);
                continue;
            };
            resource.config.settings.is_hidden = true;
            let running = self.make(resource, SystemTime::now());
            self.manager.publish([Arc::clone(&running.shared)]);
            self.channels.push(running);
        }
    }
}

/// The cluster of a channel.
fn cluster(name: &str, wish: &ChannelWish) -> Option<Message> {
    let hosts = hosts(&wish.place)?;
    let assignment = value(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        vec![("cluster_name", text(name)), ("endpoints", hosts)],
    )?;
    let mut fields = vec![
        ("name", text(name)),
        ("connect_timeout", Value::Duration(CONNECT_TIMEOUT_S, 0)),
        ("load_assignment", assignment),
        ("typed_extension_protocol_options", protocol(wish)?),
    ];
    if matches!(wish.place, ChannelPlace::Name(..)) {
        fields.push(("type", Value::Enum(LOGICAL_DNS)));
        fields.push(("dns_lookup_family", Value::Enum(ALL_FAMILIES)));
    }
    if let Some(tls) = &wish.tls {
        fields.push(("transport_socket", socket(tls)?));
    }
    message("envoy.config.cluster.v3.Cluster", fields)
}

fn hosts(place: &ChannelPlace) -> Option<Value> {
    let addresses: Option<Vec<Value>> = match place {
        ChannelPlace::Name(host, port) => {
            let socket = value(
                "envoy.config.core.v3.SocketAddress",
                vec![
                    ("address", text(host)),
                    ("port_value", Value::U64((*port).into())),
                ],
            )?;
            Some(vec![value(
                "envoy.config.core.v3.Address",
                vec![("socket_address", socket)],
            )?])
        }
        ChannelPlace::Addresses(all) => all.iter().map(|one| address(&(*one).into())).collect(),
        ChannelPlace::Path(path) => {
            let pipe = value("envoy.config.core.v3.Pipe", vec![("path", text(path))])?;
            Some(vec![value(
                "envoy.config.core.v3.Address",
                vec![("pipe", pipe)],
            )?])
        }
    };
    let endpoints = addresses?.into_iter().filter_map(|address| {
        let endpoint = value(
            "envoy.config.endpoint.v3.Endpoint",
            vec![("address", address)],
        )?;
        value(
            "envoy.config.endpoint.v3.LbEndpoint",
            vec![("endpoint", endpoint)],
        )
    });
    let of_all = value(
        "envoy.config.endpoint.v3.LocalityLbEndpoints",
        vec![("lb_endpoints", list(endpoints))],
    )?;
    Some(list([of_all]))
}

/// HTTP/2, and whether its connections are asked whether they live.
fn protocol(wish: &ChannelWish) -> Option<Value> {
    let mut http2 = Vec::new();
    if let Some((interval, timeout)) = wish.keepalive {
        let duration = |time: std::time::Duration| {
            let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
            let nanos = i32::try_from(time.subsec_nanos()).unwrap_or(0);
            Value::Duration(seconds, nanos)
        };
        let keepalive = value(
            "envoy.config.core.v3.KeepaliveSettings",
            vec![
                ("interval", duration(interval)),
                ("timeout", duration(timeout)),
            ],
        )?;
        http2.push(("connection_keepalive", keepalive));
    }
    let http2 = value("envoy.config.core.v3.Http2ProtocolOptions", http2)?;
    let explicit = value(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig",
        vec![("http2_protocol_options", http2)],
    )?;
    let options = message(PROTOCOL, vec![("explicit_http_config", explicit)])?;
    let item = MapItem {
        key: PROTOCOL.into(),
        key_span: Span::NONE,
        span: Span::NONE,
        value: any(options),
    };
    Some(Value::Map([item].into()))
}

fn socket(tls: &ChannelTls) -> Option<Value> {
    let source = |bytes: &[u8]| {
        let bytes = Value::Bytes(bytes.into());
        value(SOURCE, vec![("inline_bytes", bytes)])
    };
    let (kind, sni) = match tls.server_name.parse::<std::net::IpAddr>() {
        Ok(_) => (IP_ADDRESS, None),
        Err(_) => (DNS, Some(text(&tls.server_name))),
    };
    let exact = value(
        "envoy.type.matcher.v3.StringMatcher",
        vec![("exact", text(&tls.server_name))],
    )?;
    let name = value(
        "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher",
        vec![("san_type", Value::Enum(kind)), ("matcher", exact)],
    )?;
    let validation = value(
        "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
        vec![
            ("trusted_ca", source(&tls.roots)?),
            ("match_typed_subject_alt_names", list([name])),
        ],
    )?;
    let versions = value(
        "envoy.extensions.transport_sockets.tls.v3.TlsParameters",
        vec![("tls_maximum_protocol_version", Value::Enum(TLS_1_3))],
    )?;
    let mut common = vec![
        ("validation_context", validation),
        ("alpn_protocols", list([text("h2")])),
        ("tls_params", versions),
    ];
    if let Some((key, chain)) = &tls.identity {
        let certificate = value(
            "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
            vec![
                ("certificate_chain", source(chain)?),
                ("private_key", source(key)?),
            ],
        )?;
        common.push(("tls_certificates", list([certificate])));
    }
    let common = value(
        "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
        common,
    )?;
    let mut context = vec![("common_tls_context", common)];
    context.extend(sni.map(|sni| ("sni", sni)));
    let context = message(TLS, context)?;
    value(
        "envoy.config.core.v3.TransportSocket",
        vec![
            ("name", text("envoy.transport_sockets.tls")),
            ("typed_config", any(context)),
        ],
    )
}

fn any(message: Message) -> Value {
    Value::Any(Arc::new(Any {
        type_url: format!("type.googleapis.com/{}", message.name()).into(),
        message: Arc::new(message),
        typed_struct: None,
    }))
}
