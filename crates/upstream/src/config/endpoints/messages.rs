//! The messages of endpoints and their addresses.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::hash::xxh64;
use nuncio_contract::matching::FractionalPercent;

use super::super::endpoint_metadata::EndpointMetadata;

message! {
    /// All endpoints.
    pub(crate) struct ClusterLoadAssignment: "envoy.config.endpoint.v3.ClusterLoadAssignment" {
        pub(crate) endpoints: Vec<LocalityLbEndpoints>,
        pub(crate) policy: Option<AssignmentPolicy>,
        inert cluster_name = "the cluster's own name counts";
    }
}

message! {
    /// What holds for all endpoints.
    pub(crate) struct AssignmentPolicy: "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy" {
        pub(crate) drop_overloads: Vec<DropOverloadMessage>,
        pub(crate) overprovisioning_factor: Option<u32>,
        pub(crate) weighted_priority_health: bool,
        pub(crate) endpoint_stale_after: Option<Duration>,
    }
}

message! {
    /// Requests that are turned away.
    pub(crate) struct DropOverloadMessage: "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload" {
        pub(crate) drop_percentage: Option<FractionalPercent>,
        pub(crate) category: String,
    }
}

message! {
    /// The endpoints of one locality and priority.
    pub(crate) struct LocalityLbEndpoints: "envoy.config.endpoint.v3.LocalityLbEndpoints" {
        pub(crate) locality: Option<LocalityMessage>,
        pub(crate) lb_endpoints: Vec<LbEndpoint>,
        pub(crate) priority: u32,
        pub(crate) load_balancing_weight: Option<u32>,
        pub(crate) metadata: Option<EndpointMetadata>,
    }
}

message! {
    /// A place.
    pub(crate) struct LocalityMessage: "envoy.config.core.v3.Locality" {
        pub(crate) region: String,
        pub(crate) zone: String,
        pub(crate) sub_zone: String,
    }
}

message! {
    /// An endpoint and what load balancing knows of it.
    pub(crate) struct LbEndpoint: "envoy.config.endpoint.v3.LbEndpoint" {
        pub(crate) oneof host_identifier: Option<HostIdentifier>,
        pub(crate) health_status: HealthStatus,
        pub(crate) load_balancing_weight: Option<u32>,
        pub(crate) metadata: Option<EndpointMetadata>,
    }
}

one_of! {
    /// The endpoint.
    pub(crate) enum HostIdentifier {
        endpoint => Endpoint(Endpoint),
    }
}

message! {
    /// An endpoint.
    pub(crate) struct Endpoint: "envoy.config.endpoint.v3.Endpoint" {
        pub(crate) address: Option<EndpointAddress>,
        pub(crate) hostname: String,
        pub(crate) health_check_config: Option<HealthCheckConfig>,
        pub(crate) additional_addresses: Vec<AdditionalAddress>,
    }
}

message! {
    /// Another address of an endpoint.
    pub(crate) struct AdditionalAddress: "envoy.config.endpoint.v3.Endpoint.AdditionalAddress" {
        pub(crate) address: Option<Address>,
    }
}

message! {
    /// How an endpoint is checked.
    pub(crate) struct HealthCheckConfig: "envoy.config.endpoint.v3.Endpoint.HealthCheckConfig" {
        pub(crate) port_value: u32,
        pub(crate) hostname: String,
        pub(crate) address: Option<Address>,
        pub(crate) disable_active_health_check: bool,
    }
}

enumeration! {
    /// What the configuration claims.
    pub(crate) enum HealthStatus: "envoy.config.core.v3.HealthStatus" {
        UNKNOWN => Unknown,
        HEALTHY => Healthy,
        UNHEALTHY => Unhealthy,
        DRAINING => Draining,
        TIMEOUT => Timeout,
        DEGRADED => Degraded,
    }
}

message! {
    /// An address.
    pub(crate) struct Address: "envoy.config.core.v3.Address" {
        pub(crate) oneof address: AddressKind,
    }
}

one_of! {
    /// Kinds of address.
    pub(crate) enum AddressKind {
        socket_address => SocketAddress(SocketAddress),
    }
}

message! {
    /// Where a host is.
    pub(crate) struct EndpointAddress: "envoy.config.core.v3.Address" {
        pub(crate) oneof address: EndpointAddressKind,
    }
}

one_of! {
    /// The kinds of that.
    pub(crate) enum EndpointAddressKind {
        socket_address => SocketAddress(SocketAddress),
        envoy_internal_address => Internal(InternalMessage),
        pipe => Pipe(PipeMessage),
    }
}

message! {
    /// A unix domain socket.
    pub(crate) struct PipeMessage: "envoy.config.core.v3.Pipe" {
        pub(crate) path: String,
        pub(crate) mode: u32,
    }
}

impl PipeMessage {
    /// What is wrong with it, as Envoy says it. The mode is for sockets that listen, and means nothing else here.
    pub(super) fn fault(&self) -> Option<String> {
        let path = &self.path;
        if path.len() >= PIPE_PATH_MAX_BYTES {
            let most = PIPE_PATH_MAX_BYTES;
            let text = "exceeds maximum UNIX domain socket path size of";
            return Some(format!("Path \"{path}\" {text} {most}."));
        }
        let text = match path.starts_with('@') {
            true if self.mode != 0 => "Cannot set mode for Abstract AF_UNIX sockets",
            false if path.contains('\0') => {
                "UNIX domain socket pathname contains embedded null characters"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

message! {
    /// A listener inside of the process.
    pub(crate) struct InternalMessage: "envoy.config.core.v3.EnvoyInternalAddress" {
        pub(crate) oneof address_name_specifier: ServerListener,
        pub(crate) endpoint_id: String,
    }
}

one_of! {
    /// Which one.
    pub(crate) enum ServerListener {
        server_listener_name => Name(String),
    }
}

/// What the system takes of a path, with the end of the text.
const PIPE_PATH_MAX_BYTES: usize = 108;

/// What hosts without an IP address are told apart by where addresses are: one of a range that no network has
/// (100::/64), made of the name. Nothing connects there.
pub(super) fn stand_in(name: &str) -> Box<str> {
    let hash = u128::from(xxh64(name.as_bytes(), 0));
    let address = Ipv6Addr::from_bits((0x0100 << 112) | hash);
    address.to_string().into()
}

/// The resolver of addresses.
const RESOLVER: &str = "envoy.ip";

message! {
    /// An IP address or a name, and a port.
    pub(crate) struct SocketAddress: "envoy.config.core.v3.SocketAddress" {
        inert protocol = "who uses the cluster says what it sends, as in Envoy",
        pub(crate) address: Spanned<String>,
        pub(crate) oneof port_specifier: PortSpecifier,
        pub(crate) resolver_name: Spanned<String>,
        inert ipv4_compat = "it concerns sockets that listen";
    }
}

impl SocketAddress {
    /// What is wrong with who is to resolve it. There is one resolver, that of addresses, which is there without a name too.
    pub(crate) fn resolver_fault(&self) -> Option<String> {
        let name = &self.resolver_name.value;
        let is_known = name.is_empty() || name == RESOLVER;
        (!is_known).then(|| format!("Unknown address resolver: {name}"))
    }

    /// The IP address, or what is wrong with it, in Envoy's words.
    pub(crate) fn ip(&self) -> Result<IpAddr, String> {
        if let Some(fault) = self.resolver_fault() {
            return Err(fault);
        }
        let address = &self.address.value;
        let ip = address.parse();
        ip.map_err(|_| format!("malformed IP address: {address}"))
    }
}

one_of! {
    /// The port.
    pub(crate) enum PortSpecifier {
        port_value => Value(u32),
    }
}
