//! Which servers are asked for names, and how: `typed_dns_resolver_config` and the fields that came before it.
//!
//! Resolvers are `envoy.network.dns_resolver.cares` (the default; answered by a library of our own choice, with the
//! defaults of Envoy's) and `envoy.network.dns_resolver.getaddrinfo`. Not there, and so refused:
//! `envoy.network.dns_resolver.hickory` and `.apple`, `filter_unroutable_families`.

mod message;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use message::{
    DnsResolutionConfig, DnsResolverExtension, ResolverAddress, ResolverFields, support,
};

/// A resolver, checked, with Envoy's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResolverSettings {
    /// Servers are asked.
    Servers(ServerSettings),
    /// The system's `getaddrinfo` is asked.
    System {
        /// How often it is asked again that fails for now; none for as often as it takes.
        tries: Option<u32>,
    },
}

/// Servers, and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerSettings {
    /// The servers; none for those of the system.
    pub servers: Vec<SocketAddr>,
    /// Whether the servers are for systems that name none.
    pub are_fallback: bool,
    /// Whether they are asked by TCP alone.
    pub tcp_only: bool,
    /// Whether names are taken as they are, without the system's domains behind them.
    pub no_search: bool,
    /// Time for an answer (5 s).
    pub timeout: Duration,
    /// How often they are asked (4).
    pub tries: u32,
    /// Whether they take turns.
    pub rotate: bool,
    /// The longest answer by UDP in bytes, told to servers; none to tell nothing.
    pub edns0_max_payload_bytes: Option<u16>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            servers: Vec::new(),
            are_fallback: false,
            tcp_only: false,
            no_search: false,
            timeout: Duration::from_secs(5),
            tries: 4,
            rotate: false,
            edns0_max_payload_bytes: None,
        }
    }
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self::Servers(ServerSettings::default())
    }
}

/// A resolver's settings; none for the process's.
pub type ChosenResolver = Option<Arc<ResolverSettings>>;
