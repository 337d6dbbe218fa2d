//! The transport socket of a filter chain: makes a transport out of a socket, once the listener filters are through
//! with it. What is before the first byte, a handshake, may be waited for later.
//!
//! `raw_buffer`, which is what a chain without a transport socket has and where there is nothing to wait for, `tls`,
//! and `starttls`, which stays in the clear: what would have it turn to TLS is a filter of another protocol, and there
//! is none. `tcp_stats` and `tap` are around any of them. The gauges of when certificates end are those of the listener; two certificates without a name share one, as
//! in Envoy, and the later one stands.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FileRead, Refused, SecretWish};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{
    QuicSocketFactoryStats, TlsSocketFactoryStats, register_downstream_quic,
    register_downstream_tls,
};
use nuncio_contract::stream_info::ConnectionInfo;
use nuncio_net::tap::{CommonExtensionConfig, Ends, SocketTapConfig, TapSettings, Tapping};
use nuncio_net::tls::{
    ContextCertificates, DownstreamTlsContext, Expirations, ServerTls, TlsCounts,
};
use nuncio_net::transport::{Measuring, TcpSocketStats, Transport};
use nuncio_tcp::client::Handshaken;
use tokio::net::TcpStream;

use crate::config::{FilterChain, TransportSocket, TransportSocketConfig};

const RAW_BUFFER: &str = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
const START_TLS: &str = "envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig";
const QUIC: &str = "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport";
const TCP_STATS: &str = "envoy.extensions.transport_sockets.tcp_stats.v3.Config";
const TAP: &str = "envoy.extensions.transport_sockets.tap.v3.Tap";
const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";

message! {
    /// TLS later.
    pub(crate) struct StartTls: "envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig" {
        inert cleartext_socket_config = "there is nothing in it",
        tls_socket_config: Option<DownstreamTlsContext>,
    }
}

message! {
    /// Any of them, and the system is asked of connections.
    pub(crate) struct TcpStats: "envoy.extensions.transport_sockets.tcp_stats.v3.Config" {
        transport_socket: TransportSocket,
        update_period: Option<Duration>,
    }
}

message! {
    /// Any of them, and what connections carry is written elsewhere.
    pub(crate) struct Tap: "envoy.extensions.transport_sockets.tap.v3.Tap" {
        common_config: CommonExtensionConfig,
        transport_socket: TransportSocket,
        socket_tap_config: Option<SocketTapConfig>,
    }
}

message! {
    /// TLS inside of QUIC.
    pub(crate) struct QuicDownstreamTransport: "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport" {
        downstream_tls_context: Option<DownstreamTlsContext>,
        inert enable_early_data = "none is taken, so that clients send it behind the handshake",
        enable_resumption: Option<bool>,
    }
}

/// How a chain's sockets become transports, shared by the workers.
#[derive(Clone, Default)]
pub(crate) enum DownstreamSocket {
    /// The bytes of the socket are those of the connection.
    #[default]
    RawBuffer,
    /// After a handshake.
    Tls(Arc<ListenerTls>),
    /// There are no sockets of connections: TLS is QUIC's.
    Quic(Arc<ListenerTls>),
    /// One of these, and the system is asked of connections: how often while they last.
    Measured(Arc<DownstreamSocket>, Option<Duration>),
    /// One of these, and connections are tapped.
    Tapped(Arc<DownstreamSocket>, Arc<TapSettings>),
}

/// TLS, with what is around it.
pub(crate) struct ListenerTls {
    tls: Arc<ServerTls>,
    /// Whether connections stay in the clear.
    is_for_later: bool,
    /// Whether sessions of QUIC are resumed.
    resumes: bool,
    /// Those that it was made of.
    files: Vec<FileRead>,
    /// The secrets from elsewhere that it is made of.
    secrets: Vec<SecretWish>,
    /// Where it counts: that of the listener.
    scope: OnceLock<Scope>,
    /// When certificates end, by the names of the gauges.
    expirations: Expirations,
}

/// The same on one thread, with what it counts there.
pub(super) enum SocketOnThread {
    RawBuffer,
    Tls(Rc<TlsOnThread>),
    Measured(Box<SocketOnThread>, Measuring),
    Tapped(Box<SocketOnThread>, Tapping),
}

/// TLS on one thread.
pub(super) struct TlsOnThread {
    socket: Arc<ListenerTls>,
    counts: TlsCounts,
}

/// A transport that is made.
pub(super) enum Opening {
    /// There was nothing to wait for.
    Done(Transport),
    /// There is a handshake. An error is why the connection ended in it, which has been counted.
    Handshake(LocalFuture<Handshaken>),
}

impl DownstreamSocket {
    /// What a chain says of it.
    pub(crate) fn compile(chain: &FilterChain, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(socket) = &chain.transport_socket else {
            return Ok(DownstreamSocket::RawBuffer);
        };
        Self::of_message(socket, ctx)
    }

    fn of_message(socket: &TransportSocket, ctx: &mut Ctx) -> Result<Self, Refused> {
        match &socket.config_type {
            Some(TransportSocketConfig::TypedConfig(any)) => Self::of(any, ctx),
            None => {
                let name = &socket.name;
                let what = format!("transport socket `{}` without `typed_config`", name.value);
                Err(ctx.unsupported_here(name.span, what))
            }
        }
    }

    fn of(any: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        match any.type_name() {
            RAW_BUFFER => Ok(DownstreamSocket::RawBuffer),
            TLS => {
                let before = (ctx.files.len(), ctx.secrets_wanted.len());
                let message: DownstreamTlsContext = any.decode(ctx)?;
                Self::secured(&message, before, false, ctx).map(DownstreamSocket::Tls)
            }
            QUIC => {
                let before = (ctx.files.len(), ctx.secrets_wanted.len());
                let message: QuicDownstreamTransport = any.decode(ctx)?;
                let context = message.downstream_tls_context.as_ref().ok_or(Refused)?;
                check_client_certificates(context, any, ctx)?;
                let mut socket = Self::secured(context, before, false, ctx)?;
                if let Some(socket) = Arc::get_mut(&mut socket) {
                    socket.resumes = message.enable_resumption != Some(false);
                }
                Ok(DownstreamSocket::Quic(socket))
            }
            START_TLS => {
                let before = (ctx.files.len(), ctx.secrets_wanted.len());
                let message: StartTls = any.decode(ctx)?;
                let context = message.tls_socket_config.as_ref().ok_or(Refused)?;
                Self::secured(context, before, true, ctx).map(DownstreamSocket::Tls)
            }
            TCP_STATS => {
                let message: TcpStats = any.decode(ctx)?;
                let within = Self::of_message(&message.transport_socket, ctx)?;
                if within.quic().is_some() {
                    let what = "what is told of connections of TCP around QUIC";
                    return Err(ctx.unsupported_here(any.span, what));
                }
                let within = Arc::new(within);
                Ok(DownstreamSocket::Measured(within, message.update_period))
            }
            TAP => {
                let message: Tap = any.decode(ctx)?;
                let (common, socket) = (&message.common_config, &message.socket_tap_config);
                let settings = TapSettings::compile(common, socket.as_ref(), ctx)?;
                let within = Self::of_message(&message.transport_socket, ctx)?;
                if within.quic().is_some() {
                    return Err(ctx.unsupported_here(any.span, "a tap around QUIC"));
                }
                let within = Arc::new(within);
                Ok(DownstreamSocket::Tapped(within, Arc::new(settings)))
            }
            other => {
                let what = format!("the downstream transport socket `{other}`");
                ctx.unsupported(any.span, what);
                Err(Refused)
            }
        }
    }

    /// TLS, of files and secrets that are behind those `before`.
    fn secured(
        message: &DownstreamTlsContext,
        (files_before, secrets_before): (usize, usize),
        is_for_later: bool,
        ctx: &mut Ctx,
    ) -> Result<Arc<ListenerTls>, Refused> {
        let tls = Arc::new(ServerTls::new(message, ctx)?);
        let files = ctx.files.get(files_before..).unwrap_or_default().to_vec();
        let secrets = ctx.secrets_wanted.get(secrets_before..);
        let secrets = secrets.unwrap_or_default();
        Ok(Arc::new(ListenerTls {
            tls,
            is_for_later,
            resumes: true,
            files,
            secrets: secrets.to_vec(),
            scope: OnceLock::new(),
            expirations: Expirations::default(),
        }))
    }

    /// Lists what it counts, under the scope of the listener.
    pub(super) fn register(&self, scope: &Scope) {
        match self {
            DownstreamSocket::RawBuffer => return,
            DownstreamSocket::Tls(_) => register_downstream_tls(scope),
            DownstreamSocket::Quic(_) => register_downstream_quic(scope),
            DownstreamSocket::Measured(within, _) => {
                scope.register::<TcpSocketStats>();
                return within.register(scope);
            }
            DownstreamSocket::Tapped(within, tap) => {
                tap.register(scope);
                return within.register(scope);
            }
        }
        if let Some(socket) = self.tls() {
            let _is_listed_once = socket.scope.set(scope.clone());
            socket.show_expirations();
        }
    }

    fn tls(&self) -> Option<&Arc<ListenerTls>> {
        match self {
            DownstreamSocket::RawBuffer => None,
            DownstreamSocket::Tls(socket) | DownstreamSocket::Quic(socket) => Some(socket),
            DownstreamSocket::Measured(within, _) | DownstreamSocket::Tapped(within, _) => {
                within.tls()
            }
        }
    }

    /// The TLS of QUIC's connections, if it is for these.
    pub(super) fn quic(&self) -> Option<&Arc<ListenerTls>> {
        match self {
            DownstreamSocket::RawBuffer
            | DownstreamSocket::Tls(_)
            | DownstreamSocket::Measured(..)
            | DownstreamSocket::Tapped(..) => None,
            DownstreamSocket::Quic(socket) => Some(socket),
        }
    }

    /// The certificates of now, described.
    pub(crate) fn certificates(&self) -> Option<ContextCertificates> {
        self.tls().map(|socket| socket.tls.certificates())
    }

    /// Lets connections to come use what `newer` was made of, where both are TLS; those that are open stay. For
    /// certificates and keys that changed under the same configuration.
    pub(crate) fn renew_from(&self, newer: &DownstreamSocket) {
        if let (Some(socket), Some(newer)) = (self.tls(), newer.tls()) {
            socket.tls.renew_from(&newer.tls);
            socket.show_expirations();
        }
    }

    /// The secrets from elsewhere that it is made of.
    pub(crate) fn secrets(&self) -> &[SecretWish] {
        self.tls().map_or(&[], |socket| &socket.secrets)
    }

    /// Counts that a secret has come for it, or another one.
    pub(crate) fn count_secret(&self) {
        match (self, self.tls().and_then(|socket| socket.scope.get())) {
            (DownstreamSocket::Measured(within, _) | DownstreamSocket::Tapped(within, _), _) => {
                within.count_secret();
            }
            (DownstreamSocket::Tls(_), Some(scope)) => {
                let stats: Arc<TlsSocketFactoryStats> =
                    scope.worker_group_at("server_ssl_socket_factory.");
                stats.ssl_context_update_by_sds.inc();
            }
            (DownstreamSocket::Quic(_), Some(scope)) => {
                let stats: Arc<QuicSocketFactoryStats> = scope.worker_group();
                stats.context_config_update_by_sds.inc();
            }
            _ => {}
        }
    }

    /// The files that certificates, keys and the like were read from at first.
    pub(crate) fn files(&self) -> &[FileRead] {
        self.tls().map_or(&[], |socket| &socket.files)
    }

    /// The same for one thread.
    pub(super) fn on_thread(&self, scope: &Scope) -> SocketOnThread {
        match self {
            DownstreamSocket::RawBuffer | DownstreamSocket::Quic(_) => SocketOnThread::RawBuffer,
            DownstreamSocket::Tls(socket) if socket.is_for_later => SocketOnThread::RawBuffer,
            DownstreamSocket::Tls(socket) => SocketOnThread::Tls(Rc::new(TlsOnThread {
                socket: Arc::clone(socket),
                counts: TlsCounts::new(scope.clone()),
            })),
            DownstreamSocket::Measured(within, period) => {
                let measuring = Measuring::new(scope.worker_group(), *period);
                SocketOnThread::Measured(Box::new(within.on_thread(scope)), measuring)
            }
            DownstreamSocket::Tapped(within, tap) => {
                let tapping = tap.on_thread(scope);
                SocketOnThread::Tapped(Box::new(within.on_thread(scope)), tapping)
            }
        }
    }
}

impl SocketOnThread {
    /// Begins to make a transport out of the socket of a connection.
    pub(super) fn open(&self, stream: TcpStream, info: &ConnectionInfo) -> Opening {
        match self {
            SocketOnThread::RawBuffer => Opening::Done(Transport::plain(stream)),
            SocketOnThread::Tls(tls) => {
                let tls = Rc::clone(tls);
                Opening::Handshake(Box::pin(async move { tls.handshake(stream).await }))
            }
            SocketOnThread::Measured(within, measuring) => match within.open(stream, info) {
                Opening::Done(transport) => Opening::Done(measuring.measure(transport)),
                Opening::Handshake(done) => {
                    let measuring = measuring.clone();
                    let measured = async move { Ok(measuring.measure(done.await?)) };
                    Opening::Handshake(Box::pin(measured))
                }
            },
            SocketOnThread::Tapped(within, tapping) => {
                let ends = Ends {
                    local: info.local_address.clone(),
                    remote: info.remote_address.clone(),
                    is_upstream: false,
                };
                match within.open(stream, info) {
                    Opening::Done(transport) => {
                        Opening::Done(transport.tapped(tapping.trace(info.id, ends)))
                    }
                    Opening::Handshake(done) => {
                        let (tapping, id) = (tapping.clone(), info.id);
                        let tapped = async move { Ok(done.await?.tapped(tapping.trace(id, ends))) };
                        Opening::Handshake(Box::pin(tapped))
                    }
                }
            }
        }
    }
}

impl TlsOnThread {
    async fn handshake(&self, stream: TcpStream) -> Handshaken {
        let ip = |address: std::io::Result<SocketAddr>| {
            address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip())
        };
        let ends = (ip(stream.local_addr()), ip(stream.peer_addr()));
        let handshake = self.socket.tls.handshake(stream, ends).await;
        handshake
            .counters
            .iter()
            .for_each(|one| self.counts.count(*one));
        let transport = handshake.result?;
        self.counts.handshake(transport.info());
        Ok(Transport::Tls(Box::new(transport)))
    }
}

impl ListenerTls {
    /// The TLS itself.
    pub(super) fn tls(&self) -> &Arc<ServerTls> {
        &self.tls
    }

    /// Whether sessions of QUIC are resumed.
    pub(super) fn resumes(&self) -> bool {
        self.resumes
    }

    fn show_expirations(&self) {
        if let Some(scope) = self.scope.get() {
            self.expirations.show(scope, &self.tls.certificates());
        }
    }
}

/// Who must show a certificate must be told what is a good one.
fn check_client_certificates(
    context: &DownstreamTlsContext,
    any: &Any,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    if context.requires_client_certificate() && !context.validates() {
        let text = "QUIC downstream TLS context sets require_client_certificate but configures no validation context.";
        ctx.error(any.span, text);
        return Err(Refused);
    }
    Ok(())
}
