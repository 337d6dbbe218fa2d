//! Clusters: their names, how their hosts are learned, and how one of them is chosen.

use std::collections::HashSet;
use std::net::IpAddr;

use nuncio_config::tree::Message;

use super::Checker;
use super::look::Look;

const MANY_HOSTS: &str =
    "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint";

/// No name twice.
pub(super) fn unique(bootstrap: &Message, checker: &mut Checker<'_>) {
    let Some(resources) = bootstrap.child("static_resources") else {
        return;
    };
    let mut seen = HashSet::new();
    for cluster in resources.children("clusters") {
        if let Some((name, span)) = cluster.text("name")
            && !seen.insert(name)
        {
            checker.error(span, format!("cluster manager: duplicate cluster '{name}'"));
        }
    }
}

/// `cluster_manager.local_cluster_name` must be there.
pub(super) fn local(bootstrap: &Message, checker: &mut Checker<'_>) {
    let manager = bootstrap.child("cluster_manager");
    if let Some((name, span)) = manager.and_then(|manager| manager.text("local_cluster_name")) {
        checker.unknown_cluster(
            span,
            name,
            format!("local cluster '{name}' must be defined"),
        );
    }
}

/// One cluster.
pub(super) fn check(cluster: &Message, checker: &mut Checker<'_>) {
    let discovery = if cluster.has("cluster_type") {
        custom_type(cluster, checker);
        ""
    } else {
        cluster.choice("type")
    };
    match discovery {
        "STATIC" => addresses(cluster, checker),
        "LOGICAL_DNS" => single_host(cluster, checker),
        "EDS" => eds(cluster, checker),
        "ORIGINAL_DST" => original_destination(cluster, checker),
        _ => {}
    }
    policy(cluster, discovery, checker);
    sockets(cluster, checker);
    rates(cluster, checker);
    health_checks(cluster, checker);
    protocol_options(cluster, checker);
}

fn custom_type(cluster: &Message, checker: &mut Checker<'_>) {
    const NAMES: [&str; 4] = [
        "envoy.cluster.static",
        "envoy.cluster.strict_dns",
        "envoy.cluster.logical_dns",
        "envoy.cluster.eds",
    ];
    let Some(custom) = cluster.child("cluster_type") else {
        return;
    };
    let Some((name, span)) = custom.text("name") else {
        return;
    };
    if !custom.has("typed_config") && !NAMES.contains(&name) {
        let text =
            format!("Didn't find a registered cluster factory implementation for name: '{name}'");
        checker.error(span, text);
    } else if let Some((any, span)) = custom.any("typed_config") {
        checker.registered("envoy.clusters", name, any, span);
    }
}

fn endpoints(cluster: &Message) -> impl Iterator<Item = &Message> {
    let assignment = cluster.child("load_assignment");
    let groups = assignment
        .into_iter()
        .flat_map(|assignment| assignment.children("endpoints"));
    groups.flat_map(|group| group.children("lb_endpoints"))
}

fn addresses(cluster: &Message, checker: &mut Checker<'_>) {
    for endpoint in endpoints(cluster) {
        let address = endpoint
            .child("endpoint")
            .and_then(|endpoint| endpoint.child("address"));
        let Some(socket) = address.and_then(|address| address.child("socket_address")) else {
            continue;
        };
        let Some((address, span)) = socket.text("address") else {
            continue;
        };
        let is_of_a_resolver = socket.has("resolver_name") || address.contains("://");
        if is_of_a_resolver || address.parse::<IpAddr>().is_ok() {
            continue;
        }
        let advice = "Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'";
        checker
            .error(span, format!("malformed IP address: {address}. {advice}"))
            .note("a STATIC cluster takes addresses, not names; clusters are STATIC by default")
            .suggest("set `type: STRICT_DNS` or `type: LOGICAL_DNS`");
    }
}

fn single_host(cluster: &Message, checker: &mut Checker<'_>) {
    if cluster.is_refused("load_assignment") {
        return;
    }
    let Some(assignment) = cluster.child("load_assignment") else {
        checker.error(
            cluster.place("name"),
            "LOGICAL_DNS clusters must have a single host",
        );
        return;
    };
    let unclear = assignment.is_refused("endpoints")
        || assignment
            .children("endpoints")
            .any(|group| group.has_refused_items("lb_endpoints"));
    let is_single =
        assignment.children("endpoints").count() == 1 && endpoints(cluster).count() == 1;
    if !is_single && !unclear {
        checker.error(assignment.place("endpoints"), MANY_HOSTS);
    }
}

fn eds(cluster: &Message, checker: &mut Checker<'_>) {
    let config = cluster.child("eds_cluster_config");
    let there = config.is_some_and(|config| config.has("eds_config"));
    if !there && !cluster.is_refused("eds_cluster_config") {
        checker
            .error(
                cluster.place("type"),
                "cannot create an EDS cluster without an EDS config",
            )
            .suggest("add `eds_cluster_config` with its `eds_config`");
    }
}

fn original_destination(cluster: &Message, checker: &mut Checker<'_>) {
    if cluster.has("load_assignment") {
        checker.error(
            cluster.key_place("load_assignment"),
            "ORIGINAL_DST clusters must have no load assignment configured",
        );
    }
}

fn policy(cluster: &Message, discovery: &str, checker: &mut Checker<'_>) {
    if let Some(policies) = cluster.child("load_balancing_policy") {
        extensions(cluster, policies, checker);
        if discovery != "ORIGINAL_DST" {
            return;
        }
    }
    let policy = cluster.choice("lb_policy");
    let name = cluster.text("name").map_or("", |(name, _)| name);
    let place = cluster.place("lb_policy");
    match policy {
        "CLUSTER_PROVIDED" if cluster.has("lb_subset_config") => {
            let text =
                "cluster: LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config";
            checker.error(place, text);
        }
        "CLUSTER_PROVIDED" if !matches!(discovery, "" | "ORIGINAL_DST") => {
            let text = format!(
                "cluster manager: cluster provided LB specified but cluster '{name}' did not provide one. Check cluster documentation."
            );
            checker.error(place, text);
        }
        "CLUSTER_PROVIDED" | "" | "LOAD_BALANCING_POLICY_CONFIG" => {}
        other if discovery == "ORIGINAL_DST" => {
            let text = format!(
                "cluster: LB policy {other} is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'"
            );
            let place = if cluster.has("lb_policy") {
                place
            } else {
                cluster.place("type")
            };
            checker
                .error(place, text)
                .suggest("set `lb_policy: CLUSTER_PROVIDED`");
        }
        "RING_HASH" => ring_sizes(cluster, checker),
        "MAGLEV" => table_size(cluster, checker),
        _ => {}
    }
}

fn extensions(cluster: &Message, policies: &Message, checker: &mut Checker<'_>) {
    const CATEGORY: &str = "envoy.load_balancing_policies";
    let mut names = Vec::new();
    for policy in policies.children("policies") {
        let Some(extension) = policy.child("typed_extension_config") else {
            return;
        };
        names.push(extension.text("name").map_or("", |(name, _)| name));
        let any = extension.any("typed_config");
        if any.is_none_or(|(any, _)| {
            checker.registered.name(CATEGORY, any.type_name()).is_some()
                || any.type_name().contains(".load_balancing_policies.")
        }) {
            return;
        }
    }
    if policies.has_refused_items("policies") {
        return;
    }
    let name = cluster.text("name").map_or("", |(name, _)| name);
    let text = format!(
        "cluster: didn't find a registered load balancer factory implementation for cluster: '{name}' with names from [{}]",
        names.join(", ")
    );
    checker.error(policies.place("policies"), text);
}

fn ring_sizes(cluster: &Message, checker: &mut Checker<'_>) {
    let Some(ring) = cluster.child("ring_hash_lb_config") else {
        return;
    };
    let least = ring.number("minimum_ring_size").unwrap_or(1024);
    let most = ring.number("maximum_ring_size").unwrap_or(8 * 1024 * 1024);
    if least > most && !ring.is_refused("minimum_ring_size") {
        let text = format!("ring hash: minimum_ring_size ({least}) > maximum_ring_size ({most})");
        checker.error(ring.place("maximum_ring_size"), text);
    }
}

fn table_size(cluster: &Message, checker: &mut Checker<'_>) {
    let Some(maglev) = cluster.child("maglev_lb_config") else {
        return;
    };
    if let Some(size) = maglev.number("table_size")
        && size <= 5_000_011
        && !is_prime(size)
    {
        let text = "The table size of maglev must be prime number";
        checker.error(maglev.place("table_size"), text);
    }
}

fn is_prime(number: u64) -> bool {
    number > 1
        && (2..)
            .take_while(|divisor| divisor * divisor <= number)
            .all(|divisor| !number.is_multiple_of(divisor))
}

fn sockets(cluster: &Message, checker: &mut Checker<'_>) {
    let matches = cluster.children("transport_socket_matches");
    let matched = matches.filter_map(|entry| entry.child("transport_socket"));
    let plain = cluster.child("transport_socket");
    for socket in plain.into_iter().chain(matched) {
        checker.extension("envoy.transport_sockets.upstream", socket);
    }
}

fn rates(cluster: &Message, checker: &mut Checker<'_>) {
    if let Some(rate) = cluster.child("dns_failure_refresh_rate")
        && let (Some(base), Some(most)) = (
            rate.duration("base_interval"),
            rate.duration("max_interval"),
        )
        && most < base
    {
        let text = "dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval";
        checker.error(rate.place("base_interval"), text);
    }
    if let Some(outliers) = cluster.child("outlier_detection") {
        let base = outliers.duration("base_ejection_time").unwrap_or((30, 0));
        let most = outliers.duration("max_ejection_time");
        if most.is_some_and(|most| most < base) {
            let text =
                "outlier detector's max_ejection_time cannot be smaller than base_ejection_time";
            checker.error(outliers.place("max_ejection_time"), text);
        }
    }
}

fn health_checks(cluster: &Message, checker: &mut Checker<'_>) {
    if cluster.children("health_checks").count() < 2 {
        return;
    }
    let mut seen = HashSet::new();
    for (index, check) in cluster.children("health_checks").enumerate() {
        let Some((name, span)) = check.text("name") else {
            let text = format!(
                "health check at index {index} is missing a name; all health checks must have a name when multiple health checks are configured"
            );
            checker.error(check.span, text);
            continue;
        };
        if !seen.insert(name) {
            let text = format!(
                "duplicate health check name '{name}' at index {index}; all health check names must be unique within a cluster"
            );
            checker.error(span, text);
        }
    }
}

/// The names of options that are no filter's.
const PROTOCOL_OPTIONS: [&str; 4] = [
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions",
    "envoy.upstreams.http.http_protocol_options",
    "envoy.upstreams.tcp.tcp_protocol_options",
];

fn protocol_options(cluster: &Message, checker: &mut Checker<'_>) {
    let both = cluster.has("http_protocol_options") && cluster.has("http2_protocol_options");
    if both
        && cluster.choice("protocol_selection") == "USE_CONFIGURED_PROTOCOL"
        && cluster
            .map_items("typed_extension_protocol_options")
            .is_empty()
    {
        let text = "cluster: Both HTTP1 and HTTP2 options may only be configured with non-default 'protocol_selection' values";
        checker.error(cluster.key_place("http2_protocol_options"), text);
    }
    for item in cluster.map_items("typed_extension_protocol_options") {
        let of_upstreams = item.key.contains(".upstreams.");
        let is_known = PROTOCOL_OPTIONS.contains(&&*item.key);
        if !item.key.starts_with("envoy.") || of_upstreams && !is_known {
            let text = format!(
                "Didn't find a registered network or http filter or protocol options implementation for name: '{}'",
                item.key
            );
            let near = nuncio_config::interpret::nearest(&item.key, PROTOCOL_OPTIONS.into_iter());
            let note = checker.error(item.key_span, text);
            if let Some(near) = near {
                note.suggest(format!("did you mean `{near}`?"));
            }
        }
    }
}
