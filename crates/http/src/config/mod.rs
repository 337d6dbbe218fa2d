//! The messages that the connection manager, its routes and the router read: declared here once, so that what
//! is honoured can be listed, and what is set but not listed is refused.

pub mod connection_manager;
mod defaults;
pub mod local_reply;
pub mod original_address;
pub mod proxy_status;
pub mod resilience;
pub mod route;
pub mod router;
pub mod scoped_routes;
pub mod tracing;

pub use defaults::DEFAULTS;
