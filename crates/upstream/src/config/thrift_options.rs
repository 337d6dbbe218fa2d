//! `envoy.filters.network.thrift_proxy` among a cluster's protocol options: what is spoken to its hosts.
//!
//! Left out, and so refused: Twitter's protocol, which Envoy refuses by default as well.

use nuncio_codec::thrift::{Protocol, Transport};
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{enumeration, message};

use crate::cluster::ThriftOptions;

/// The key of the options.
pub(super) const KEY: &str = "envoy.filters.network.thrift_proxy";

message! {
    /// The options.
    pub(crate) struct ThriftProtocolOptions: "envoy.extensions.filters.network.thrift_proxy.v3.ThriftProtocolOptions" {
        transport: TransportType,
        protocol: ProtocolType,
    }
}

enumeration! {
    /// How messages are told from each other.
    pub enum TransportType: "envoy.extensions.filters.network.thrift_proxy.v3.TransportType" {
        AUTO_TRANSPORT => Auto,
        FRAMED => Framed,
        UNFRAMED => Unframed,
        HEADER => Header,
    }
}

enumeration! {
    /// How values are written.
    pub enum ProtocolType: "envoy.extensions.filters.network.thrift_proxy.v3.ProtocolType" {
        AUTO_PROTOCOL => Auto,
        BINARY => Binary,
        LAX_BINARY => LaxBinary,
        COMPACT => Compact,
    }
}

impl TransportType {
    /// None: it is found out.
    pub fn known(self) -> Option<Transport> {
        match self {
            TransportType::Auto => None,
            TransportType::Framed => Some(Transport::Framed),
            TransportType::Unframed => Some(Transport::Unframed),
            TransportType::Header => Some(Transport::Header),
        }
    }
}

impl ProtocolType {
    /// None: it is found out.
    pub fn known(self) -> Option<Protocol> {
        match self {
            ProtocolType::Auto => None,
            ProtocolType::Binary => Some(Protocol::Binary),
            ProtocolType::LaxBinary => Some(Protocol::LaxBinary),
            ProtocolType::Compact => Some(Protocol::Compact),
        }
    }
}

/// What is in it.
pub(super) fn read(any: &Any, ctx: &mut Ctx) -> Result<ThriftOptions, Refused> {
    let message: ThriftProtocolOptions = any.decode(ctx)?;
    Ok(ThriftOptions {
        transport: message.transport.known(),
        protocol: message.protocol.known(),
    })
}
