//! Listeners: addresses, filter chains, and the network filters that end them.

use std::collections::HashMap;
use std::net::IpAddr;

use nuncio_config::span::Span;
use nuncio_config::tree::Message;

use super::look::Look;
use super::{Checker, chain_match};

const CATEGORY: &str = "envoy.filters.network";

/// The filters that end a chain.
const TERMINAL: [&str; 10] = [
    "envoy.filters.network.direct_response",
    "envoy.filters.network.dubbo_proxy",
    "envoy.filters.network.echo",
    "envoy.filters.network.generic_proxy",
    "envoy.filters.network.http_connection_manager",
    "envoy.filters.network.redis_proxy",
    "envoy.filters.network.reverse_tunnel",
    "envoy.filters.network.reverse_tunnel_drain_aware_http_connection_manager",
    "envoy.filters.network.tcp_proxy",
    "envoy.filters.network.thrift_proxy",
];

/// Filters that end a chain or not, as they are configured.
const EITHER: [&str; 3] = [
    "envoy.filters.network.dynamic_modules",
    "envoy.filters.network.ext_proc",
    "envoy.filters.network.wasm",
];

/// No address twice. A name given twice is no mistake to Envoy: the later listener takes the place of the
/// earlier one.
pub(super) fn unique(bootstrap: &Message, checker: &mut Checker<'_>) {
    let Some(resources) = bootstrap.child("static_resources") else {
        return;
    };
    let mut seen: HashMap<String, &str> = HashMap::new();
    for listener in resources.children("listeners") {
        let name = listener.text("name").map_or("", |(name, _)| name);
        let additional = listener.children("additional_addresses");
        let places: Vec<_> = std::iter::once(listener)
            .chain(additional)
            .filter_map(address_of)
            .collect();
        let Some((_, span)) = places.first() else {
            continue;
        };
        let is_taken = |(key, _): &(Key, Span)| {
            let other = seen.get(&key.whole);
            other.is_some_and(|other| other.is_empty() || *other != name)
        };
        if places.iter().any(is_taken) {
            let all: Vec<_> = places.iter().map(|(key, _)| key.address.as_str()).collect();
            let all = all.join(",");
            let text = format!(
                "error adding listener: '{name}' has duplicate address '{all}' as existing listener, to check if the listener has duplicated addresses with other listeners or 'enable_reuse_port' is set to 'false' for the listener"
            );
            checker.error(*span, text);
            continue;
        }
        let fixed = places.into_iter().filter(|(key, _)| key.is_fixed);
        seen.extend(fixed.map(|(key, _)| (key.whole, name)));
    }
}

/// What an address is known by.
struct Key {
    /// As Envoy writes it.
    address: String,
    /// With its network namespace.
    whole: String,
    /// Whether the system does not choose it late.
    is_fixed: bool,
}

/// Listeners inside of the process need an extension of the bootstrap.
pub(super) fn internal(bootstrap: &Message, checker: &mut Checker<'_>) {
    let there = bootstrap.children("bootstrap_extensions").any(|extension| {
        let any = extension.any("typed_config");
        any.is_none_or(|(any, _)| any.type_name().ends_with(".InternalListener"))
    });
    let resources = bootstrap.child("static_resources");
    let listeners = resources
        .into_iter()
        .flat_map(|resources| resources.children("listeners"));
    for listener in listeners.filter(|listener| !there && listener.has("internal_listener")) {
        let name = listener.text("name").map_or("", |(name, _)| name);
        let text = format!(
            "error adding listener named '{name}': InternalListener bootstrap extension is mandatory"
        );
        checker.error(listener.key_place("internal_listener"), text);
    }
}

/// The address of a listener, or an additional one.
fn address_of(message: &Message) -> Option<(Key, Span)> {
    let address = message.child("address")?;
    if let Some((path, span)) = address.child("pipe").and_then(|pipe| pipe.text("path")) {
        let key = Key {
            address: path.to_owned(),
            whole: path.to_owned(),
            is_fixed: true,
        };
        return Some((key, span));
    }
    let socket = address.child("socket_address")?;
    let (address, span) = socket.text("address")?;
    let port = socket.number("port_value")?;
    let ip = address.parse::<IpAddr>().ok()?;
    let udp = if socket.choice("protocol") == "UDP" {
        "udp "
    } else {
        ""
    };
    let port = u16::try_from(port).ok()?;
    let address = format!("{udp}{}", std::net::SocketAddr::new(ip, port));
    let namespace = socket.text("network_namespace_filepath");
    let whole = format!(
        "{} {address}",
        namespace.map_or("", |(namespace, _)| namespace)
    );
    let key = Key {
        address,
        whole,
        is_fixed: port != 0,
    };
    Some((key, span))
}

/// What a listener inside of the process must not have.
fn internal_listener(listener: &Message, name: &str, checker: &mut Checker<'_>) {
    const OF_TCP: [&str; 7] = [
        "connection_balance_config",
        "enable_mptcp",
        "enable_reuse_port",
        "freebind",
        "tcp_backlog_size",
        "tcp_fast_open_queue_length",
        "transparent",
    ];
    if listener.has("address") || listener.has("additional_addresses") {
        let text = format!(
            "error adding listener '{name}': address should not be used when an internal listener config is provided"
        );
        checker.error(listener.key_place("internal_listener"), text);
    } else if let Some(field) = OF_TCP.iter().find(|field| listener.has(field)) {
        let text =
            format!("error adding listener named '{name}': has unsupported tcp listener feature");
        checker.error(listener.key_place(field), text);
    } else if listener.has("socket_options") {
        let text = format!("error adding listener named '{name}': does not support socket option");
        checker.error(listener.key_place("socket_options"), text);
    }
}

/// One listener.
pub(super) fn check(listener: &Message, checker: &mut Checker<'_>) {
    let name = listener.text("name").map_or("", |(name, _)| name);
    if !listener.has("address")
        && !listener.has("internal_listener")
        && !listener.has("api_listener")
    {
        let text = format!("error adding listener named '{name}': address is necessary");
        checker.error(listener.span, text).suggest("add `address`");
    }
    if listener.has("internal_listener") {
        internal_listener(listener, name, checker);
    }
    if let Some(address) = listener.child("address") {
        ip(address, checker);
    }
    for filter in listener.children("listener_filters") {
        if !filter.has("filter_disabled") || filter.has("typed_config") {
            listener_filter(listener, filter, checker);
        }
    }
    chains(listener, checker);
}

fn listener_filter(listener: &Message, filter: &Message, checker: &mut Checker<'_>) {
    let socket = listener
        .child("address")
        .and_then(|address| address.child("socket_address"));
    let is_udp = socket.is_some_and(|socket| socket.choice("protocol") == "UDP");
    let category = match is_udp {
        true => "envoy.filters.udp_listener",
        false => "envoy.filters.listener",
    };
    checker.extension(category, filter);
}

/// An address to listen on is an IP address.
fn ip(address: &Message, checker: &mut Checker<'_>) {
    let Some(socket) = address.child("socket_address") else {
        return;
    };
    if socket.has("resolver_name") {
        return;
    }
    if socket.is_true("ipv4_compat")
        && let Some((address, span)) = socket.text("address")
        && let Ok(ip) = address.parse::<IpAddr>()
        && !takes_ipv4(ip)
    {
        let port = socket.number("port_value").unwrap_or(0);
        let text = format!(
            "Only IPv6 address '::' or valid IPv4-mapped IPv6 address can set ipv4_compat: {address}:{port}"
        );
        checker.error(span, text);
    }
    if let Some((address, span)) = socket.text("address")
        && !address.contains("://")
        && address.parse::<IpAddr>().is_err()
    {
        checker
            .error(span, format!("malformed IP address: {address}"))
            .suggest("a listener takes an IP address, not a name");
    }
}

fn takes_ipv4(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unspecified() || ip.to_ipv4_mapped().is_some(),
    }
}

fn chains(listener: &Message, checker: &mut Checker<'_>) {
    let is_plain = !listener.has("api_listener")
        && !listener.has("udp_listener_config")
        && !listener.has("internal_listener")
        && !listener.has("filter_chain_matcher");
    if !is_plain || listener.has_refused_items("filter_chains") {
        return;
    }
    let address = address_of(listener);
    let shown = address.as_ref().map_or("", |(key, _)| key.address.as_str());
    if shown.starts_with("udp ") {
        return;
    }
    if listener.children("filter_chains").next().is_none()
        && !listener.has("default_filter_chain")
        && address.is_some()
    {
        let text = format!("error adding listener '{shown}': no filter chains specified");
        checker
            .error(listener.span, text)
            .suggest("add `filter_chains`");
    }
    chain_match::check(listener, shown, checker);
}

/// One filter chain.
pub(super) fn chain(chain: &Message, checker: &mut Checker<'_>) {
    if let Some(socket) = chain.child("transport_socket") {
        checker.extension("envoy.transport_sockets.downstream", socket);
    }
    let filters: Vec<&Message> = chain.children("filters").collect();
    for filter in &filters {
        checker.extension(CATEGORY, filter);
    }
    if chain.has_refused_items("filters") {
        return;
    }
    for (place, filter) in filters.iter().enumerate() {
        let Some((any, _)) = filter.any("typed_config") else {
            continue;
        };
        let Some(kind) = checker.registered.name(CATEGORY, any.type_name()) else {
            continue;
        };
        let is_last = place + 1 == filters.len();
        let name = filter.text("name").map_or("", |(name, _)| name);
        if is_last && !TERMINAL.contains(&kind) && !EITHER.contains(&kind) {
            let text = format!(
                "Error: non-terminal filter named {name} of type {kind} is the last filter in a network filter chain."
            );
            checker.error(filter.place("name"), text).suggest(
                "add `envoy.filters.network.tcp_proxy` or another terminal filter behind it",
            );
        }
        if !is_last && TERMINAL.contains(&kind) {
            let text = format!(
                "Error: terminal filter named {name} of type {kind} must be the last filter in a network filter chain."
            );
            checker.error(filter.place("name"), text);
        }
    }
}
