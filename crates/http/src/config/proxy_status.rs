//! The message of `proxy-status` headers.

use nuncio_config::{message, one_of};

message! {
    /// How the header is made.
    pub struct ProxyStatusConfig:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig" {
        pub(crate) remove_details: bool,
        pub(crate) remove_connection_termination_details: bool,
        pub(crate) remove_response_flags: bool,
        pub(crate) set_recommended_response_code: bool,
        pub(crate) oneof proxy_name: Option<ProxyName>,
    }
}

one_of! {
    /// What the proxy calls itself; by default as in the `server` header.
    pub enum ProxyName {
        use_node_id => NodeId(bool),
        literal_proxy_name => Literal(String),
    }
}
