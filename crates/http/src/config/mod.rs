//! The messages that the connection manager and its routes read: declared here once, so that what is honoured
//! can be listed, and what is set but not listed is refused.

pub mod connection_manager;
mod defaults;
pub mod route;

pub use defaults::DEFAULTS;
