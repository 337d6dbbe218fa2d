//! What is done to requests before they are routed, as the message says it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::matching::AddressRanges;

use crate::config::connection_manager as config;
use crate::connection_manager::client_certificate::{CertificateTree, ForwardedCertificate};
use crate::connection_manager::original_address::Detection;
use crate::connection_manager::request_id::RequestIds;

/// Ports that mean a scheme.
#[derive(Clone, Debug)]
pub struct SchemesOfPorts {
    /// `https`; these come first.
    pub https: Vec<u32>,
    /// `http`.
    pub http: Vec<u32>,
}

/// What is done to requests before they are routed.
#[derive(Clone, Debug)]
pub struct RequestOptions {
    /// The peer's address is the client's, and this is the edge.
    pub use_remote_address: bool,
    /// Proxies before this one that are trusted.
    pub xff_num_trusted_hops: u32,
    /// Whether `x-forwarded-for` stays as it came.
    pub skip_xff_append: bool,
    /// Who counts as internal.
    pub internal_addresses: AddressRanges,
    /// Whether clients on unix domain sockets do.
    pub unix_sockets_are_internal: bool,
    /// Whether a path with a fragment is refused, and not cut before it; so where nothing is said.
    pub rejects_fragments: RuntimeKey,
    /// What finds out the client's address; empty for `x-forwarded-for` by the number of hops.
    pub detections: Box<[Detection]>,
    /// Whether `x-forwarded-port` is set.
    pub append_x_forwarded_port: bool,
    /// Which scheme the port of a destination that was told or restored means, where it means one.
    pub schemes_of_ports: Option<Box<SchemesOfPorts>>,
    /// Whether requests get an id.
    pub generate_request_id: bool,
    /// What request ids are used for.
    pub request_ids: RequestIds,
    /// Whether an id from outside is kept.
    pub preserve_external_request_id: bool,
    /// The value of `user-agent` and `x-envoy-downstream-service-cluster` where wanted.
    pub user_agent: Option<Box<str>>,
    /// `x-envoy-downstream-service-node` beside the user agent; empty: none.
    pub service_node: Box<str>,
    /// What becomes of `x-forwarded-client-cert`.
    pub client_certificate: ForwardedCertificate,
    /// The tree that decides on it before that; none if nobody asks one.
    pub client_certificate_tree: Option<Arc<CertificateTree>>,
    /// Appended to `via`, both ways.
    pub via: Box<str>,
    /// The scheme that every request gets.
    pub scheme: Option<Box<str>>,
    /// Whether the scheme becomes that of the connection to the host; not beside a scheme that is given.
    pub scheme_matches_upstream: bool,
    /// Whether PROXY headers to hosts name the client.
    pub tells_hosts_of_client: bool,
    /// RFC 3986 normalisation of the path.
    pub normalize_path: bool,
    /// `//` becomes `/`.
    pub merge_slashes: bool,
    /// What becomes of `%2F` and `%5C`.
    pub escaped_slashes: config::EscapedSlashesAction,
    /// Which port is taken off the host.
    pub strip_port: StripPort,
    /// Whether a trailing dot is taken off the host.
    pub strip_trailing_host_dot: bool,
}

/// Which port is taken off the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StripPort {
    /// None.
    No,
    /// The listener's own.
    Matching,
    /// Every one.
    Any,
}

impl RequestOptions {
    pub(super) fn from_message(
        message: &config::HttpConnectionManager,
        (internal_addresses, rejects_fragments): (AddressRanges, RuntimeKey),
        (detections, request_ids, client_certificate_tree): (
            Box<[Detection]>,
            RequestIds,
            Option<Arc<CertificateTree>>,
        ),
        (service_cluster, service_node): (&str, &str),
    ) -> Self {
        let any_port = matches!(
            message.strip_port_mode,
            Some(config::StripPortMode::Any(true))
        );
        let transformation = message.scheme_header_transformation.as_ref();
        let scheme = transformation.and_then(|scheme| scheme.transformation.as_ref());
        RequestOptions {
            use_remote_address: message.use_remote_address == Some(true),
            xff_num_trusted_hops: message.xff_num_trusted_hops,
            skip_xff_append: message.skip_xff_append,
            internal_addresses,
            unix_sockets_are_internal: (message.internal_address_config.as_ref())
                .is_some_and(|config| config.unix_sockets),
            detections,
            rejects_fragments,
            append_x_forwarded_port: message.append_x_forwarded_port,
            schemes_of_ports: message.forward_proto_config.as_ref().map(|ports| {
                Box::new(SchemesOfPorts {
                    https: ports.https_destination_ports.clone(),
                    http: ports.http_destination_ports.clone(),
                })
            }),
            generate_request_id: message.generate_request_id != Some(false),
            request_ids,
            preserve_external_request_id: message.preserve_external_request_id,
            user_agent: (message.add_user_agent == Some(true)).then(|| service_cluster.into()),
            service_node: service_node.into(),
            client_certificate: ForwardedCertificate::from_message(message),
            client_certificate_tree,
            via: message.via.as_str().into(),
            scheme: scheme
                .map(|config::SchemeTransformation::Overwrite(scheme)| scheme.as_str().into()),
            scheme_matches_upstream: scheme.is_none()
                && transformation.is_some_and(|scheme| scheme.match_upstream),
            tells_hosts_of_client: message.add_proxy_protocol_connection_state != Some(false),
            normalize_path: message.normalize_path == Some(true),
            merge_slashes: message.merge_slashes,
            escaped_slashes: message.path_with_escaped_slashes_action,
            strip_port: match (any_port, message.strip_matching_host_port) {
                (true, _) => StripPort::Any,
                (false, true) => StripPort::Matching,
                (false, false) => StripPort::No,
            },
            strip_trailing_host_dot: message.strip_trailing_host_dot,
        }
    }
}

/// What a list without ranges stands for: addresses of private networks, and the machine itself.
const PRIVATE: [(IpAddr, u32); 6] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::LOCALHOST), 32),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// Without a list, Envoy 1.40 takes no address for internal.
pub(super) fn internal_addresses(
    config: Option<&config::InternalAddressConfig>,
    ctx: &mut Ctx,
) -> Result<AddressRanges, Refused> {
    let Some(config) = config else {
        return Ok(AddressRanges::default());
    };
    match config.cidr_ranges.as_slice() {
        [] => Ok(AddressRanges::of(PRIVATE)),
        ranges => AddressRanges::compile(ranges, ctx),
    }
}

pub(super) fn rejects_fragments(ctx: &Ctx) -> RuntimeKey {
    ctx.runtime
        .key("envoy.reloadable_features.http_reject_path_with_fragment")
}
