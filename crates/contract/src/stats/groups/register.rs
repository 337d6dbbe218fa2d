//! What a configured object lists from the start, in one call each.

use super::{
    CircuitBreakerStats, ClusterEndpointStats, ClusterLbStats, ClusterManagerStats,
    ClusterTrafficStats, ClusterUpdateStats, ClusterVersionStats, FilesystemStats, Http1CodecStats,
    HttpConnectionManagerStats, ListenerConfigStats, ListenerHttpStats, ListenerManagerStats,
    ListenerStats, ListenerWorkerStats, OverloadActionStats, OverloadStats, QuicListenerStats,
    QuicSocketFactoryStats, RouterStats, RuntimeStats, ServerStats, ThreadLocalClusterManagerStats,
    TlsSocketFactoryStats, TlsStats, TracingStats, TransportSocketMatchStats, WatchdogStats,
};
use crate::stats::{Scope, StatsStore};

/// Lists what every process has, whatever its configuration. The scopes keep the stats listed.
///
/// `http1.*` is in it, which Envoy lists only with a connection manager.
#[must_use]
pub fn register_process(store: &StatsStore, workers: usize) -> Vec<Scope> {
    let root = store.root();
    root.register::<ServerStats>();
    root.register::<ClusterManagerStats>();
    root.register::<ListenerManagerStats>();
    root.register::<RuntimeStats>();
    root.register::<FilesystemStats>();
    root.register::<Http1CodecStats>();
    root.register::<OverloadStats>();
    root.register::<OverloadActionStats>();
    root.register_at::<WatchdogStats>("main_thread.");
    root.register_at::<WatchdogStats>("workers.");
    let mut scopes = vec![root, store.scope("http.async-client")];
    scopes
        .iter()
        .skip(1)
        .for_each(Scope::register::<RouterStats>);
    let workers = (0..workers).map(|worker| format!("worker_{worker}"));
    for thread in std::iter::once("main_thread".to_owned()).chain(workers) {
        let watchdog = store.scope(&format!("server.{thread}"));
        watchdog.register::<WatchdogStats>();
        let clusters = store.scope(&format!("thread_local_cluster_manager.{thread}"));
        clusters.register::<ThreadLocalClusterManagerStats>();
        scopes.extend([watchdog, clusters]);
    }
    scopes
}

/// Lists what the admin's listener and connection manager have. The scopes keep the stats listed.
#[must_use]
pub fn register_admin(store: &StatsStore) -> Vec<Scope> {
    let http = store.scope("http.admin");
    http.register::<HttpConnectionManagerStats>();
    let listener = store.scope("listener.admin");
    listener.register::<ListenerStats>();
    let listener_http = store.scope("listener.admin.http.admin");
    listener_http.register::<ListenerHttpStats>();
    let thread = store.scope("listener.admin.main_thread");
    thread.register::<ListenerWorkerStats>();
    vec![http, listener, listener_http, thread]
}

/// Lists a listener's connections by worker; `address` is its address or `stat_prefix`. The scopes keep the
/// stats listed.
#[must_use]
pub fn register_listener_workers(store: &StatsStore, address: &str, workers: usize) -> Vec<Scope> {
    let scope = |worker| {
        let scope = store.scope(&format!("listener.{address}.worker_{worker}"));
        scope.register::<ListenerWorkerStats>();
        scope
    };
    (0..workers).map(scope).collect()
}

/// Lists what every cluster has, in the scope `cluster.<name>`.
pub fn register_cluster(scope: &Scope) {
    scope.register::<ClusterTrafficStats>();
    scope.register::<ClusterEndpointStats>();
    scope.register::<ClusterUpdateStats>();
    scope.register::<ClusterVersionStats>();
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

/// Lists what a listener with TLS has beyond [`register_listener`].
pub fn register_downstream_tls(scope: &Scope) {
    scope.register::<TlsStats>();
    scope.register_at::<TlsSocketFactoryStats>("server_ssl_socket_factory.");
}

/// Lists what QUIC has of a listener, in the scope `listener.<address>`.
pub fn register_downstream_quic(scope: &Scope) {
    scope.register::<TlsStats>();
    scope.register::<QuicSocketFactoryStats>();
    scope.register::<QuicListenerStats>();
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
