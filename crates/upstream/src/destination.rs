//! The host that a request asks for, where clusters choose by that.

use std::net::SocketAddr;

use crate::forward_proxy::Asked;

/// The host that a request asks for.
#[derive(Clone, Debug)]
pub enum Destination {
    /// By name.
    Name(Asked),
    /// By address.
    Address(SocketAddr),
}
