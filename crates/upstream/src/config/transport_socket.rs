//! `transport_socket` of clusters: plain, TLS, QUIC, the first two behind a PROXY header or tapped, and what is passed on to
//! internal listeners.
//!
//! Not supported of the PROXY header: values by a format, and unspecified addresses.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::metadata_message::struct_of;
use nuncio_contract::proxy_values::{PassThrough, Passing, ProxyValueSources, TlvEntry};
use nuncio_net::tap::{CommonExtensionConfig, SocketTapConfig, TapSettings};
use nuncio_net::tls::{ClientTls, UpstreamTlsContext};

use super::endpoint_metadata::ip_of;
use super::endpoints::Address;
use super::messages::Cluster;
use crate::cluster::{ClusterSettings, UpstreamProtocol};
use crate::proxy_protocol::{ProxyVersion, UpstreamProxyProtocol};
use crate::socket_match::{SocketMatch, SocketMatches};
use crate::socket_tree::SocketTree;
use crate::transport_socket::{Behind, Http11Proxy, Passthrough, QuicTls, TransportSocket};

message! {
    /// How connections are secured.
    pub(crate) struct TransportSocketMessage: "envoy.config.core.v3.TransportSocket" {
        pub(crate) name: Spanned<String>,
        pub(crate) oneof config_type: Option<TransportSocketConfig>,
    }
}

one_of! {
    /// Its message.
    pub(crate) enum TransportSocketConfig {
        typed_config => TypedConfig(Any),
    }
}

message! {
    /// A transport socket for hosts with certain metadata.
    pub(crate) struct TransportSocketMatch: "envoy.config.cluster.v3.Cluster.TransportSocketMatch" {
        name: String,
        r#match: Option<Arc<Json>>,
        transport_socket: Option<TransportSocketMessage>,
    }
}

message! {
    /// Not secured.
    pub(crate) struct RawBuffer: "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" {
    }
}

message! {
    /// TLS later.
    pub(crate) struct StartTls: "envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig" {
        inert cleartext_socket_config = "there is nothing in it",
        tls_socket_config: Option<UpstreamTlsContext>,
    }
}

message! {
    /// TLS inside of QUIC.
    pub(crate) struct QuicUpstream: "envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport" {
        upstream_tls_context: UpstreamTlsContext,
    }
}

message! {
    /// Either of them behind a PROXY header.
    pub(crate) struct ProxyProtocolSocket: "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport" {
        config: Option<ProxyProtocolConfig>,
        transport_socket: Option<TransportSocketMessage>,
    }
}

message! {
    /// The header.
    pub(crate) struct ProxyProtocolConfig: "envoy.config.core.v3.ProxyProtocolConfig" {
        version: ProxyProtocolVersion,
        pass_through_tlvs: Option<PassThrough>,
        added_tlvs: Vec<TlvEntry>,
    }
}

enumeration! {
    /// Its versions.
    pub(crate) enum ProxyProtocolVersion: "envoy.config.core.v3.ProxyProtocolConfig.Version" {
        V1 => V1,
        V2 => V2,
    }
}

message! {
    /// Either of them behind an HTTP proxy.
    pub(crate) struct HttpProxySocket: "envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport" {
        transport_socket: Option<TransportSocketMessage>,
        default_proxy_address: Option<Address>,
    }
}

message! {
    /// Any of them, and the system is asked of connections.
    pub(crate) struct TcpStatsSocket: "envoy.extensions.transport_sockets.tcp_stats.v3.Config" {
        transport_socket: TransportSocketMessage,
        update_period: Option<Duration>,
    }
}

message! {
    /// Any of them, and what connections carry is written elsewhere.
    pub(crate) struct TapSocket: "envoy.extensions.transport_sockets.tap.v3.Tap" {
        common_config: CommonExtensionConfig,
        transport_socket: TransportSocketMessage,
        socket_tap_config: Option<SocketTapConfig>,
    }
}

message! {
    /// What connections to internal listeners take along.
    pub(crate) struct InternalUpstream: "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport" {
        passthrough_metadata: Vec<PassedMetadata>,
        transport_socket: TransportSocketMessage,
    }
}

message! {
    /// A namespace of metadata.
    pub(crate) struct PassedMetadata: "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport.MetadataValueSource" {
        kind: MetadataKind,
        name: String,
    }
}

message! {
    /// Whose metadata.
    pub(crate) struct MetadataKind: "envoy.type.metadata.v3.MetadataKind" {
        oneof kind: MetadataOwner,
    }
}

one_of! {
    /// The owners whose metadata is known to a connection.
    pub(crate) enum MetadataOwner {
        cluster => Cluster(ClusterMetadata),
        host => Host(HostMetadata),
    }
}

message! {
    /// The cluster.
    pub(crate) struct ClusterMetadata: "envoy.type.metadata.v3.MetadataKind.Cluster" {}
}

message! {
    /// The host.
    pub(crate) struct HostMetadata: "envoy.type.metadata.v3.MetadataKind.Host" {}
}

/// The transport socket that a message asks for, and what goes before it; plain when there is none.
pub(super) fn read(
    message: Option<&TransportSocketMessage>,
    ctx: &mut Ctx,
) -> Result<TransportSocket, Refused> {
    let Some(message) = message else {
        return Ok(TransportSocket::RawBuffer);
    };
    let Some(TransportSocketConfig::TypedConfig(any)) = &message.config_type else {
        if message.name.value == "envoy.transport_sockets.raw_buffer" {
            return Ok(TransportSocket::RawBuffer);
        }
        let what = format!(
            "transport socket `{}` without `typed_config`",
            message.name.value
        );
        return Err(ctx.unsupported_here(message.name.span, what));
    };
    match any.type_name() {
        "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" => {
            any.decode::<RawBuffer>(ctx)?;
            Ok(TransportSocket::RawBuffer)
        }
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" => {
            let context: UpstreamTlsContext = any.decode(ctx)?;
            let tls = ClientTls::new(&context, ctx)?;
            Ok(TransportSocket::Tls(Arc::new(tls)))
        }
        "envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport" => {
            let message: QuicUpstream = any.decode(ctx)?;
            let context = &message.upstream_tls_context;
            let both = QuicTls {
                quic: ClientTls::of_quic(context, ctx)?,
                tcp: Arc::new(ClientTls::new(context, ctx)?),
            };
            Ok(TransportSocket::Quic(Arc::new(both)))
        }
        "envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig" => {
            let message: StartTls = any.decode(ctx)?;
            let Some(context) = &message.tls_socket_config else {
                return Err(Refused);
            };
            let tls = ClientTls::new(context, ctx)?;
            Ok(TransportSocket::StartTls(Arc::new(tls)))
        }
        "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport" => {
            behind_proxy_header(any, ctx)
        }
        "envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport" => {
            behind_http_proxy(any, ctx)
        }
        "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport" => {
            passing_on(any, ctx)
        }
        "envoy.extensions.transport_sockets.tcp_stats.v3.Config" => {
            let message: TcpStatsSocket = any.decode(ctx)?;
            let mut behind = behind(read(Some(&message.transport_socket), ctx)?);
            if behind.tcp_stats.is_some() {
                return Err(ctx.unsupported_here(any.span, "one such socket in another"));
            }
            behind.tcp_stats = Some(message.update_period);
            Ok(TransportSocket::Behind(behind))
        }
        "envoy.extensions.transport_sockets.tap.v3.Tap" => tapped(any, ctx),
        other => Err(ctx.unsupported_here(any.span, format_args!("transport socket `{other}`"))),
    }
}

/// The transport sockets of hosts with certain metadata, if there are some.
pub(super) fn read_matches(
    cluster: &Cluster,
    ctx: &mut Ctx,
) -> Result<Option<Box<SocketMatches>>, Refused> {
    let mut all: Vec<SocketMatch> = Vec::new();
    for one in &cluster.transport_socket_matches {
        let Some(message) = &one.transport_socket else {
            let text = "Didn't find a registered implementation for name: ''";
            ctx.error(one.span(), text);
            return Err(Refused);
        };
        let socket = read(Some(message), ctx)?;
        let name = &one.name;
        let is_chosen_by_name = cluster.transport_socket_matcher.is_some();
        if is_chosen_by_name && all.iter().any(|other| *other.name == **name) {
            let text = format!(
                "Duplicate transport socket name '{name}' found in transport_socket_matches"
            );
            ctx.error(one.span(), text);
            return Err(Refused);
        }
        let wanted = one.r#match.as_ref();
        all.push(SocketMatch {
            name: name.as_str().into(),
            wanted: wanted.map_or_else(Default::default, |wanted| struct_of(wanted)),
            socket: Arc::new(socket),
        });
    }
    let tree = match &cluster.transport_socket_matcher {
        Some(message) => {
            let names: Vec<_> = all.iter().map(|one| &*one.name).collect();
            Some(Arc::new(SocketTree::compile(message, &names, ctx)?))
        }
        None => None,
    };
    Ok((!all.is_empty()).then(|| Box::new(SocketMatches { all, tree })))
}

/// HTTP/3 needs QUIC. As in Envoy the socket's name has to say so.
pub(super) fn check_quic(
    cluster: &Cluster,
    settings: &ClusterSettings,
    socket: &TransportSocket,
    ctx: &mut Ctx,
) {
    let message = cluster.transport_socket.as_ref();
    let is_named = message.is_some_and(|it| it.name.value.contains("envoy.transport_sockets.quic"));
    if settings.http.http3.is_none() || (is_named && socket.quic().is_some()) {
        return;
    }
    let name = &cluster.name.value;
    let text = format!("HTTP3 requires a QuicUpstreamTransport transport socket: {name}");
    ctx.error(cluster.span(), text);
}

/// A protocol that is agreed on in the handshake needs one with every host.
pub(super) fn check_agreement(
    cluster: &Cluster,
    settings: &ClusterSettings,
    socket: &TransportSocket,
    ctx: &mut Ctx,
) {
    let by_alpn = settings.http.protocol == UpstreamProtocol::ByAlpn;
    let agrees = |socket: &TransportSocket| socket.tls().is_some();
    let matches = settings.socket_matches.as_deref();
    let what = match by_alpn {
        false => return,
        true if !agrees(socket) => "transport socket",
        true if matches.is_some_and(|it| !it.all.iter().all(|one| agrees(&one.socket))) => {
            "transport socket matcher"
        }
        true => return,
    };
    let name = &cluster.name.value;
    let text = format!("ALPN configured for cluster {name} which has a non-ALPN {what}");
    ctx.error(cluster.span(), text);
}

/// A socket that something is to go before.
fn behind(socket: TransportSocket) -> Box<Behind> {
    match socket {
        TransportSocket::Behind(behind) => behind,
        within => Box::new(Behind {
            within,
            ..Behind::default()
        }),
    }
}

fn tapped(any: &Any, ctx: &mut Ctx) -> Result<TransportSocket, Refused> {
    let message: TapSocket = any.decode(ctx)?;
    let socket = message.socket_tap_config.as_ref();
    let settings = TapSettings::compile(&message.common_config, socket, ctx)?;
    let mut behind = behind(read(Some(&message.transport_socket), ctx)?);
    if behind.tap.is_some() || behind.within.quic().is_some() {
        let what = "a tap around another or around QUIC";
        return Err(ctx.unsupported_here(any.span, what));
    }
    behind.tap = Some(Arc::new(settings));
    Ok(TransportSocket::Behind(behind))
}

fn behind_proxy_header(any: &Any, ctx: &mut Ctx) -> Result<TransportSocket, Refused> {
    let message: ProxyProtocolSocket = any.decode(ctx)?;
    let mut behind = behind(read(message.transport_socket.as_ref(), ctx)?);
    if behind.proxy_protocol.is_some() || behind.http_proxy.is_some() {
        let what = "a PROXY header around another or around an HTTP proxy";
        return Err(ctx.unsupported_here(any.span, what));
    }
    let config = message.config.as_ref();
    let version = config.map_or(ProxyVersion::V1, |config| match config.version {
        ProxyProtocolVersion::V1 => ProxyVersion::V1,
        ProxyProtocolVersion::V2 => ProxyVersion::V2,
    });
    let passing = config.and_then(|config| config.pass_through_tlvs.as_ref());
    let mut proxy = UpstreamProxyProtocol::new(version, Passing::compile(passing));
    let added = config.map_or(&[][..], |config| &config.added_tlvs);
    let added = ProxyValueSources::compile(added, ctx)?;
    if !added.are_given() {
        return Err(ctx.unsupported_here(message.span(), "`format_string` of a cluster's TLV"));
    }
    for (kind, value) in added.given() {
        if !proxy.add(kind, value) {
            let text = "the values are more than a PROXY header has room for";
            ctx.error(message.span(), text);
            return Err(Refused);
        }
    }
    behind.proxy_protocol = Some(proxy);
    Ok(TransportSocket::Behind(behind))
}

fn behind_http_proxy(any: &Any, ctx: &mut Ctx) -> Result<TransportSocket, Refused> {
    let message: HttpProxySocket = any.decode(ctx)?;
    let mut behind = behind(read(message.transport_socket.as_ref(), ctx)?);
    if behind.proxy_protocol.is_some() || behind.http_proxy.is_some() {
        return Err(ctx.unsupported_here(any.span, "another proxy behind an HTTP proxy"));
    }
    let default = match &message.default_proxy_address {
        Some(address) => Some(ip_of(address, ctx)?),
        None => None,
    };
    behind.http_proxy = Some(Http11Proxy { default });
    Ok(TransportSocket::Behind(behind))
}

fn passing_on(any: &Any, ctx: &mut Ctx) -> Result<TransportSocket, Refused> {
    let message: InternalUpstream = any.decode(ctx)?;
    let mut behind = behind(read(Some(&message.transport_socket), ctx)?);
    if behind.passthrough.is_some() {
        return Err(ctx.unsupported_here(any.span, "one such socket in another"));
    }
    let mut passthrough = Passthrough::default();
    for passed in &message.passthrough_metadata {
        let names = match &passed.kind.kind {
            MetadataOwner::Cluster(ClusterMetadata { .. }) => &mut passthrough.of_cluster,
            MetadataOwner::Host(HostMetadata { .. }) => &mut passthrough.of_host,
        };
        names.push(passed.name.as_str().into());
    }
    behind.passthrough = Some(passthrough);
    Ok(TransportSocket::Behind(behind))
}
