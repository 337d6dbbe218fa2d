//! `envoy.filters.network.sni_dynamic_forward_proxy`: connections go to the host that the client named in its TLS
//! hello (SNI), at the port of the configuration.
//!
//! The TCP proxy behind it is to lead to a `dynamic_forward_proxy` cluster, whose hosts are chosen by that name. The
//! port is left for it (443 where the configuration says none); the name is resolved while the host is chosen. Limits:
//! those of the cluster's cache of names. Trust: the client chooses where connections go. Different from Envoy: it is
//! the cluster's cache that is asked, whatever the filter names; a name that is one too many ends the connection as one
//! without a host. Envoy's documentation: network filters, SNI dynamic forward proxy.

mod filter;

use std::sync::Arc;

use nuncio_config::typed::FromValue;
use nuncio_config::{message, one_of};
use nuncio_contract::forward_proxy::DnsCacheConfig;
use nuncio_contract::registry::NetworkFilterRoom;

const DEFAULT_PORT: u32 = 443;

message! {
    /// The filter's config.
    struct FilterConfig: "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig" {
        dns_cache_config: DnsCacheConfig,
        oneof port_specifier: Option<Port>,
    }
}

one_of! {
    /// The port of the host.
    enum Port {
        port_value => Value(u32),
    }
}

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.sni_dynamic_forward_proxy",
    message: "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig",
    parse: |any, ctx| {
        let message: FilterConfig = any.decode(ctx)?;
        message.dns_cache_config.compile(ctx)?;
        let port = match message.port_specifier {
            Some(Port::Value(port)) => port,
            None => DEFAULT_PORT,
        };
        Ok(Arc::new(filter::Asking { port }))
    },
    support: |table| FilterConfig::support(table),
};
