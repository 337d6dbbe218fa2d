//! `global_downstream_max_connections`: the clients' connections as a share of those that there may be.
//!
//! The listeners refuse what is above (`listener/limits.rs`). Connections that several workers accept in the same
//! moment may be one too many each.

use super::Monitor;
use crate::live_connections;

pub(super) struct Connections {
    most: u64,
}

impl Connections {
    pub(super) fn new(most: u64) -> Self {
        Connections { most }
    }
}

impl Monitor for Connections {
    fn pressure(&mut self) -> Result<f64, String> {
        Ok(super::share(live_connections::watched(), self.most))
    }
}
