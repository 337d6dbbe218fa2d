//! The tags that Envoy takes out of stat names unless it is told otherwise, as patterns.
//!
//! Order matters for output only: tags are listed in the order of the rules, and as in Envoy those that
//! apply to names of any first token come before those bound to one.

/// One default tag.
pub(super) struct Rule {
    /// The tag.
    pub(super) tag: &'static str,
    /// How it is found; the first that matches counts.
    pub(super) find: Find,
}

/// How a tag's value is found.
pub(super) enum Find {
    /// By one of these patterns (see [`pattern`](super::pattern)).
    Patterns(&'static [&'static str]),
    /// As `Patterns`, unless the value is the word given first.
    Except(&'static str, &'static [&'static str]),
    /// `_rq_<code>` at the end of the name: removes `_<code>`.
    ResponseCode,
    /// `_rq_<digit>xx` at the end of the name: removes the digit.
    ResponseCodeClass,
    /// `proxy_proto.[<prefix>.]versions.v<digit>.<stat>`: removes all between the first and the last token.
    ProxyProtocolVersion,
    /// `cluster.<name>.health_check.name.<check>.<stat>`: removes `name.<check>.`.
    HealthCheckName,
}

use Find::{
    Except, HealthCheckName, Patterns, ProxyProtocolVersion, ResponseCode, ResponseCodeClass,
};

const fn rule(tag: &'static str, find: Find) -> Rule {
    Rule { tag, find }
}

/// All default tags.
pub(super) const RULES: &[Rule] = &[
    rule("envoy.response_code", ResponseCode),
    rule("envoy.response_code_class", ResponseCodeClass),
    rule(
        "envoy.ssl_curve",
        Patterns(&["listener|cluster.**.ssl.curves.$word"]),
    ),
    rule(
        "envoy.ssl_sigalg",
        Patterns(&["listener|cluster.**.ssl.sigalgs.$word"]),
    ),
    rule(
        "envoy.ssl_version",
        Patterns(&["listener|cluster.**.ssl.versions.$tls"]),
    ),
    rule(
        "envoy.worker_id",
        Patterns(&[
            "listener.@.worker_#.**",
            "server|listener_manager|thread_local_cluster_manager.worker_#.**",
        ]),
    ),
    rule(
        "envoy.tls_certificate",
        Patterns(&["listener|cluster.**.ssl.certificate.$.**"]),
    ),
    rule(
        "envoy.local_http_ratelimit_prefix",
        Patterns(&["$.http_local_rate_limit.**"]),
    ),
    rule("envoy.rbac_prefix", Patterns(&["$.rbac.**"])),
    rule(
        "envoy.dynamo_partition_id",
        Patterns(&["http.*.dynamodb.table.*.capacity.*.__partition_id=$"]),
    ),
    rule(
        "envoy.dynamo_operation",
        Patterns(&[
            "http.*.dynamodb.operation.$.**",
            "http.*.dynamodb.operation.$",
            "http.*.dynamodb.table.*.capacity.$.**",
            "http.*.dynamodb.table.*.capacity.$",
        ]),
    ),
    rule(
        "envoy.dynamo_table",
        Patterns(&["http.*.dynamodb.table|error.$.**"]),
    ),
    rule(
        "envoy.ssl_cipher",
        Patterns(&["listener.**.ssl.ciphers.$word"]),
    ),
    rule("cipher_suite", Patterns(&["cluster.*.ssl.ciphers.$word"])),
    rule(
        "envoy.http_conn_manager_prefix",
        Patterns(&["listener.**.http.$.**"]),
    ),
    rule(
        "envoy.listener_address",
        Except("admin", &["listener.$@.**"]),
    ),
    rule("envoy.rds_route_config", Patterns(&["http.*.rds.$path.*"])),
    rule(
        "envoy.scoped_rds_config",
        Patterns(&["http.*.scoped_rds.$path.*"]),
    ),
    rule(
        "envoy.rbac_policy_name",
        Patterns(&[
            "http.*.rbac.policy.$.allowed|shadow_allowed|denied|shadow_denied",
            "http.*.rbac.*.policy.$.allowed|shadow_allowed|denied|shadow_denied",
        ]),
    ),
    rule(
        "envoy.rbac_http_prefix",
        Except("policy", &["http.*.rbac.$.**"]),
    ),
    rule(
        "envoy.proxy_protocol_prefix",
        Except("versions", &["proxy_proto.$.**"]),
    ),
    rule("envoy.proxy_protocol_version", ProxyProtocolVersion),
    rule("envoy.xds_resource_name", Patterns(&["sds.$.**"])),
    rule(
        "envoy.mongo_callsite",
        Patterns(&["mongo.*.collection.*.callsite.$.query.**"]),
    ),
    rule(
        "envoy.mongo_collection",
        Patterns(&["mongo.*.collection.$.**.query.*"]),
    ),
    rule("envoy.mongo_cmd", Patterns(&["mongo.*.cmd.$.**"])),
    rule(
        "envoy.grpc_bridge_method",
        Patterns(&["cluster.*.grpc.*.$.**"]),
    ),
    rule(
        "envoy.http_user_agent",
        Patterns(&["http.*.user_agent.$.**"]),
    ),
    rule(
        "envoy.virtual_cluster",
        Patterns(&["vhost.*.vcluster.$.**"]),
    ),
    rule(
        "envoy.fault_downstream_cluster",
        Patterns(&["http.*.fault.$.**"]),
    ),
    rule(
        "envoy.grpc_bridge_service",
        Patterns(&["cluster.*.grpc.$.**"]),
    ),
    rule("envoy.tcp_prefix", Patterns(&["tcp.$.**"])),
    rule("envoy.udp_prefix", Patterns(&["udp.$.**"])),
    rule("envoy.clientssl_prefix", Patterns(&["auth.clientssl.$.**"])),
    rule("envoy.ratelimit_prefix", Patterns(&["ratelimit.$.**"])),
    rule("envoy.health_check_name", HealthCheckName),
    rule("envoy.cluster_name", Patterns(&["cluster.$.**"])),
    rule(
        "envoy.ext_authz_prefix",
        Patterns(&["cluster|http.*.ext_authz.$.**"]),
    ),
    rule("envoy.http_conn_manager_prefix", Patterns(&["http.$.**"])),
    rule("envoy.virtual_host", Patterns(&["vhost.$.**"])),
    rule("envoy.mongo_prefix", Patterns(&["mongo.$.**"])),
    rule("envoy.route", Patterns(&["vhost.*.route.$.**"])),
    rule("envoy.thrift_prefix", Patterns(&["thrift.$.**"])),
    rule("envoy.redis_prefix", Patterns(&["redis.$.**"])),
    rule(
        "envoy.local_network_ratelimit_prefix",
        Patterns(&["local_rate_limit.$.**"]),
    ),
    rule(
        "envoy.local_listener_ratelimit_prefix",
        Patterns(&["listener_local_ratelimit.$.**"]),
    ),
    rule("envoy.dns_filter_prefix", Patterns(&["dns_filter.$.**"])),
    rule(
        "envoy.connection_limit_prefix",
        Patterns(&["connection_limit.$.**"]),
    ),
    rule("envoy.google_grpc_client_prefix", Patterns(&["grpc.$.**"])),
];

/// The first of the rules that are bound to names of one first token.
pub(super) const BOUND: usize = 9;
