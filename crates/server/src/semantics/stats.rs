//! The tags of statistics: an expression for each that Envoy has none for, in the syntax of `std::regex`.

use nuncio_config::tree::Message;

use super::Checker;
use super::ecmascript;
use super::look::Look;

/// The tags that Envoy knows the expressions of, without `envoy.` before them.
const KNOWN: &[&str] = &[
    "clientssl_prefix",
    "cluster_name",
    "connection_limit_prefix",
    "dns_filter_prefix",
    "dynamo_operation",
    "dynamo_partition_id",
    "dynamo_table",
    "ext_authz_prefix",
    "fault_downstream_cluster",
    "google_grpc_client_prefix",
    "grpc_bridge_method",
    "grpc_bridge_service",
    "health_check_name",
    "http_conn_manager_prefix",
    "http_user_agent",
    "listener_address",
    "local_http_ratelimit_prefix",
    "local_listener_ratelimit_prefix",
    "local_network_ratelimit_prefix",
    "mongo_callsite",
    "mongo_cmd",
    "mongo_collection",
    "mongo_prefix",
    "proxy_protocol_prefix",
    "proxy_protocol_version",
    "ratelimit_prefix",
    "rbac_http_prefix",
    "rbac_policy_name",
    "rbac_prefix",
    "rds_route_config",
    "redis_prefix",
    "response_code",
    "response_code_class",
    "route",
    "scoped_rds_config",
    "ssl_cipher",
    "ssl_curve",
    "ssl_sigalg",
    "ssl_version",
    "tcp_prefix",
    "thrift_prefix",
    "tls_certificate",
    "udp_prefix",
    "virtual_cluster",
    "virtual_host",
    "worker_id",
];

/// The tags of a bootstrap.
pub(super) fn tags(bootstrap: &Message, checker: &mut Checker<'_>) {
    let Some(config) = bootstrap.child("stats_config") else {
        return;
    };
    for tag in config.children("stats_tags") {
        if tag.has("fixed_value") || tag.is_refused("regex") {
            continue;
        }
        match tag.text("regex").filter(|(regex, _)| !regex.is_empty()) {
            Some((regex, span)) => {
                if let Err(reason) = ecmascript::check(regex) {
                    checker.error(span, format!("Invalid regex '{regex}': {reason}"));
                }
            }
            None => without_expression(tag, checker),
        }
    }
}

fn without_expression(tag: &Message, checker: &mut Checker<'_>) {
    let (name, span) = tag.text("tag_name").unwrap_or(("", tag.span));
    let known = name
        .strip_prefix("envoy.")
        .filter(|name| KNOWN.contains(name));
    if known.is_some() || name == "cipher_suite" || tag.is_refused("tag_name") {
        return;
    }
    let text =
        format!("No regex specified for tag specifier and no default regex for name: '{name}'");
    let near = name.strip_prefix("envoy.").unwrap_or(name);
    let near = nuncio_config::interpret::nearest(near, KNOWN.iter().copied());
    let suggestion = match near {
        Some(near) => format!("did you mean `envoy.{near}`?"),
        None => "give it a `regex` or a `fixed_value`".to_owned(),
    };
    checker.error(span, text).suggest(suggestion);
}
