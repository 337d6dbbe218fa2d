//! The messages of the three sinks.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::stat_sink::{SinkCluster, SinkServices, StatSink, StatSinkConfig};

use super::line::{Lines, Tags};
use super::sink::{Datagrams, Stream};
use super::udp::{Collector, Datagram};

/// What stands before names unless a prefix is given.
const DEFAULT_PREFIX: &str = "envoy";

message! {
    /// Statsd.
    pub(crate) struct StatsdSink: "envoy.config.metrics.v3.StatsdSink" {
        pub(crate) oneof statsd_specifier: StatsdSpecifier,
        pub(crate) prefix: String,
        pub(crate) scale_histogram_units_to_milliseconds: bool,
    }
}

one_of! {
    /// Where statsd is.
    pub(crate) enum StatsdSpecifier {
        address => Address(Address),
        tcp_cluster_name => TcpClusterName(Spanned<String>),
    }
}

message! {
    /// DogStatsD.
    pub(crate) struct DogStatsdSink: "envoy.config.metrics.v3.DogStatsdSink" {
        pub(crate) oneof dog_statsd_specifier: UdpSpecifier,
        pub(crate) prefix: String,
        pub(crate) scale_histogram_units_to_milliseconds: bool,
        pub(crate) max_bytes_per_datagram: Option<u64>,
    }
}

message! {
    /// Graphite.
    pub(crate) struct GraphiteStatsdSink: "envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink" {
        pub(crate) oneof statsd_specifier: UdpSpecifier,
        pub(crate) prefix: String,
        pub(crate) scale_histogram_units_to_milliseconds: bool,
        pub(crate) max_bytes_per_datagram: Option<u64>,
    }
}

one_of! {
    /// Where the collector is.
    pub(crate) enum UdpSpecifier {
        address => Address(Address),
    }
}

message! {
    /// An address.
    pub(crate) struct Address: "envoy.config.core.v3.Address" {
        pub(crate) oneof address: AddressKind,
    }
}

one_of! {
    /// The kinds of address.
    pub(crate) enum AddressKind {
        socket_address => Socket(SocketAddress),
        pipe => Pipe(Pipe),
    }
}

message! {
    /// An IP address and a port.
    pub(crate) struct SocketAddress: "envoy.config.core.v3.SocketAddress" {
        checked protocol: SocketProtocol = "datagrams are sent whatever it says, as in Envoy",
        pub(crate) address: Spanned<String>,
        pub(crate) oneof port_specifier: PortSpecifier,
    }
}

enumeration! {
    /// The transport.
    pub(crate) enum SocketProtocol: "envoy.config.core.v3.SocketAddress.Protocol" {
        TCP => Tcp,
        UDP => Udp,
    }
}

one_of! {
    /// The port.
    pub(crate) enum PortSpecifier {
        port_value => Value(u32),
    }
}

message! {
    /// A unix domain socket.
    pub(crate) struct Pipe: "envoy.config.core.v3.Pipe" {
        pub(crate) path: Spanned<String>,
    }
}

/// Parses statsd's message.
pub(crate) fn parse_statsd(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn StatSinkConfig>, Refused> {
    let message: StatsdSink = any.decode(ctx)?;
    let prefix = prefix(&message.prefix);
    match &message.statsd_specifier {
        StatsdSpecifier::Address(address) => Ok(Arc::new(UdpConfig {
            collector: collector(address, ctx)?,
            prefix,
            tags: None,
            max_bytes: 0,
            scales_units: message.scale_histogram_units_to_milliseconds,
        })),
        StatsdSpecifier::TcpClusterName(cluster) => Ok(Arc::new(TcpConfig {
            cluster: cluster.value.clone(),
            span: cluster.span,
            prefix,
            scales_units: message.scale_histogram_units_to_milliseconds,
        })),
    }
}

/// Parses DogStatsD's message.
pub(crate) fn parse_dog_statsd(
    any: &Any,
    ctx: &mut Ctx,
) -> Result<Arc<dyn StatSinkConfig>, Refused> {
    let message: DogStatsdSink = any.decode(ctx)?;
    let UdpSpecifier::Address(address) = &message.dog_statsd_specifier;
    Ok(Arc::new(UdpConfig {
        collector: collector(address, ctx)?,
        prefix: prefix(&message.prefix),
        tags: Some(Tags::AfterValue),
        max_bytes: bytes(message.max_bytes_per_datagram),
        scales_units: message.scale_histogram_units_to_milliseconds,
    }))
}

/// Parses Graphite's message.
pub(crate) fn parse_graphite_statsd(
    any: &Any,
    ctx: &mut Ctx,
) -> Result<Arc<dyn StatSinkConfig>, Refused> {
    let message: GraphiteStatsdSink = any.decode(ctx)?;
    let UdpSpecifier::Address(address) = &message.statsd_specifier;
    Ok(Arc::new(UdpConfig {
        collector: collector(address, ctx)?,
        prefix: prefix(&message.prefix),
        tags: Some(Tags::AfterName),
        max_bytes: bytes(message.max_bytes_per_datagram),
        scales_units: message.scale_histogram_units_to_milliseconds,
    }))
}

fn prefix(written: &str) -> String {
    match written {
        "" => DEFAULT_PREFIX.to_owned(),
        written => written.to_owned(),
    }
}

/// A datagram holds 64 KiB at most; a limit beyond is as good as none.
fn bytes(limit: Option<u64>) -> usize {
    let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    limit.unwrap_or(0)
}

fn collector(address: &Address, ctx: &mut Ctx) -> Result<Collector, Refused> {
    let socket = match &address.address {
        AddressKind::Pipe(pipe) => {
            return Ok(Collector::Path(PathBuf::from(&pipe.path.value)));
        }
        AddressKind::Socket(socket) => socket,
    };
    let PortSpecifier::Value(port) = &socket.port_specifier;
    match (socket.address.value.parse::<IpAddr>(), u16::try_from(*port)) {
        (Ok(ip), Ok(port)) => Ok(Collector::Ip(SocketAddr::new(ip, port))),
        _ => {
            let text = format!("malformed IP address: {}", socket.address.value);
            ctx.error(socket.address.span, text)
                .suggest("a sink takes an IP address, not a name");
            Err(Refused)
        }
    }
}

struct UdpConfig {
    collector: Collector,
    prefix: String,
    tags: Option<Tags>,
    max_bytes: usize,
    scales_units: bool,
}

impl StatSinkConfig for UdpConfig {
    fn wants_samples(&self) -> bool {
        true
    }

    fn open(&self, services: &SinkServices<'_>) -> Result<Box<dyn StatSink>, String> {
        let tags = self.tags.map(|tags| (tags, services.tags.clone()));
        let socket = Datagram::open(&self.collector).map_err(|error| error.to_string())?;
        let mut lines = Lines::new(&self.prefix, tags);
        lines.scales_units = self.scales_units;
        Ok(Box::new(Datagrams::new(lines, socket, self.max_bytes)))
    }
}

struct TcpConfig {
    cluster: String,
    span: Span,
    prefix: String,
    scales_units: bool,
}

impl StatSinkConfig for TcpConfig {
    fn cluster(&self) -> Option<SinkCluster<'_>> {
        Some(SinkCluster {
            name: &self.cluster,
            span: self.span,
            error: format!("tcp statsd: unknown cluster '{}'", self.cluster),
        })
    }

    fn wants_samples(&self) -> bool {
        true
    }

    fn open(&self, services: &SinkServices<'_>) -> Result<Box<dyn StatSink>, String> {
        let bytes = (services.bytes_to)(&self.cluster);
        let mut lines = Lines::new(&self.prefix, None);
        lines.scales_units = self.scales_units;
        Ok(Box::new(Stream::new(lines, bytes)))
    }
}
