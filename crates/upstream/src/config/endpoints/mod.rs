//! `ClusterLoadAssignment`: the endpoints that a cluster's configuration names.

mod messages;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::tree::Message;
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_contract::matching::FractionalPercent;
use nuncio_contract::stream_info::{Address as HostAddress, InternalAddress, Metadata};

use super::Cluster;
use super::endpoint_metadata::EndpointMetadata;
use crate::cluster::{ClusterType, DiscoveredHealth, LevelOptions, Locality};
use crate::host::EndpointCheck;
pub(crate) use messages::{
    Address, AddressKind, ClusterLoadAssignment, HealthStatus, PortSpecifier, SocketAddress,
};
use messages::{
    Endpoint, EndpointAddressKind, HealthCheckConfig, HostIdentifier, LbEndpoint, LocalityMessage,
    ServerListener, stand_in,
};

/// One configured endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSpec {
    /// IP address, or a name to resolve.
    pub address: Box<str>,
    /// Port.
    pub port: u16,
    /// Its other addresses, where it has some.
    pub others: Box<[SocketAddr]>,
    /// Name given to the endpoint; empty if none.
    pub hostname: Box<str>,
    /// Weight, 1 at least.
    pub weight: u32,
    /// Priority, 0 first.
    pub priority: u32,
    /// Health that the configuration claims.
    pub health: DiscoveredHealth,
    /// Where it stands.
    pub locality: Arc<Locality>,
    /// The weight of the locality, 0 if it has none.
    pub locality_weight: u32,
    /// Its metadata, if any.
    pub metadata: Option<Arc<Metadata>>,
    /// That of its locality, if any.
    pub locality_metadata: Option<Arc<Metadata>>,
    /// The HTTP proxy through which it is reached, if it has one of its own.
    pub http_proxy: Option<Box<SocketAddr>>,
    /// How its health checks differ from its cluster's, if they do.
    pub check: Option<Box<EndpointCheck>>,
    /// The listener inside of the process or the unix domain socket, if it is one; the address stands for it then.
    pub not_ip: Option<Box<HostAddress>>,
}

/// Endpoints that came by themselves.
#[derive(Clone, Debug, Default)]
pub struct Assignment {
    /// The endpoints.
    pub endpoints: Vec<EndpointSpec>,
    /// How the health of priorities is reckoned.
    pub level_options: LevelOptions,
    /// The share of requests that are turned away, of 1.
    pub drop_share: f64,
    /// What those are called in reports of load.
    pub drop_category: Box<str>,
    /// How long they hold if no others come.
    pub stale_after: Option<Duration>,
}

/// What Envoy says of endpoints that are no addresses.
const RESOLVER_ADVICE: &str =
    "Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'";

impl Assignment {
    /// Reads the endpoints of a cluster of type EDS.
    ///
    /// # Errors
    /// All mistakes are in `ctx`.
    pub fn read(message: &Arc<Message>, ctx: &mut Ctx) -> Result<Self, Refused> {
        let assignment: ClusterLoadAssignment = decode(message, ctx)?;
        let policy = assignment.policy.as_ref();
        let drop_share = assignment.drop_share(ctx).unwrap_or_default();
        let stale_after = policy.and_then(|policy| policy.endpoint_stale_after);
        let endpoints = specs(&assignment, ClusterType::Eds, ctx)?;
        match ctx.diagnostics.has_errors() {
            true => Err(Refused),
            false => Ok(Assignment {
                endpoints,
                level_options: assignment.level_options(),
                drop_share,
                drop_category: assignment.drop_category().into(),
                stale_after: stale_after.filter(|after| after.as_millis() > 0),
            }),
        }
    }
}

/// The endpoints of a cluster, checked for its type.
pub(super) fn read(
    cluster: &Cluster,
    cluster_type: ClusterType,
    ctx: &mut Ctx,
) -> Result<Vec<EndpointSpec>, Refused> {
    let Some(assignment) = &cluster.load_assignment else {
        return one_if_logical(cluster, cluster_type, ctx);
    };
    if cluster_type == ClusterType::Eds {
        let text =
            "these are never used: hosts of an EDS cluster come from its `eds_cluster_config`";
        ctx.warning(assignment.span(), text);
        return Ok(Vec::new());
    }
    let endpoints = specs(assignment, cluster_type, ctx)?;
    let single = assignment.endpoints.len() == 1 && endpoints.len() == 1;
    if cluster_type == ClusterType::LogicalDns && !single {
        return Err(not_single(cluster, ctx));
    }
    Ok(endpoints)
}

fn specs(
    assignment: &ClusterLoadAssignment,
    cluster_type: ClusterType,
    ctx: &mut Ctx,
) -> Result<Vec<EndpointSpec>, Refused> {
    let mut endpoints = Vec::new();
    let mut weights = HashMap::new();
    for group in &assignment.endpoints {
        let locality = locality(group.locality.as_ref());
        if let (Some(_), Some(weight)) = (&group.locality, group.load_balancing_weight) {
            weights.insert((group.priority, Arc::clone(&locality)), weight);
        }
        let http_proxy = match &group.metadata {
            Some(metadata) => metadata.proxy_address(ctx)?,
            None => None,
        };
        let metadata = group.metadata.as_ref().map(EndpointMetadata::read);
        for endpoint in &group.lb_endpoints {
            if is_address(cluster_type) && endpoint.address().is_none() {
                let text = format!("Address must be set: . {RESOLVER_ADVICE}");
                ctx.error(endpoint.span(), text);
                return Err(Refused);
            }
            let spec = endpoint.spec(group.priority, &locality, ctx)?;
            check_address(endpoint, cluster_type, ctx)?;
            endpoints.extend(spec.map(|spec| EndpointSpec {
                http_proxy: spec.http_proxy.or_else(|| http_proxy.clone()),
                locality_metadata: metadata.clone(),
                ..spec
            }));
        }
    }
    // As in Envoy the last weight of several for a locality counts, and one without a locality says nothing.
    for spec in endpoints.iter_mut().filter(|_| !weights.is_empty()) {
        let weight = weights.get(&(spec.priority, Arc::clone(&spec.locality)));
        spec.locality_weight = weight.copied().unwrap_or(0);
    }
    Ok(endpoints)
}

fn one_if_logical(
    cluster: &Cluster,
    cluster_type: ClusterType,
    ctx: &mut Ctx,
) -> Result<Vec<EndpointSpec>, Refused> {
    match cluster_type {
        ClusterType::LogicalDns => Err(not_single(cluster, ctx)),
        _ => Ok(Vec::new()),
    }
}

fn not_single(cluster: &Cluster, ctx: &mut Ctx) -> Refused {
    ctx.error(
        cluster.name.span,
        "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint",
    );
    Refused
}

fn locality(message: Option<&LocalityMessage>) -> Arc<Locality> {
    Arc::new(message.map_or_else(Locality::default, |message| Locality {
        region: message.region.as_str().into(),
        zone: message.zone.as_str().into(),
        sub_zone: message.sub_zone.as_str().into(),
    }))
}

impl LbEndpoint {
    fn socket_address(&self) -> Option<&SocketAddress> {
        match self.address()? {
            EndpointAddressKind::SocketAddress(address) => Some(address),
            EndpointAddressKind::Internal(_) | EndpointAddressKind::Pipe(_) => None,
        }
    }

    fn address(&self) -> Option<&EndpointAddressKind> {
        let HostIdentifier::Endpoint(endpoint) = self.host_identifier.as_ref()?;
        Some(&endpoint.address.as_ref()?.address)
    }

    fn spec(
        &self,
        priority: u32,
        locality: &Arc<Locality>,
        ctx: &mut Ctx,
    ) -> Result<Option<EndpointSpec>, Refused> {
        let (Some(address), Some(HostIdentifier::Endpoint(endpoint))) =
            (self.address(), &self.host_identifier)
        else {
            ctx.warning(self.span(), "an endpoint without address is never used");
            return Ok(None);
        };
        let (address, port, not_ip) = match address {
            EndpointAddressKind::SocketAddress(address) => {
                let PortSpecifier::Value(port) = address.port_specifier;
                let Ok(port) = u16::try_from(port) else {
                    ctx.error(address.span(), "a port is 65535 at most");
                    return Err(Refused);
                };
                (address.address.value.as_str().into(), port, None)
            }
            EndpointAddressKind::Internal(message) => {
                let ServerListener::Name(listener) = &message.address_name_specifier;
                let internal = InternalAddress {
                    listener: listener.as_str().into(),
                    endpoint_id: message.endpoint_id.as_str().into(),
                };
                let address = stand_in(&format!("{}/{}", internal.listener, internal.endpoint_id));
                (address, 0, Some(HostAddress::Internal(Arc::new(internal))))
            }
            EndpointAddressKind::Pipe(pipe) => {
                if let Some(fault) = pipe.fault() {
                    ctx.error(self.span(), format!("{fault}. {RESOLVER_ADVICE}"));
                    return Err(Refused);
                }
                let address = stand_in(&format!("pipe {}", pipe.path));
                let path = pipe.path.as_str().into();
                (address, 0, Some(HostAddress::Pipe(path)))
            }
        };
        if not_ip.is_some() {
            endpoint.check_not_ip(ctx)?;
        }
        Ok(Some(EndpointSpec {
            address,
            port,
            others: endpoint.others(ctx)?,
            not_ip: not_ip.map(Box::new),
            hostname: endpoint.hostname.as_str().into(),
            weight: self.load_balancing_weight.unwrap_or(1).max(1),
            priority,
            health: self.health_status.discovered(),
            locality: Arc::clone(locality),
            locality_weight: 0,
            metadata: self.metadata.as_ref().map(EndpointMetadata::read),
            locality_metadata: None,
            http_proxy: match &self.metadata {
                Some(metadata) => metadata.proxy_address(ctx)?,
                None => None,
            },
            check: match &endpoint.health_check_config {
                Some(config) => Some(Box::new(config.compile(ctx)?)),
                None => None,
            },
        }))
    }
}

impl Endpoint {
    /// What only endpoints at IP addresses may have.
    fn check_not_ip(&self, ctx: &mut Ctx) -> Result<(), Refused> {
        if let Some(config) = { self.health_check_config.as_ref() }.filter(|it| it.port_value != 0)
        {
            let text = "Invalid host configuration: non-zero port for non-IP address";
            ctx.error(config.span(), text);
            return Err(Refused);
        }
        match self.additional_addresses.first() {
            None => Ok(()),
            Some(first) => {
                let what = "another address of a host without an IP address";
                Err(ctx.unsupported_here(first.span(), what))
            }
        }
    }

    fn others(&self, ctx: &mut Ctx) -> Result<Box<[SocketAddr]>, Refused> {
        let mut others = Vec::with_capacity(self.additional_addresses.len());
        for additional in &self.additional_addresses {
            let Some(address) = &additional.address else {
                ctx.error(additional.span(), "Address must be set");
                return Err(Refused);
            };
            let AddressKind::SocketAddress(address) = &address.address;
            let PortSpecifier::Value(port) = address.port_specifier;
            let ip = address
                .ip()
                .map_err(|fault| no_address(address, &fault, ctx))?;
            let port = u16::try_from(port).unwrap_or(u16::MAX);
            others.push(SocketAddr::new(ip, port));
        }
        Ok(others.into())
    }
}

impl HealthCheckConfig {
    fn compile(&self, ctx: &mut Ctx) -> Result<EndpointCheck, Refused> {
        let address = match &self.address {
            None => None,
            Some(address) => {
                let AddressKind::SocketAddress(address) = &address.address;
                let PortSpecifier::Value(port) = &address.port_specifier;
                let ip = address.ip().map_err(|fault| {
                    ctx.error(address.address.span, fault);
                    Refused
                })?;
                Some(SocketAddr::new(
                    ip,
                    u16::try_from(*port).unwrap_or(u16::MAX),
                ))
            }
        };
        Ok(EndpointCheck {
            port: u16::try_from(self.port_value).unwrap_or(u16::MAX),
            hostname: self.hostname.as_str().into(),
            address,
            is_disabled: self.disable_active_health_check,
        })
    }
}

/// Whether endpoints of a cluster are addresses, not names.
fn is_address(cluster_type: ClusterType) -> bool {
    matches!(cluster_type, ClusterType::Static | ClusterType::Eds)
}

fn check_address(
    endpoint: &LbEndpoint,
    cluster_type: ClusterType,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let Some(socket) = endpoint.socket_address() else {
        let is_pipe = matches!(endpoint.address(), Some(EndpointAddressKind::Pipe(_)));
        if is_pipe && !is_address(cluster_type) {
            let what = "a unix domain socket in a cluster that resolves names";
            return Err(ctx.unsupported_here(endpoint.span(), what));
        }
        return Ok(());
    };
    let address = &socket.address;
    let resolving = match cluster_type {
        ClusterType::StrictDns => Some("STRICT_DNS"),
        ClusterType::LogicalDns => Some("LOGICAL_DNS"),
        _ => None,
    };
    if let Some(kind) = resolving.filter(|_| !socket.resolver_name.value.is_empty()) {
        let text = format!("{kind} clusters must NOT have a custom resolver name set");
        ctx.error(socket.resolver_name.span, text);
        return Err(Refused);
    }
    if let Some(fault) = socket.resolver_fault() {
        return Err(no_address(socket, &fault, ctx));
    }
    if address.value.contains("://") {
        let what = format!("the address `{}`", address.value);
        return Err(ctx.unsupported_here(address.span, what));
    }
    match socket.ip() {
        Err(fault) if is_address(cluster_type) => Err(no_address(socket, &fault, ctx)),
        _ => Ok(()),
    }
}

fn no_address(socket: &SocketAddress, fault: &str, ctx: &mut Ctx) -> Refused {
    let text = format!("{fault}. {RESOLVER_ADVICE}");
    ctx.error(socket.address.span, text).note(
        "a STATIC cluster takes addresses; for names set `type: STRICT_DNS` or `LOGICAL_DNS`",
    );
    Refused
}

impl HealthStatus {
    pub(super) fn discovered(self) -> DiscoveredHealth {
        match self {
            Self::Unknown => DiscoveredHealth::Unknown,
            Self::Healthy => DiscoveredHealth::Healthy,
            Self::Unhealthy => DiscoveredHealth::Unhealthy,
            Self::Draining => DiscoveredHealth::Draining,
            Self::Timeout => DiscoveredHealth::Timeout,
            Self::Degraded => DiscoveredHealth::Degraded,
        }
    }
}

impl ClusterLoadAssignment {
    /// How the health of priorities is reckoned.
    pub(super) fn level_options(&self) -> LevelOptions {
        let default = LevelOptions::default();
        self.policy.as_ref().map_or(default, |policy| LevelOptions {
            overprovisioning_factor_percent: policy
                .overprovisioning_factor
                .unwrap_or(default.overprovisioning_factor_percent),
            weighted_priority_health: policy.weighted_priority_health,
        })
    }

    /// What they are called in reports of load.
    pub(super) fn drop_category(&self) -> &str {
        let policy = self.policy.as_ref();
        let first = policy.and_then(|policy| policy.drop_overloads.first());
        first.map_or("", |first| &first.category)
    }

    /// Which requests are turned away; one category at most, as in Envoy.
    pub(super) fn drop_share(&self, ctx: &mut Ctx) -> Result<f64, Refused> {
        let overloads = self
            .policy
            .as_ref()
            .map(|policy| policy.drop_overloads.as_slice());
        let (first, more) = match overloads.unwrap_or_default() {
            [] => return Ok(0.0),
            [first, more @ ..] => (first, more),
        };
        let share = first.drop_percentage.as_ref().map_or(0.0, |percent| {
            let fraction = percent.share();
            f64::from(fraction.numerator) / f64::from(fraction.divisor)
        });
        let fault = if !more.is_empty() {
            let count = more.len() + 1;
            Some(format!(
                "Cluster drop_overloads config has {count} categories. Envoy only support one."
            ))
        } else if share > 1.0 {
            let fraction = first.drop_percentage.as_ref().map(FractionalPercent::share);
            let (numerator, divisor) =
                fraction.map_or((0, 100), |fraction| (fraction.numerator, fraction.divisor));
            Some(format!(
                "Cluster drop_overloads config is invalid. drop_ratio={share}(Numerator {numerator} / Denominator {divisor}). The valid range is 0~1."
            ))
        } else {
            None
        };
        if let Some(text) = fault {
            ctx.error(first.span(), text);
            return Err(Refused);
        }
        Ok(share)
    }
}
