//! Extensions of v2's time: their old names, their names, and the v3 messages that configure them.

use nuncio_api as api;

/// Kinds of extensions, where a name may mean another thing in each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Category {
    Network,
    Listener,
    Http,
    HttpPerRoute,
    AccessLog,
    DownstreamSocket,
    UpstreamSocket,
    Tracer,
    StatsSink,
    HealthChecker,
    RetryHost,
    RetryPriority,
    ResourceMonitor,
    Thrift,
    GrpcCredentials,
    ProtocolOptions,
}

/// An extension: its kind, old name (empty: it never had another), name, and message (empty: it has
/// none in Envoy 1.40).
type Known = (Category, &'static str, &'static str, &'static str);

/// Extensions whose names changed, or whose configuration v2 could leave untyped.
#[rustfmt::skip]
const KNOWN: &[Known] = &[
    (Category::Network, "envoy.client_ssl_auth", "envoy.filters.network.client_ssl_auth", ""),
    (Category::Network, "envoy.echo", "envoy.filters.network.echo", "envoy.extensions.filters.network.echo.v3.Echo"),
    (Category::Network, "envoy.ext_authz", "envoy.filters.network.ext_authz", "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"),
    (Category::Network, "envoy.http_connection_manager", "envoy.filters.network.http_connection_manager", "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    (Category::Network, "envoy.mongo_proxy", "envoy.filters.network.mongo_proxy", "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy"),
    (Category::Network, "envoy.ratelimit", "envoy.filters.network.ratelimit", "envoy.extensions.filters.network.ratelimit.v3.RateLimit"),
    (Category::Network, "envoy.redis_proxy", "envoy.filters.network.redis_proxy", "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy"),
    (Category::Network, "envoy.tcp_proxy", "envoy.filters.network.tcp_proxy", "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
    (Category::Network, "", "envoy.filters.network.direct_response", "envoy.extensions.filters.network.direct_response.v3.Config"),
    (Category::Network, "", "envoy.filters.network.dubbo_proxy", "envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy"),
    (Category::Network, "", "envoy.filters.network.local_ratelimit", "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit"),
    (Category::Network, "", "envoy.filters.network.rbac", "envoy.extensions.filters.network.rbac.v3.RBAC"),
    (Category::Network, "", "envoy.filters.network.sni_cluster", "envoy.extensions.filters.network.sni_cluster.v3.SniCluster"),
    (Category::Network, "", "envoy.filters.network.thrift_proxy", "envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy"),
    (Category::Network, "", "envoy.filters.network.zookeeper_proxy", "envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy"),

    (Category::Listener, "envoy.listener.http_inspector", "envoy.filters.listener.http_inspector", "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"),
    (Category::Listener, "envoy.listener.original_dst", "envoy.filters.listener.original_dst", "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"),
    (Category::Listener, "envoy.listener.original_src", "envoy.filters.listener.original_src", "envoy.extensions.filters.listener.original_src.v3.OriginalSrc"),
    (Category::Listener, "envoy.listener.proxy_protocol", "envoy.filters.listener.proxy_protocol", "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"),
    (Category::Listener, "envoy.listener.tls_inspector", "envoy.filters.listener.tls_inspector", "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"),

    (Category::Http, "envoy.buffer", "envoy.filters.http.buffer", "envoy.extensions.filters.http.buffer.v3.Buffer"),
    (Category::Http, "envoy.cors", "envoy.filters.http.cors", "envoy.extensions.filters.http.cors.v3.Cors"),
    (Category::Http, "envoy.csrf", "envoy.filters.http.csrf", "envoy.extensions.filters.http.csrf.v3.CsrfPolicy"),
    (Category::Http, "envoy.ext_authz", "envoy.filters.http.ext_authz", "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"),
    (Category::Http, "envoy.fault", "envoy.filters.http.fault", "envoy.extensions.filters.http.fault.v3.HTTPFault"),
    (Category::Http, "envoy.grpc_http1_bridge", "envoy.filters.http.grpc_http1_bridge", "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config"),
    (Category::Http, "envoy.grpc_json_transcoder", "envoy.filters.http.grpc_json_transcoder", "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"),
    (Category::Http, "envoy.grpc_web", "envoy.filters.http.grpc_web", "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"),
    (Category::Http, "envoy.health_check", "envoy.filters.http.health_check", "envoy.extensions.filters.http.health_check.v3.HealthCheck"),
    (Category::Http, "envoy.http_dynamo_filter", "envoy.filters.http.dynamo", ""),
    (Category::Http, "envoy.ip_tagging", "envoy.filters.http.ip_tagging", "envoy.extensions.filters.http.ip_tagging.v3.IPTagging"),
    (Category::Http, "envoy.lua", "envoy.filters.http.lua", "envoy.extensions.filters.http.lua.v3.Lua"),
    (Category::Http, "envoy.rate_limit", "envoy.filters.http.ratelimit", "envoy.extensions.filters.http.ratelimit.v3.RateLimit"),
    (Category::Http, "envoy.router", "envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router"),
    (Category::Http, "envoy.squash", "envoy.filters.http.squash", ""),
    (Category::Http, "", "envoy.filters.http.adaptive_concurrency", "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency"),
    (Category::Http, "", "envoy.filters.http.aws_lambda", "envoy.extensions.filters.http.aws_lambda.v3.Config"),
    (Category::Http, "", "envoy.filters.http.aws_request_signing", "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning"),
    (Category::Http, "", "envoy.filters.http.cache", "envoy.extensions.filters.http.cache.v3.CacheConfig"),
    (Category::Http, "", "envoy.filters.http.compressor", "envoy.extensions.filters.http.compressor.v3.Compressor"),
    (Category::Http, "", "envoy.filters.http.dynamic_forward_proxy", "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig"),
    (Category::Http, "", "envoy.filters.http.grpc_http1_reverse_bridge", "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig"),
    (Category::Http, "", "envoy.filters.http.grpc_stats", "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"),
    (Category::Http, "", "envoy.filters.http.header_to_metadata", "envoy.extensions.filters.http.header_to_metadata.v3.Config"),
    (Category::Http, "", "envoy.filters.http.jwt_authn", "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"),
    (Category::Http, "", "envoy.filters.http.on_demand", "envoy.extensions.filters.http.on_demand.v3.OnDemand"),
    (Category::Http, "", "envoy.filters.http.original_src", "envoy.extensions.filters.http.original_src.v3.OriginalSrc"),
    (Category::Http, "", "envoy.filters.http.rbac", "envoy.extensions.filters.http.rbac.v3.RBAC"),
    (Category::Http, "", "envoy.filters.http.tap", "envoy.extensions.filters.http.tap.v3.Tap"),

    (Category::HttpPerRoute, "envoy.buffer", "envoy.filters.http.buffer", "envoy.extensions.filters.http.buffer.v3.BufferPerRoute"),
    (Category::HttpPerRoute, "envoy.csrf", "envoy.filters.http.csrf", "envoy.extensions.filters.http.csrf.v3.CsrfPolicy"),
    (Category::HttpPerRoute, "envoy.ext_authz", "envoy.filters.http.ext_authz", "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"),
    (Category::HttpPerRoute, "envoy.fault", "envoy.filters.http.fault", "envoy.extensions.filters.http.fault.v3.HTTPFault"),
    (Category::HttpPerRoute, "envoy.grpc_json_transcoder", "envoy.filters.http.grpc_json_transcoder", "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"),
    (Category::HttpPerRoute, "envoy.lua", "envoy.filters.http.lua", "envoy.extensions.filters.http.lua.v3.LuaPerRoute"),
    (Category::HttpPerRoute, "envoy.rate_limit", "envoy.filters.http.ratelimit", "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute"),
    (Category::HttpPerRoute, "", "envoy.filters.http.dynamic_forward_proxy", "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig"),
    (Category::HttpPerRoute, "", "envoy.filters.http.grpc_http1_reverse_bridge", "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute"),
    (Category::HttpPerRoute, "", "envoy.filters.http.header_to_metadata", "envoy.extensions.filters.http.header_to_metadata.v3.Config"),
    (Category::HttpPerRoute, "", "envoy.filters.http.rbac", "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"),

    (Category::AccessLog, "envoy.file_access_log", "envoy.access_loggers.file", "envoy.extensions.access_loggers.file.v3.FileAccessLog"),
    (Category::AccessLog, "envoy.http_grpc_access_log", "envoy.access_loggers.http_grpc", "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"),
    (Category::AccessLog, "envoy.tcp_grpc_access_log", "envoy.access_loggers.tcp_grpc", "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig"),

    (Category::DownstreamSocket, "tls", "envoy.transport_sockets.tls", "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
    (Category::DownstreamSocket, "raw_buffer", "envoy.transport_sockets.raw_buffer", "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"),
    (Category::DownstreamSocket, "", "envoy.transport_sockets.alts", "envoy.extensions.transport_sockets.alts.v3.Alts"),
    (Category::DownstreamSocket, "", "envoy.transport_sockets.tap", "envoy.extensions.transport_sockets.tap.v3.Tap"),
    (Category::UpstreamSocket, "tls", "envoy.transport_sockets.tls", "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
    (Category::UpstreamSocket, "raw_buffer", "envoy.transport_sockets.raw_buffer", "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"),
    (Category::UpstreamSocket, "", "envoy.transport_sockets.alts", "envoy.extensions.transport_sockets.alts.v3.Alts"),
    (Category::UpstreamSocket, "", "envoy.transport_sockets.tap", "envoy.extensions.transport_sockets.tap.v3.Tap"),

    (Category::Tracer, "envoy.zipkin", "envoy.tracers.zipkin", "envoy.config.trace.v3.ZipkinConfig"),
    (Category::Tracer, "envoy.lightstep", "envoy.tracers.lightstep", "envoy.config.trace.v3.LightstepConfig"),
    (Category::Tracer, "envoy.dynamic.ot", "envoy.tracers.dynamic_ot", "envoy.config.trace.v3.DynamicOtConfig"),
    (Category::Tracer, "", "envoy.tracers.datadog", "envoy.config.trace.v3.DatadogConfig"),
    (Category::Tracer, "", "envoy.tracers.opencensus", "envoy.config.trace.v3.OpenCensusConfig"),
    (Category::Tracer, "", "envoy.tracers.xray", "envoy.config.trace.v3.XRayConfig"),

    (Category::StatsSink, "envoy.statsd", "envoy.stat_sinks.statsd", "envoy.config.metrics.v3.StatsdSink"),
    (Category::StatsSink, "envoy.dog_statsd", "envoy.stat_sinks.dog_statsd", "envoy.config.metrics.v3.DogStatsdSink"),
    (Category::StatsSink, "envoy.metrics_service", "envoy.stat_sinks.metrics_service", "envoy.config.metrics.v3.MetricsServiceConfig"),
    (Category::StatsSink, "", "envoy.stat_sinks.hystrix", "envoy.config.metrics.v3.HystrixSink"),

    (Category::HealthChecker, "envoy.health_checker.redis", "envoy.health_checkers.redis", "envoy.extensions.health_checkers.redis.v3.Redis"),
    (Category::RetryHost, "", "envoy.retry_host_predicates.previous_hosts", "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
    (Category::RetryHost, "", "envoy.retry_host_predicates.omit_canary_hosts", "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate"),
    (Category::RetryHost, "", "envoy.retry_host_predicates.omit_host_metadata", "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig"),
    (Category::RetryPriority, "", "envoy.retry_priorities.previous_priorities", "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"),
    (Category::ResourceMonitor, "", "envoy.resource_monitors.fixed_heap", "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig"),
    (Category::ResourceMonitor, "", "envoy.resource_monitors.injected_resource", "envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig"),
    (Category::Thrift, "", "envoy.filters.thrift.router", "envoy.extensions.filters.network.thrift_proxy.router.v3.Router"),
    (Category::Thrift, "", "envoy.filters.thrift.rate_limit", "envoy.extensions.filters.network.thrift_proxy.filters.ratelimit.v3.RateLimit"),
    (Category::GrpcCredentials, "", "envoy.grpc_credentials.file_based_metadata", "envoy.config.grpc_credential.v3.FileBasedMetadataConfig"),
    (Category::GrpcCredentials, "", "envoy.grpc_credentials.aws_iam", "envoy.config.grpc_credential.v3.AwsIamConfig"),
    (Category::ProtocolOptions, "", "envoy.filters.network.thrift_proxy", "envoy.extensions.filters.network.thrift_proxy.v3.ThriftProtocolOptions"),
    (Category::ProtocolOptions, "envoy.redis_proxy", "envoy.filters.network.redis_proxy", "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions"),
];

/// Messages of v2 that v3 has under a name that its annotations do not lead to.
const MOVED: &[(&str, &str)] = &[
    (
        "envoy.config.filter.http.ext_authz.v2.ExtAuthz",
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    ),
    (
        "envoy.config.filter.network.ext_authz.v2.ExtAuthz",
        "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
    ),
];

/// Messages of v2 that no message of Envoy 1.40 follows.
const GONE: &[&str] = &[
    "envoy.config.filter.http.dynamo.v2.Dynamo",
    "envoy.config.filter.http.squash.v2.Squash",
    "envoy.config.filter.network.client_ssl_auth.v2.ClientSSLAuth",
    "envoy.config.filter.network.kafka_broker.v2alpha1.KafkaBroker",
    "envoy.config.filter.network.mysql_proxy.v1alpha1.MySQLProxy",
];

/// The v3 form of a v2 message; nothing for one of v3.
pub(super) fn successor(message: api::Message) -> Option<api::Message> {
    let moved = MOVED.iter().find(|moved| moved.0 == message.full_name());
    match moved {
        Some((_, new)) => api::message(new),
        None => message.successors().next(),
    }
}

/// The URL of a type as it was called once it was no longer alpha.
pub(super) fn released(type_url: &str) -> String {
    type_url.replace(".v3alpha.", ".v3.").replace(
        "envoy.source.extensions.filters.http.cache.SimpleHttpCacheConfig",
        "envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig",
    )
}

/// The v2 form of a v3 message.
pub(super) fn previous(message: api::Message) -> Option<api::Message> {
    let moved = MOVED.iter().find(|moved| moved.1 == message.full_name());
    match moved {
        Some((old, _)) => api::message(old),
        None => message.previous(),
    }
}

/// Whether a message is of v2, but has no v3 form.
pub(super) fn is_gone(full_name: &str) -> bool {
    GONE.contains(&full_name)
}

/// The name that v3 has for an extension; an unknown one stays.
pub(super) fn canonical(category: Category, name: &str) -> &str {
    let known = KNOWN
        .iter()
        .find(|known| known.0 == category && known.1 == name && !name.is_empty());
    known.map_or(name, |known| known.2)
}

/// The v3 message that configures a known extension.
pub(super) fn message(category: Category, name: &str) -> Option<&'static str> {
    let known = KNOWN
        .iter()
        .find(|known| known.0 == category && known.2 == name)?;
    Some(known.3).filter(|message| !message.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_the_table_exists() {
        for (_, _, name, message) in KNOWN {
            assert!(
                message.is_empty() || api::message(message).is_some(),
                "{name}: {message}"
            );
        }
        for (old, new) in MOVED {
            assert!(
                api::message(old).is_some() && api::message(new).is_some(),
                "{old}"
            );
        }
        for name in GONE {
            assert!(
                api::message(name).is_some_and(|gone| successor(gone).is_none()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_name_may_mean_two_things() {
        assert_eq!(
            canonical(Category::Http, "envoy.ext_authz"),
            "envoy.filters.http.ext_authz"
        );
        assert_eq!(
            canonical(Category::Network, "envoy.ext_authz"),
            "envoy.filters.network.ext_authz"
        );
        assert_eq!(canonical(Category::Network, "mine"), "mine");
        assert_eq!(canonical(Category::Network, ""), "");
    }
}
