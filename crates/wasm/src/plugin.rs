//! A plugin, compiled: what its VMs and streams need to know of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::base::Base;
use crate::key::Key;

/// What becomes of streams whose plugin failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Closed,
    Open,
    Reload(Duration),
}

/// A plugin.
pub(crate) struct Plugin {
    pub(crate) name: Box<str>,
    pub(crate) root_id: Box<str>,
    pub(crate) key: Key,
    pub(crate) configuration: Box<[u8]>,
    /// Streams go on where the plugin fails under way.
    pub(crate) fails_open: bool,
    /// A head may be held while the body comes.
    pub(crate) holds_heads: bool,
    pub(crate) base: Arc<Base>,
    /// Whether the VMs that it was tried with are counted.
    pub(crate) is_counted: AtomicBool,
}
