//! Opening a connection to a host, with its handshake, as the cluster's transport socket has it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use nuncio_contract::stream_info::{Address, FilterStateObject, InternalAddress};
use nuncio_net::connect::{self, ConnectError, ConnectOptions, Sources};
use nuncio_net::tap::Ends;
use nuncio_net::tls::Wishes;
use nuncio_net::transport::Transport;
use nuncio_net::{internal, pipe};

use tokio::net::TcpStream;

use super::happy_eyeballs::first_of;
use super::{Carries, PooledHost};
use crate::cluster::passthrough_metadata;
use crate::cluster_core::ClusterCore;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::host::Host;
use crate::http11_proxy::{self, Way};
use crate::server_names::ConnectionName;

/// Opens the connection `id` to a host, with its handshake by the name that requests chose, and counts it; the first
/// attempt is counted already. No timeout of its own.
pub(super) async fn connect(
    core: &ClusterCore,
    to: &PooledHost,
    name: Option<&ConnectionName>,
    carries: Carries,
    id: u64,
) -> Result<Transport, UpstreamError> {
    let host = &*to.dialled.now();
    let transport = connect_host(core, (to, host), name, carries).await?;
    let Some(tap) = core.shared.socket_of(host).tap() else {
        return Ok(transport);
    };
    let ip = |address: Option<SocketAddr>| address.map(Address::Ip);
    let (local, remote) = match host.not_ip.as_deref() {
        None | Some(Address::Ip(_)) => (transport.local_address(), ip(transport.peer_address())),
        other => (None, other.cloned()),
    };
    let ends = Ends {
        local: ip(local),
        remote,
        is_upstream: true,
    };
    let tapping = tap.on_thread(core.shared.scope());
    Ok(transport.tapped(tapping.trace(id, ends)))
}

async fn connect_host(
    core: &ClusterCore,
    (to, host): (&PooledHost, &Host),
    name: Option<&ConnectionName>,
    carries: Carries,
) -> Result<Transport, UpstreamError> {
    let way = way(core, host);
    let Some(addresses) = host.addresses.as_ref().filter(|_| way.is_none()) else {
        // As in Envoy a proxy is asked once, for the first address.
        return connect_to(core, (host, host.address, way), name, carries).await;
    };
    let ordered = core.settings().happy_eyeballs.order(addresses);
    let mut attempts = 0;
    let attempt = |address| {
        attempts += 1;
        if attempts > 1 {
            core.traffic.upstream_cx_total.inc();
            to.counters.cx_total.inc();
        }
        connect_to(core, (host, address, None), name, carries)
    };
    Box::pin(first_of(ordered, attempt)).await
}

/// The way through an HTTP proxy, if there is one.
fn way(core: &ClusterCore, host: &Host) -> Option<Way> {
    let socket = core.shared.socket_of(host);
    http11_proxy::way(socket.http_proxy(), host, socket.tls().is_some())
}

async fn connect_to(
    core: &ClusterCore,
    (host, address, way): (&Host, SocketAddr, Option<Way>),
    name: Option<&ConnectionName>,
    carries: Carries,
) -> Result<Transport, UpstreamError> {
    let goal = way.map_or(address, |way| way.proxy);
    let mut tcp = match host.not_ip.as_deref().filter(|_| way.is_none()) {
        Some(Address::Internal(internal)) => inside(core, host, internal)?,
        Some(Address::Pipe(path)) => Box::pin(pipe::connect(path))
            .await
            .map_err(|error| unreachable_pipe(path, &error))?,
        None | Some(Address::Ip(_)) => open(core, goal, name).await.map_err(|error| {
            if error.unbound.is_some() {
                core.traffic.bind_errors.inc();
            }
            refused(&error)
        })?,
    };
    let socket = core.shared.socket_of(host);
    if let Some(proxy) = socket.proxy_protocol() {
        let told = Box::pin(proxy.tell(&mut tcp, name)).await;
        let count =
            told.map_err(|_| UpstreamError::new(UpstreamErrorKind::RemoteConnectionFailure))?;
        let traffic = &core.traffic;
        traffic
            .upstream_cx_tx_bytes_total
            .add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    if let Some(way) = way {
        tcp = Box::pin(by(core, way, tcp, host)).await?;
    }
    let Some(tls) = socket.tls() else {
        return Ok(core.measured(socket, Transport::plain(tcp)));
    };
    let counts = core.tls_counts();
    let wishes = Wishes {
        protocols: offered(carries),
        host_name: Some(&*host.hostname).filter(|name| !name.is_empty()),
        ..name.map(ConnectionName::wishes).unwrap_or_default()
    };
    match tls.handshake(tcp, address.ip(), wishes).await {
        Ok(greeted) => {
            greeted.counters.iter().for_each(|one| counts.count(*one));
            counts.handshake(greeted.transport.info());
            let transport = Transport::Tls(Box::new(greeted.transport));
            Ok(core.measured(socket, transport))
        }
        Err(failure) => {
            failure.counter.iter().for_each(|one| counts.count(*one));
            let kind = UpstreamErrorKind::RemoteConnectionFailure;
            let transport_failure_reason = failure.reason;
            Err(UpstreamError {
                transport_failure_reason,
                ..UpstreamError::new(kind)
            })
        }
    }
}

/// Opens a connection of TCP, from the client's address if the request wants that.
async fn open(
    core: &ClusterCore,
    to: SocketAddr,
    name: Option<&ConnectionName>,
) -> Result<TcpStream, ConnectError> {
    let options = &core.settings().connect_options;
    match name.and_then(ConnectionName::source) {
        None => connect::connect(to, options).await,
        Some(source) => {
            let from = Sources::of_client(source.address(), source.mark);
            let options = ConnectOptions {
                sources: Some(Box::new(from)),
                ..options.clone()
            };
            Box::pin(connect::connect(to, &options)).await
        }
    }
}

/// Goes on through an HTTP proxy.
async fn by(
    core: &ClusterCore,
    way: Way,
    mut tcp: TcpStream,
    host: &Host,
) -> Result<TcpStream, UpstreamError> {
    let failed = |_| UpstreamError::new(UpstreamErrorKind::RemoteConnectionFailure);
    let count = way.ask(&mut tcp, host).await.map_err(failed)?;
    let sent = &core.traffic.upstream_cx_tx_bytes_total;
    sent.add(u64::try_from(count).unwrap_or(u64::MAX));
    way.answered(tcp).await.map_err(failed)
}

/// Opens a connection to a listener inside of the process.
#[cold]
fn inside(
    core: &ClusterCore,
    host: &Host,
    internal: &Arc<InternalAddress>,
) -> Result<TcpStream, UpstreamError> {
    let behind = core.shared.socket_of(host).behind();
    let passthrough = behind.and_then(|behind| behind.passthrough.as_ref());
    let metadata = passthrough.map(|it| passthrough_metadata(it, host, core.settings()));
    internal::connect(internal, metadata.unwrap_or_default()).map_err(|error| {
        let text = match error.kind() {
            io::ErrorKind::InvalidInput => "Invalid argument".to_owned(),
            _ => connect::error_text(&error),
        };
        let address = host.shown_address().serialize_as_string();
        at_once(&text, &address.unwrap_or_default())
    })
}

/// Nobody listens on a unix domain socket, or it may not be used; both are known at once.
#[cold]
fn unreachable_pipe(path: &str, error: &io::Error) -> UpstreamError {
    at_once(&connect::error_text(error), path)
}

fn at_once(text: &str, address: &str) -> UpstreamError {
    let reason = format!("immediate connect error: {text}|remote address:{address}");
    UpstreamError {
        transport_failure_reason: Some(reason.into_boxed_str()),
        ..UpstreamError::new(UpstreamErrorKind::RemoteConnectionFailure)
    }
}

/// What is offered by ALPN where the configuration names nothing.
fn offered(carries: Carries) -> &'static [&'static [u8]] {
    match carries {
        Carries::Http1 | Carries::Http3 | Carries::Tcp | Carries::Calls => &[],
        Carries::Http2 => &[b"h2"],
        Carries::HttpByAlpn => &[b"h2", b"http/1.1"],
    }
}

/// Envoy blames the remote side for what the network says, itself for what the own socket says.
fn refused(error: &ConnectError) -> UpstreamError {
    let is_ours = error.source.kind() == io::ErrorKind::AddrNotAvailable;
    let local = error.unbound.is_some() || error.is_unfit || (error.immediate && is_ours);
    let kind = match local {
        true => UpstreamErrorKind::LocalConnectionFailure,
        false => UpstreamErrorKind::RemoteConnectionFailure,
    };
    let reason = error.to_string();
    UpstreamError {
        transport_failure_reason: (!reason.is_empty()).then(|| reason.into_boxed_str()),
        ..UpstreamError::new(kind)
    }
}
