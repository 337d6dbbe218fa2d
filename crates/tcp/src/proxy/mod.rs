//! `envoy.filters.network.tcp_proxy`: each connection is joined to one of a cluster's hosts, byte for byte.
//!
//! The host is connected to at once, while nothing is read from the client behind its TLS handshake unless that is
//! allowed; or once the handshake is over; or once there is data. Each direction holds one read's bytes (16 KiB, or 64 KiB
//! once a lot has come and the listener's `per_connection_buffer_limit_bytes` allows it) and reads no more until they
//! are with the system, so that a slow reader holds back the other side; flow control counts when it does. An end of one
//! side's stream is passed on and the other direction goes on. Defaults: idle for an hour at most, before there is a
//! host as well; one attempt to connect.
//!
//! Different from Envoy: `*_bytes_buffered` are always 0, as nothing is buffered beyond a read; a limit of less than
//! 16 KiB is one of 16 KiB; a client that ends before it sends what a host would be connected to for is passed on as
//! such, where Envoy keeps it until it is idle. A cluster that is not there is asked for where `on_demand` says whom (60 s at most).

mod balancing;
pub(crate) mod config;
mod connect;
mod early;
mod log;
mod proxy_values;
mod session;
mod stats;
mod tunnel;
mod tunnel_bytes;
mod tunnel_id;

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use nuncio_contract::access_log::AccessLogger;
use nuncio_contract::network_filter::{LISTENER_GONE, NetworkClose};
use nuncio_contract::stream_info::StreamInfo;

pub use config::{CompileContext, TcpProxyConfig};
use stats::TcpProxyStats;

use crate::Worker;
use crate::client::Client;
use crate::filters::Filters;

/// Envoy's name of the filter.
pub const NAME: &str = "envoy.filters.network.tcp_proxy";
/// The full name of its message.
pub const MESSAGE: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";

/// A TCP proxy on one worker.
pub struct TcpProxy {
    config: Arc<TcpProxyConfig>,
    worker: Worker,
    stats: Arc<TcpProxyStats>,
    loggers: Vec<Box<dyn AccessLogger>>,
    /// Whether the listener drains, where that closes connections.
    drains: Option<Drains>,
}

/// Says whether a connection is to close as its listener drains.
pub type Drains = Box<dyn Fn() -> bool>;

impl TcpProxy {
    /// The worker's instance.
    pub fn new(config: Arc<TcpProxyConfig>, worker: Worker, drains: Drains) -> Self {
        TcpProxy {
            stats: config.scope.worker_group(),
            loggers: config
                .access_logs
                .iter()
                .map(|log| log.worker(&config.scope))
                .collect(),
            drains: config.heeds_drain.then_some(drains),
            config,
            worker,
        }
    }

    /// How a connection is closed that ends with its next bytes.
    fn drain_close(&self) -> NetworkClose {
        self.stats.downstream_cx_drain_close.inc();
        NetworkClose::after_flush("tcp_proxy_drain_close")
    }

    /// Whether the listener drains, and connections are to end with their next bytes.
    fn is_draining(&self) -> bool {
        self.drains.as_ref().is_some_and(|drains| drains())
    }

    /// What connections take from their worker.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Serves a connection to its end, or until `drained` is over: the filters before the proxy begin, then the proxy
    /// does. Gives what is known of the connection then.
    pub async fn serve(
        self: Rc<Self>,
        filters: Filters,
        client: Client,
        info: StreamInfo,
        drained: impl Future<Output = ()>,
    ) -> StreamInfo {
        let mut session = session::Session::new(&self, filters, client, info);
        let close = {
            let mut drained = pin!(drained);
            let mut run = pin!(session.run());
            poll_fn(|cx| match drained.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(NetworkClose::now(LISTENER_GONE)),
                Poll::Pending => run.as_mut().poll(cx),
            })
            .await
        };
        session.end(&close).await;
        session.into_info()
    }
}

/// Closed without a reason to tell.
fn quietly() -> NetworkClose {
    NetworkClose::default()
}
