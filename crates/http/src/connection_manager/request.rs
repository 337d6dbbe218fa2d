//! What the connection manager does to a request before it is routed, in Envoy's order: checks, path and
//! host, hop-by-hop headers, the client's address, internal headers, the request id.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nuncio_contract::headers::{HeaderMap, HeaderName, Known, KnownSet};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::{Address, StreamInfo};

use super::address::last_forwarded;
use super::client_certificate;
use super::config::{RequestOptions, SchemesOfPorts, StripPort};
use super::connect_udp::name_target;
use super::original_address::with_ip;
use super::path::{Normalized, normalize};
use super::referer;
use crate::route::{is_connect_udp, is_grpc, without_port};

const DETECTION_FAILED: &str = "rejecting_because_detection_failed";

/// Headers of the connection, and our own word on where a request comes from.
static HOP_BY_HOP: KnownSet = KnownSet::of(&[
    Known::XEnvoyInternal,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::TransferEncoding,
]);

/// Headers of internal clients that are taken from every external request.
static INTERNAL_ONLY: KnownSet = KnownSet::of(&[
    Known::XEnvoyRetriableStatusCodes,
    Known::XEnvoyRetriableHeaderNames,
    Known::XEnvoyRetryOn,
    Known::XEnvoyRetryGrpcOn,
    Known::XEnvoyMaxRetries,
    Known::XEnvoyUpstreamAltStatName,
    Known::XEnvoyUpstreamRqTimeoutMs,
    Known::XEnvoyUpstreamRqPerTryTimeoutMs,
    Known::XEnvoyUpstreamRqTimeoutAltResponse,
    Known::XEnvoyUpstreamStreamDurationMs,
    Known::XEnvoyExpectedRqTimeoutMs,
    Known::XEnvoyForceTrace,
    Known::XEnvoyIpTags,
    Known::XEnvoyOriginalUrl,
    Known::XEnvoyHedgeOnPerTryTimeout,
]);

/// Headers that are taken from requests that come in at the edge as well.
static EDGE_ONLY: KnownSet = KnownSet::of(&[
    Known::XEnvoyDecoratorOperation,
    Known::XEnvoyDownstreamServiceCluster,
    Known::XEnvoyDownstreamServiceNode,
    Known::XEnvoyOriginalPath,
    Known::XEnvoyOriginalHost,
]);

/// Why a request goes no further.
pub enum Refusal {
    /// It is answered.
    Reply(LocalReply),
    /// It is answered and counts as a failed normalisation.
    PathNormalization(LocalReply),
    /// It is sent to its normalised path.
    Redirect(LocalReply),
    /// It is answered and counts as a non-relative path.
    NonRelativePath(LocalReply),
    /// It is answered because nobody knows where it comes from.
    NoAddress(LocalReply),
}

/// The connection's part of the picture.
pub struct Peer<'a> {
    /// Whether the client speaks TLS.
    pub is_tls: bool,
    /// The peer's address.
    pub remote: Option<&'a Address>,
    /// Our own address: of the PROXY protocol, restored, or the socket's.
    pub local: Option<&'a Address>,
    /// Our own address on the socket.
    pub direct_local: Option<&'a Address>,
}

/// Takes `Expect: 100-continue` away unless it is left to the upstream; whether a `100 Continue` is due for it.
pub fn take_expectation(headers: &mut HeaderMap, is_left_to_upstream: bool) -> bool {
    let expects = headers
        .get(Known::Expect)
        .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
    let is_due = expects && !is_left_to_upstream;
    if is_due {
        headers.remove(Known::Expect);
    }
    is_due
}

/// Checks the head and normalises its path and host.
pub fn check(
    headers: &mut HeaderMap,
    options: &RequestOptions,
    peer: &Peer<'_>,
) -> Result<(), Refusal> {
    let bare = |status, details: &'static str| LocalReply::new(status, b"".as_slice(), details);
    if !headers.contains(Known::Authority) {
        return Err(Refusal::Reply(bare(400, "missing_host_header")));
    }
    let method = headers.get(Known::Method).unwrap_or_default();
    if method == b"QUERY" && headers.get(Known::ContentType).is_none_or(<[u8]>::is_empty) {
        let details = "query_missing_content_type";
        return Err(Refusal::Reply(bare(400, details)));
    }
    let is_connect = method == b"CONNECT";
    let path = headers.get(Known::Path).unwrap_or_default();
    if !is_connect && path.is_empty() {
        return Err(Refusal::Reply(bare(404, "missing_path_rejected")));
    }
    if is_connect_udp(headers) && !name_target(headers) {
        let body = b"The path is incorrect for CONNECT-UDP".as_slice();
        let details = "invalid_path";
        return Err(Refusal::Reply(LocalReply::new(404, body, details)));
    }
    let path = headers.get(Known::Path).unwrap_or_default();
    if !path.is_empty() && !path.starts_with(b"/") {
        return Err(Refusal::NonRelativePath(bare(
            404,
            "absolute_path_rejected",
        )));
    }
    let failed = "path_normalization_failed";
    match normalize(headers, options) {
        Normalized::Continue => {}
        Normalized::Reject => return Err(Refusal::PathNormalization(bare(400, failed))),
        Normalized::Redirect if is_grpc(headers) => {
            return Err(Refusal::PathNormalization(bare(400, failed)));
        }
        Normalized::Redirect => {
            let location = headers.get(Known::Path).unwrap_or_default().to_vec();
            let reply = bare(307, failed).with_header(HeaderName::from(Known::Location), location);
            return Err(Refusal::Redirect(reply));
        }
    }
    strip_host(headers, options, peer.local);
    Ok(())
}

fn strip_host(headers: &mut HeaderMap, options: &RequestOptions, local: Option<&Address>) {
    if options.strip_port == StripPort::No && !options.strip_trailing_host_dot {
        return;
    }
    let Some(host) = headers.get(Known::Authority) else {
        return;
    };
    let dotless = match options.strip_trailing_host_dot {
        true => without_trailing_dot(host),
        false => Cow::Borrowed(host),
    };
    let name = without_port(&dotless);
    let port = dotless.get(name.len()..).unwrap_or_default();
    let own_port = local
        .and_then(Address::port)
        .map(|port| format!(":{port}").into_bytes());
    let drop_port = match options.strip_port {
        StripPort::No => false,
        StripPort::Any => true,
        StripPort::Matching => own_port.as_deref() == Some(port),
    };
    let new = if drop_port { name } else { &*dotless };
    if new != host {
        let new = new.to_vec();
        headers.set(Known::Authority, &new);
    }
}

/// The dot goes that is the last character, or else the one before the port.
fn without_trailing_dot(host: &[u8]) -> Cow<'_, [u8]> {
    if let Some(bare) = host.strip_suffix(b".") {
        return Cow::Borrowed(bare);
    }
    match memchr::memrchr(b'.', host) {
        Some(dot) if host.get(dot + 1) == Some(&b':') => {
            let (name, port) = host.split_at(dot);
            Cow::Owned([name, port.get(1..).unwrap_or_default()].concat())
        }
        _ => Cow::Borrowed(host),
    }
}

/// Everything else: hop-by-hop headers, the client's address, trust, ids. The answer of a request whose client's
/// address had to be found out and was not.
pub fn mutate(
    headers: &mut HeaderMap,
    info: &mut StreamInfo,
    options: &RequestOptions,
    internal_only: &[HeaderName],
    peer: &Peer<'_>,
    services: &dyn WorkerServices,
) -> Result<(), LocalReply> {
    remove_hop_by_hop(headers);
    let (address, single_hop) = client_address(headers, options, peer)?;
    forwarded_proto(headers, options, peer);
    let is_internal = single_hop
        && match &address {
            Some(Address::Ip(address)) => options.internal_addresses.contains(address.ip()),
            Some(Address::Pipe(_)) => options.unix_sockets_are_internal,
            Some(Address::Internal(_)) | None => false,
        };
    let is_edge = !is_internal && options.use_remote_address;
    if is_internal {
        headers.set(Known::XEnvoyInternal, b"true");
    } else {
        remove_internal_headers(headers, is_edge, internal_only);
    }
    if let Some(agent) = &options.user_agent {
        headers.set(Known::XEnvoyDownstreamServiceCluster, agent.as_bytes());
        if headers.get(Known::UserAgent).is_none_or(<[u8]>::is_empty) {
            headers.set(Known::UserAgent, agent.as_bytes());
        }
        if !options.service_node.is_empty() {
            let node = options.service_node.as_bytes();
            headers.set(Known::XEnvoyDownstreamServiceNode, node);
        }
    }
    append_via(headers, &options.via);
    if is_edge && let Some(ip) = address.as_ref().and_then(Address::ip) {
        headers.set(Known::XEnvoyExternalAddress, ip.to_string().as_bytes());
    }
    if options.generate_request_id {
        let preserve = options.preserve_external_request_id;
        let random = || services.random_u64();
        options.request_ids.set(headers, is_edge, preserve, random);
    }
    let tls = info.connection.tls.as_deref();
    match &options.client_certificate_tree {
        None => options.client_certificate.apply(headers, tls),
        Some(tree) => client_certificate::by_tree(tree, &options.client_certificate, headers, info),
    }
    if address.as_ref() != peer.remote {
        info.remote_address = address;
    }
    Ok(())
}

/// Appends our name to `via`.
pub fn append_via(headers: &mut HeaderMap, via: &str) {
    if !via.is_empty() {
        let joined = match headers.get(Known::Via) {
            Some(before) if !before.is_empty() => [before, b", ", via.as_bytes()].concat(),
            _ => via.as_bytes().to_vec(),
        };
        headers.set(Known::Via, &joined);
    }
}

/// Whether the head asks to change the protocol.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains(Known::Upgrade)
        && headers.get(Known::Connection).is_some_and(|connection| {
            connection
                .split(|byte| *byte == b',')
                .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        })
}

/// The answer to a wish for another protocol that is not allowed.
pub fn no_tunnel() -> LocalReply {
    LocalReply::new(403, b"".as_slice(), "upgrade_failed")
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if !is_upgrade(headers) {
        headers.remove(Known::Connection);
        headers.remove(Known::Upgrade);
        sanitize_te(headers);
    }
    headers.remove_all(&HOP_BY_HOP);
    if let Some(referer) = headers.get(Known::Referer)
        && !referer::is_valid(referer)
    {
        headers.remove(Known::Referer);
    }
}

fn sanitize_te(headers: &mut HeaderMap) {
    let Some(te) = headers.get(Known::Te) else {
        return;
    };
    if te
        .split(|byte| *byte == b',')
        .any(|token| token.trim_ascii() == b"trailers")
    {
        headers.set(Known::Te, b"trailers");
    } else {
        headers.remove(Known::Te);
    }
}

/// The client's address, and whether it alone stands between the client and us.
fn client_address(
    headers: &mut HeaderMap,
    options: &RequestOptions,
    peer: &Peer<'_>,
) -> Result<(Option<Address>, bool), LocalReply> {
    if options.use_remote_address {
        let single_hop = !headers.contains(Known::XForwardedFor);
        let trusted = options.xff_num_trusted_hops.checked_sub(1);
        let forwarded = trusted
            .and_then(|hops| last_forwarded(headers, hops))
            .map(|(ip, _)| with_ip(ip));
        if !options.skip_xff_append {
            append_forwarded_for(headers, peer);
        }
        return Ok((forwarded.or_else(|| peer.remote.cloned()), single_hop));
    }
    if !options.detections.is_empty() {
        return detected_address(headers, options, peer);
    }
    Ok(
        match last_forwarded(headers, options.xff_num_trusted_hops) {
            Some((ip, alone)) => (Some(with_ip(ip)), alone),
            None => (peer.remote.cloned(), false),
        },
    )
}

#[cold]
fn detected_address(
    headers: &mut HeaderMap,
    options: &RequestOptions,
    peer: &Peer<'_>,
) -> Result<(Option<Address>, bool), LocalReply> {
    for detection in &options.detections {
        let detected = detection
            .detect(headers, peer.remote)
            .map_err(|status| LocalReply::new(status, b"".as_slice(), DETECTION_FAILED))?;
        if detected.append {
            append_forwarded_for(headers, peer);
        }
        if let Some(found) = detected.found {
            return Ok((Some(found), detected.may_be_internal));
        }
    }
    Ok((peer.remote.cloned(), false))
}

/// Our own address stands for the client that is this machine; of IPv4 that is 127.0.0.1 alone, as in Envoy.
fn append_forwarded_for(headers: &mut HeaderMap, peer: &Peer<'_>) {
    let remote = peer.remote.and_then(Address::ip);
    let own = remote
        .filter(|ip| {
            [
                IpAddr::from(Ipv4Addr::LOCALHOST),
                Ipv6Addr::LOCALHOST.into(),
            ]
            .contains(ip)
        })
        .and_then(|_| nuncio_net::machine::address());
    if let Some(ip) = own.or(remote) {
        headers.append_joined(Known::XForwardedFor, ip.to_string().as_bytes());
    }
}

/// What the port of a destination means that is not the socket's.
fn scheme_of_port(schemes: &SchemesOfPorts, peer: &Peer<'_>) -> Option<&'static [u8]> {
    let local = peer.local.filter(|_| peer.local != peer.direct_local)?;
    let port = u32::from(local.port()?);
    if schemes.https.contains(&port) {
        return Some(b"https");
    }
    schemes.http.contains(&port).then_some(b"http")
}

fn forwarded_proto(headers: &mut HeaderMap, options: &RequestOptions, peer: &Peer<'_>) {
    let own: &[u8] = if peer.is_tls { b"https" } else { b"http" };
    let scheme = match &options.schemes_of_ports {
        None => own,
        Some(ports) => scheme_of_port(ports, peer).unwrap_or(own),
    };
    let untrusted = options.use_remote_address && options.xff_num_trusted_hops == 0;
    if untrusted || !headers.contains(Known::XForwardedProto) {
        headers.set(Known::XForwardedProto, scheme);
    }
    if options.append_x_forwarded_port
        && (untrusted || !headers.contains(Known::XForwardedPort))
        && let Some(port) = peer.local.and_then(Address::port)
    {
        headers.set(Known::XForwardedPort, port.to_string().as_bytes());
    }
    if let Some(scheme) = &options.scheme {
        headers.set(Known::Scheme, scheme.as_bytes());
        headers.set(Known::XForwardedProto, scheme.as_bytes());
    }
    match headers.get(Known::Scheme) {
        Some(b"http" | b"https") => {}
        asked => {
            let asked = asked.and_then(scheme_of_http);
            let told = || headers.get(Known::XForwardedProto).and_then(scheme_of_http);
            let scheme = asked.or_else(told).unwrap_or(own);
            headers.set(Known::Scheme, scheme);
        }
    }
}

/// A scheme as it is written, if it is one of HTTP. Any other in a request counts as none.
fn scheme_of_http(scheme: &[u8]) -> Option<&'static [u8]> {
    if scheme.eq_ignore_ascii_case(b"https") {
        return Some(b"https");
    }
    scheme.eq_ignore_ascii_case(b"http").then_some(b"http")
}

fn remove_internal_headers(headers: &mut HeaderMap, is_edge: bool, internal_only: &[HeaderName]) {
    if is_edge {
        headers.remove_all(&EDGE_ONLY);
    }
    headers.remove_all(&INTERNAL_ONLY);
    for name in internal_only {
        headers.remove(name);
    }
}
