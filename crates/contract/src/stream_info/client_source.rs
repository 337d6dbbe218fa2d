//! Connections to hosts that come from the client's own address (`original_src`): what a filter leaves in filter state
//! for those who open them.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};

use super::{Address, FilterStateObject, StreamInfo};

/// The name of the object. It is ours alone: no configuration means it.
const NAME: &str = "nuncio.client_source";

/// Where connections to hosts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientSource {
    /// The client's address.
    pub ip: IpAddr,
    /// The mark of the packets (`SO_MARK`); 0 for none.
    pub mark: u32,
}

impl ClientSource {
    /// That of a client with this address; none if it has none of IP.
    pub fn of(client: Option<&Address>, mark: u32) -> Option<Self> {
        let ip = client?.ip()?;
        Some(ClientSource { ip, mark })
    }

    /// The name and the object.
    pub fn into_object(self) -> (&'static str, Box<dyn FilterStateObject>) {
        (NAME, Box::new(self))
    }

    /// What a filter has left.
    #[inline]
    pub fn wanted(info: &StreamInfo) -> Option<Self> {
        if info.filter_state().is_none() && info.connection.filter_state.is_none() {
            return None;
        }
        info.object_as::<Self>(NAME).copied()
    }

    /// The address to bind to.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, 0)
    }
}

impl FilterStateObject for ClientSource {
    fn as_any(&self) -> &dyn Any {
        self
    }
}
