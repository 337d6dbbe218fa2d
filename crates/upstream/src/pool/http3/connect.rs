//! Opening a connection of QUIC to a host.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use nuncio_codec::http3::{ErrorCode, Problem};
use nuncio_contract::clock::Clock;
use nuncio_net::connect::{ConnectOptions, Sources, error_text};
use nuncio_net::datagrams::open_towards;
use nuncio_net::quic::{self, Connection as Quic, Dial, Lost, QuicHandshake};
use nuncio_net::tls::{TlsFailure, Wishes};

use super::super::{Ended, HostPool, Life};
use crate::cluster_core::ClusterCore;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::server_names::ConnectionName;

/// What Envoy says where nobody listens.
pub(super) const REFUSED: &str = "Write failed with error: 111 (Connection refused)";

/// Opens a connection for `pool`; `life` counts it already.
pub(in super::super) async fn open(pool: Rc<HostPool>, life: Life) {
    let core = &pool.core;
    let (_, stats) = core.http3();
    let connecting = Box::pin(connect(core, &pool, pool.name.as_ref()));
    let limited = tokio::time::timeout(core.settings().connect_timeout, connecting);
    let error = match limited.await {
        Ok(Ok((quic, handshake))) => {
            return pool.connected_by_quic(quic, handshake, life);
        }
        Ok(Err(error)) => {
            stats.quic_version_rfc_v1.inc();
            error
        }
        Err(_) => {
            core.traffic.upstream_cx_connect_timeout.inc();
            stats.quic_version_rfc_v1.inc();
            count_close(core, "tx", "QUIC_NO_ERROR");
            let reason = "QUIC_NO_ERROR with details: Closed by application";
            UpstreamError {
                transport_failure_reason: Some(reason.into()),
                ..UpstreamError::new(UpstreamErrorKind::ConnectionTimeout)
            }
        }
    };
    core.traffic.upstream_cx_connect_fail.inc();
    life.connect_failed(match error.kind {
        UpstreamErrorKind::RemoteConnectionFailure => Ended::Remote,
        _ => Ended::Local,
    });
    pool.connect_failed(&error);
}

async fn connect(
    core: &ClusterCore,
    pool: &HostPool,
    name: Option<&ConnectionName>,
) -> Result<(Rc<Quic>, QuicHandshake), UpstreamError> {
    let host = pool.to.dialled.now();
    let http3 = core.settings().http.http3.as_ref();
    let socket = core.shared.socket_of(&host);
    let (Some(http3), Some(tls)) = (http3, socket.quic()) else {
        let kind = UpstreamErrorKind::LocalConnectionFailure;
        return Err(UpstreamError::new(kind));
    };
    let peer = host.address;
    let socket = socket_towards(core, peer, name).map_err(|error| local(&error))?;
    let own = socket.local_addr().map_or(peer.ip(), |own| own.ip());
    let wishes = Wishes {
        protocols: &[b"h3"],
        host_name: Some(&*host.hostname).filter(|name| !name.is_empty()),
        ..name.map(ConnectionName::wishes).unwrap_or_default()
    };
    let greeting = tls
        .greet_over_quic((own, peer.ip()), wishes)
        .map_err(|failure| failed(core, &failure))?;
    let dial = Dial {
        socket,
        peer,
        settings: http3.quic.clone(),
        greeting,
    };
    let quic = quic::connect(dial, &core.clock).map_err(|error| local(&error))?;
    let begun = Begun(&quic, &*core.clock);
    match quic.handshaken(&*core.clock).await {
        Ok(handshake) => {
            std::mem::forget(begun);
            let counts = core.tls_counts();
            handshake
                .counters
                .iter()
                .for_each(|counter| counts.count(*counter));
            Ok((quic, handshake))
        }
        Err(lost) => {
            let own = quic.failure().and_then(|(_, failure)| failure.cloned());
            Err(match own {
                Some(failure) => {
                    let error = failed(core, &failure);
                    count_close(core, "tx", first_word(&error));
                    error
                }
                None => of_lost(core, &lost),
            })
        }
    }
}

/// A handshake under way; dropped, it tells the host that nothing comes of it.
struct Begun<'a>(&'a Quic, &'a dyn Clock);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let now = self.1.now();
        self.0.close(now, ErrorCode::NO_ERROR.0, "");
        self.0.write(now);
    }
}

/// A socket that is connected to the host, from the client's address if the request wants that.
fn socket_towards(
    core: &ClusterCore,
    peer: SocketAddr,
    name: Option<&ConnectionName>,
) -> io::Result<std::net::UdpSocket> {
    let options = &core.settings().connect_options;
    match name.and_then(ConnectionName::source) {
        None => open_towards(peer, options),
        Some(source) => {
            let from = Sources::of_client(source.address(), source.mark);
            let options = ConnectOptions {
                sources: Some(Box::new(from)),
                ..options.clone()
            };
            open_towards(peer, &options)
        }
    }
}

/// The system does not let a socket be had or used.
fn local(error: &io::Error) -> UpstreamError {
    UpstreamError {
        transport_failure_reason: Some(error_text(error).into()),
        ..UpstreamError::new(UpstreamErrorKind::LocalConnectionFailure)
    }
}

/// The handshake has failed on this side.
fn failed(core: &ClusterCore, failure: &TlsFailure) -> UpstreamError {
    let counts = core.tls_counts();
    failure
        .counter
        .iter()
        .for_each(|counter| counts.count(*counter));
    UpstreamError {
        transport_failure_reason: failure.reason.clone(),
        ..UpstreamError::new(UpstreamErrorKind::LocalConnectionFailure)
    }
}

/// The connection ended in its handshake.
fn of_lost(core: &ClusterCore, lost: &Lost) -> UpstreamError {
    let (kind, reason) = match lost {
        Lost::Refused => {
            count_close(core, "tx", "QUIC_PACKET_WRITE_ERROR");
            let text = format!("QUIC_PACKET_WRITE_ERROR with details: {REFUSED}");
            (UpstreamErrorKind::LocalConnectionFailure, text)
        }
        Lost::Closed { reason, .. } => {
            let (name, phrase) = close_words(reason);
            count_close(core, "rx", name);
            let text = format!("{name} with details: {phrase}");
            (UpstreamErrorKind::RemoteConnectionFailure, text)
        }
        Lost::Violated(text) => (
            UpstreamErrorKind::LocalConnectionFailure,
            text.clone().into_string(),
        ),
        Lost::TimedOut => {
            let name = "QUIC_NETWORK_IDLE_TIMEOUT";
            count_close(core, "tx", name);
            let text = format!("{name} with details: No recent network activity");
            (UpstreamErrorKind::LocalConnectionFailure, text)
        }
        Lost::Reset => {
            let name = "QUIC_PUBLIC_RESET";
            count_close(core, "rx", name);
            let text = format!("{name} with details: Received stateless reset.");
            (UpstreamErrorKind::RemoteConnectionFailure, text)
        }
        Lost::Local => (UpstreamErrorKind::LocalConnectionFailure, String::new()),
    };
    UpstreamError {
        transport_failure_reason: (!reason.is_empty()).then(|| reason.into()),
        ..UpstreamError::new(kind)
    }
}

/// Envoy's name of a host's close and its phrase, in front of which hosts of its kind put the number of that name.
pub(super) fn close_words(reason: &str) -> (&'static str, &str) {
    let told = reason.split_once(':');
    let named = told.and_then(|(number, phrase)| {
        let name = match number.parse().ok()? {
            0 => "QUIC_NO_ERROR",
            16 => "QUIC_PEER_GOING_AWAY",
            25 => "QUIC_NETWORK_IDLE_TIMEOUT",
            number => Problem::name_of(number)?,
        };
        Some((name, phrase))
    });
    // Alerts of TLS too.
    named.unwrap_or(("QUIC_IETF_GQUIC_ERROR_MISSING", reason))
}

fn first_word(error: &UpstreamError) -> &str {
    let reason = error.transport_failure_reason.as_deref();
    let word = reason.and_then(|reason| reason.split(' ').next());
    word.unwrap_or("QUIC_HANDSHAKE_FAILED")
}

/// Counts a close by its name, under a name of the stat that appears with the first one.
pub(super) fn count_close(core: &ClusterCore, what: &str, name: &str) {
    if let Some(root) = core.shared.scope().root() {
        root.counter(&format!(
            "http3.upstream.{what}.quic_connection_close_error_code_{name}"
        ))
        .inc();
    }
}
