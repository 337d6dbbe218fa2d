//! Metadata of endpoints: that of load balancing, filters and logs, and the address of the HTTP proxy through which
//! an endpoint is reached, which is the only typed metadata that anything looks at: Envoy gives the rest to
//! extensions that are compiled in, of which none that is here reads it.

use std::net::SocketAddr;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::metadata_message::struct_of;
use nuncio_contract::stream_info::metadata::Metadata;

use super::endpoints::{Address, AddressKind, PortSpecifier};

const PROXY_ADDRESS: &str = "envoy.http11_proxy_transport_socket.proxy_address";
const ADDRESS_TYPE: &str = "envoy.config.core.v3.Address";

message! {
    /// Metadata of an endpoint.
    pub(crate) struct EndpointMetadata: "envoy.config.core.v3.Metadata" {
        filter_metadata: Vec<(String, Arc<Json>)>,
        typed_filter_metadata: Vec<(String, Any)>,
    }
}

impl EndpointMetadata {
    /// What is for filters. Empty metadata is not the same as none to who chooses transport sockets.
    pub(super) fn read(&self) -> Arc<Metadata> {
        let mut metadata = Metadata::default();
        for (namespace, fields) in &self.filter_metadata {
            metadata.merge(namespace, struct_of(fields));
        }
        Arc::new(metadata)
    }

    /// The address of the proxy through which the endpoint is reached.
    pub(super) fn proxy_address(&self, ctx: &mut Ctx) -> Result<Option<Box<SocketAddr>>, Refused> {
        let mut found = None;
        for (name, any) in &self.typed_filter_metadata {
            // As in Envoy, what is no address names no proxy.
            if name == PROXY_ADDRESS && any.type_name() == ADDRESS_TYPE {
                let address: Address = any.decode(ctx)?;
                found = Some(Box::new(ip_of(&address, ctx)?));
            }
        }
        Ok(found)
    }
}

/// An address that is of IP, as those of proxies are.
pub(super) fn ip_of(address: &Address, ctx: &mut Ctx) -> Result<SocketAddr, Refused> {
    let AddressKind::SocketAddress(address) = &address.address;
    let PortSpecifier::Value(port) = &address.port_specifier;
    match (address.ip(), u16::try_from(*port)) {
        (Ok(ip), Ok(port)) => Ok(SocketAddr::new(ip, port)),
        (Err(fault), _) => {
            ctx.error(address.address.span, fault);
            Err(Refused)
        }
        _ => {
            let text = format!("malformed IP address: {}", address.address.value);
            ctx.error(address.address.span, text);
            Err(Refused)
        }
    }
}
