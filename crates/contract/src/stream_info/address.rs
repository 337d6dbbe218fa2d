//! The address of a peer or of a socket of our own, as logs and headers show it.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::FilterStateObject;

/// An address. Cheap to copy: the rare kinds are shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// IPv4 or IPv6 with a port.
    Ip(SocketAddr),
    /// A Unix domain socket's path; an abstract one begins with `@`.
    Pipe(Arc<str>),
    /// A listener inside the process.
    Internal(Arc<InternalAddress>),
}

/// The address of an internal listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InternalAddress {
    /// The listener's name.
    pub listener: Box<str>,
    /// The endpoint behind it; may be empty.
    pub endpoint_id: Box<str>,
}

impl Address {
    /// Who connects to internal listeners, as Envoy calls all of them.
    pub fn internal_client() -> Self {
        Address::Internal(Arc::new(InternalAddress {
            listener: "internal_client_address".into(),
            endpoint_id: "".into(),
        }))
    }

    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Ip(address) => Some(address.ip()),
            _ => None,
        }
    }

    /// The port, if it is an IP address.
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::Ip(address) => Some(address.port()),
            _ => None,
        }
    }
}

/// An address that a filter leaves for others.
impl FilterStateObject for Address {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn hash(&self) -> Option<u64> {
        let text = self.serialize_as_string()?;
        Some(crate::hash::xxh64(text.as_bytes(), 0))
    }

    fn serialize_as_string(&self) -> Option<String> {
        Some(match self {
            Address::Ip(address) => address.to_string(),
            Address::Pipe(path) => path.to_string(),
            Address::Internal(address) => {
                format!("envoy://{}/{}", address.listener, address.endpoint_id)
            }
        })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Ip(address)
    }
}
