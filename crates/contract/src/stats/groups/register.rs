//! What a configured object lists from the start, in one call each.

use super::{
    CircuitBreakerStats, ClusterEndpointStats, ClusterLbStats, ClusterTrafficStats,
    ClusterUpdateStats, HttpConnectionManagerStats, ListenerConfigStats, ListenerStats,
    RouterStats, TlsSocketFactoryStats, TlsStats, TracingStats, TransportSocketMatchStats,
};
use crate::stats::Scope;

/// Lists what every cluster has, in the scope `cluster.<name>`.
pub fn register_cluster(scope: &Scope) {
    scope.register::<ClusterTrafficStats>();
    scope.register::<ClusterEndpointStats>();
    scope.register::<ClusterUpdateStats>();
    scope.register::<ClusterLbStats>();
    scope.register_at::<CircuitBreakerStats>("circuit_breakers.default.");
    scope.register_at::<CircuitBreakerStats>("circuit_breakers.high.");
    scope.register_at::<TransportSocketMatchStats>("default.");
}

/// Lists what a cluster with TLS has beyond [`register_cluster`].
pub fn register_upstream_tls(scope: &Scope) {
    scope.register::<TlsStats>();
    scope.register_at::<TlsSocketFactoryStats>("client_ssl_socket_factory.");
}

/// Lists what a listener has, in the scope `listener.<address>`.
pub fn register_listener(scope: &Scope) {
    scope.register::<ListenerStats>();
    scope.register::<ListenerConfigStats>();
}

/// Lists what a connection manager with a router has, in the scope `http.<stat_prefix>`.
pub fn register_http_connection_manager(scope: &Scope) {
    scope.register::<HttpConnectionManagerStats>();
    scope.register::<RouterStats>();
    scope.register::<TracingStats>();
}
