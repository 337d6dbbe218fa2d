//! A filter chain: what becomes of the connections that match it.

use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::stream_info::FilterChainDescription;
use nuncio_http::connection_manager::{ConnectionManagerConfig, StatScopes};

use super::DownstreamSocket;

/// A filter chain, compiled once and shared by the workers.
pub(crate) struct CompiledChain {
    /// For the log.
    pub description: Arc<FilterChainDescription>,
    /// How its sockets become transports.
    pub transport_socket: DownstreamSocket,
    /// How long that may take.
    pub connect_timeout: Option<Duration>,
    /// What its connections run.
    pub manager: Arc<ConnectionManagerConfig>,
    /// Where the connection manager counts.
    pub scopes: StatScopes,
}

impl CompiledChain {
    /// A chain without a name, of plain TCP.
    pub(crate) fn plain(manager: ConnectionManagerConfig, scopes: StatScopes) -> Self {
        CompiledChain {
            description: Arc::default(),
            transport_socket: DownstreamSocket::default(),
            connect_timeout: None,
            manager: Arc::new(manager),
            scopes,
        }
    }
}
