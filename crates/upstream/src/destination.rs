//! The host that a request asks for, where clusters choose by that.

use crate::forward_proxy::Asked;

/// The host that a request asks for.
#[derive(Clone, Debug)]
pub enum Destination {
    /// By name.
    Name(Asked),
}
