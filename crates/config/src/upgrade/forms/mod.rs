//! The forms of v2 that v3 dropped, each rewritten to what v3 has for it.

mod bootstrap;
mod cluster;
mod gone;
mod gzip;
mod http;
mod listener;
mod matchers;
mod observability;
mod redis;
mod route;
mod tls;

use super::walk::Upgrader;
use crate::text::Entry;

/// A rewrite of one form in the map of a message.
type Form = fn(&mut Upgrader<'_>, &mut Vec<Entry>);

const HTTP_CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// What is rewritten, by the v3 name of the message that it stands in.
#[rustfmt::skip]
const FORMS: &[(&str, Form)] = &[
    ("envoy.config.bootstrap.v3.Bootstrap", bootstrap::runtime),
    ("envoy.config.core.v3.Node", bootstrap::build_version),
    ("envoy.config.cluster.v3.Cluster", cluster::hosts),
    ("envoy.config.cluster.v3.Cluster", tls::upstream),
    ("envoy.config.cluster.v3.LoadBalancingPolicy.Policy", cluster::policy),
    ("envoy.config.core.v3.HealthCheck.HttpHealthCheck", cluster::http_health_check),
    ("envoy.config.endpoint.v3.ClusterLoadAssignment.Policy", cluster::disable_overprovisioning),
    ("envoy.config.core.v3.ApiConfigSource", cluster::api_cluster_names),
    ("envoy.config.listener.v3.FilterChain", tls::downstream),
    ("envoy.config.listener.v3.FilterChainMatch", listener::sni_domains),
    ("envoy.config.listener.v3.UdpListenerConfig", listener::udp_listener_name),
    ("envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext", tls::subject_alt_names),
    (HTTP_CONNECTION_MANAGER, http::idle_timeout),
    ("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing", http::tracing),
    ("envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter", gzip::filter),
    ("envoy.extensions.filters.common.fault.v3.FaultDelay", http::fault_delay),
    ("envoy.extensions.filters.http.health_check.v3.HealthCheck", http::health_check_endpoint),
    ("envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", http::use_alpha),
    ("envoy.config.ratelimit.v3.RateLimitServiceConfig", http::use_alpha),
    ("envoy.extensions.filters.http.buffer.v3.Buffer", http::max_request_time),
    ("envoy.config.route.v3.RouteMatch", matchers::route),
    ("envoy.config.route.v3.HeaderMatcher", matchers::header),
    ("envoy.config.route.v3.QueryParameterMatcher", matchers::query_parameter),
    ("envoy.type.matcher.v3.StringMatcher", matchers::string),
    ("envoy.config.route.v3.VirtualCluster", matchers::virtual_cluster),
    ("envoy.config.route.v3.RouteAction", route::request_mirror_policy),
    ("envoy.config.route.v3.RouteAction", route::websocket),
    ("envoy.config.route.v3.RouteAction.RequestMirrorPolicy", route::mirror_runtime_key),
    ("envoy.config.route.v3.CorsPolicy", route::cors),
    ("envoy.config.trace.v3.Tracing", gone::bootstrap_tracer),
    ("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing", gone::provider),
    ("envoy.config.trace.v3.ZipkinConfig", observability::zipkin),
    ("envoy.extensions.filters.network.redis_proxy.v3.RedisProxy", redis::cluster),
    ("envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes", redis::catch_all_cluster),
    ("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", listener::tcp_proxy_routes),
];

/// Rewrites a message's forms before its fields are walked, so that what moved is walked too.
pub(super) fn upgrade(upgrader: &mut Upgrader<'_>, message: &str, entries: &mut Vec<Entry>) {
    match message {
        "envoy.config.listener.v3.FilterChain" => {
            upgrader.downstream = true;
            gone::network_filters(upgrader, entries);
        }
        "envoy.config.cluster.v3.Cluster" => cluster::original_dst_lb(upgrader, entries),
        HTTP_CONNECTION_MANAGER => gone::http_filters(upgrader, entries),
        _ => {}
    }
    for (_, form) in FORMS.iter().filter(|form| form.0 == message) {
        form(upgrader, entries);
    }
}

/// Drops what only watched and is gone.
pub(super) fn drop_gone(upgrader: &mut Upgrader<'_>, message: &str, entries: &mut Vec<Entry>) {
    match message {
        "envoy.config.listener.v3.FilterChain" => gone::network_filters(upgrader, entries),
        HTTP_CONNECTION_MANAGER => gone::http_filters(upgrader, entries),
        "envoy.config.trace.v3.Tracing" => gone::bootstrap_tracer(upgrader, entries),
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing" =>
        {
            gone::provider(upgrader, entries);
        }
        _ => {}
    }
}

/// Rewrites what v3 deprecates or asks for beyond v2, in a file that is known to be v2.
pub(super) fn modernize(upgrader: &mut Upgrader<'_>, message: &str, entries: &mut Vec<Entry>) {
    match message {
        "envoy.config.bootstrap.v3.Admin" => bootstrap::access_log_path(upgrader, entries),
        "envoy.config.cluster.v3.Cluster" => cluster::health_check_names(upgrader, entries),
        _ => {}
    }
}

/// Rewrites what was learnt further down.
pub(super) fn finish(upgrader: &mut Upgrader<'_>, message: &str, entries: &mut Vec<Entry>) {
    if message == "envoy.config.listener.v3.Listener" {
        listener::traffic_direction(upgrader, entries);
    }
}
