//! Clusters whose hosts are whatever names requests ask for (`envoy.clusters.dynamic_forward_proxy`).
//!
//! The names of several clusters and of the HTTP filter are in one cache ([`DnsCache`]). Workers look names up in a
//! table under a lock that they take for reading; what is not there they ask the main thread for, which resolves each
//! name as long as it is used ([`resolving`]), makes a host of it for each cluster, and then answers. Whose filter
//! does not ask first asks while the host is chosen, so that a host rewritten by a route is resolved as well.
//!
//! Limits: `max_hosts` names (1024), `max_pending_requests` that wait (1024), names of 255 bytes. Trust: clients choose
//! where connections go, and so whether this proxy can reach its own networks for them.
//!
//! Different from Envoy: an address that changes makes another host, as with LOGICAL_DNS; retries after failures have
//! no jitter; of several addresses the first alone is tried; a filter uses the cache of its route's cluster. Not there:
//! `sub_clusters_config`, coalesced connections.

mod cache;
mod resolving;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(crate) use cache::DnsCaches;
pub use cache::{DnsCache, WantedCaches};
use nuncio_contract::forward_proxy::{ForwardProxy, NamePermit};
pub use nuncio_contract::forward_proxy::{LookUp, Resolved};
pub use resolving::begin_wanted;
pub(crate) use resolving::{NameFollower, begin};

/// A host and port that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Both, as the host is known by: `a.example:80`.
    pub key: Box<str>,
    /// What is resolved.
    pub(crate) name: Box<str>,
    pub(crate) port: u16,
}

impl Asked {
    /// The host of an authority; `default_port` where it has none. None if there is nothing to ask for.
    pub fn of(authority: &[u8], default_port: u16) -> Option<Self> {
        let authority = std::str::from_utf8(authority).ok()?;
        if authority.is_empty() {
            return None;
        }
        let with_port = authority.rsplit_once(':').and_then(|(host, port)| {
            let is_address = host.contains(':') && !host.ends_with(']');
            let port = port.parse().ok().filter(|_| !is_address)?;
            Some((host, port))
        });
        let (key, host, port) = match with_port {
            Some((host, port)) => (authority.into(), host, port),
            None => {
                let key = format!("{authority}:{default_port}").into_boxed_str();
                (key, authority, default_port)
            }
        };
        let inside = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .filter(|inside| inside.parse::<IpAddr>().is_ok());
        Some(Asked {
            key,
            name: inside.unwrap_or(host).into(),
            port,
        })
    }
}

/// A cluster as filters see it.
pub struct NamesOf {
    cache: Arc<DnsCache>,
    default_port: u16,
}

impl NamesOf {
    /// A cluster whose names are in this cache.
    pub fn new(cache: Arc<DnsCache>, default_port: u16) -> Self {
        Self {
            cache,
            default_port,
        }
    }
}

impl NamesOf {
    /// The address of a host, once it is known. None if it has none, or if too many are asked for.
    pub async fn address(&self, authority: &[u8]) -> Option<SocketAddr> {
        let asked = Asked::of(authority, self.default_port)?;
        let _place = cache::Permit::take(&self.cache)?;
        let resolved = match self.cache.look_up(&asked) {
            LookUp::Known(resolved) => resolved,
            LookUp::Later(resolved) => resolved.await,
            LookUp::Full => return None,
        };
        self.cache.touch(&asked.key);
        resolved.ok()
    }
}

impl ForwardProxy for NamesOf {
    fn admit(&self) -> Option<NamePermit> {
        let place = cache::Permit::take(&self.cache)?;
        Some(Box::new(place))
    }

    fn look_up(&self, authority: &[u8]) -> LookUp {
        match Asked::of(authority, self.default_port) {
            Some(asked) => self.cache.look_up(&asked),
            None => LookUp::Known(Err("no_host".into())),
        }
    }
}
