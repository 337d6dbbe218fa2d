//! Listener filters: what they find out chooses a connection's filter chain.

pub mod http_inspector;
pub mod local_ratelimit;
pub mod original_dst;
pub mod original_src;
pub mod proxy_protocol;
pub mod set_filter_state;
pub mod tls_inspector;
