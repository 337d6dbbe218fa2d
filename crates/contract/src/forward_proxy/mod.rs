//! What a filter sees of a cluster whose hosts are whatever names requests ask for (`dynamic_forward_proxy`), and the
//! configuration of the cache of names that the filter and the cluster both have.

mod message;

use std::any::Any;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

pub use message::{DnsCacheConfig, DnsCacheSettings, NameFamily};

/// A place among the requests that may wait for names; given back when dropped.
pub type NamePermit = Box<dyn Any>;

/// What is known of a name: an address, or in Envoy's words why there is none.
pub type Resolved = Result<SocketAddr, Arc<str>>;

/// What comes of looking a name up.
pub enum LookUp {
    /// It was resolved before.
    Known(Resolved),
    /// It is being resolved.
    Later(Pin<Box<dyn Future<Output = Resolved>>>),
    /// The cache is full.
    Full,
}

/// A cluster whose hosts are whatever names requests ask for.
pub trait ForwardProxy {
    /// A place among the requests that may wait for names; none if there are too many.
    fn admit(&self) -> Option<NamePermit>;

    /// Looks up the host of an authority; without a port it is that of the cluster's scheme.
    fn look_up(&self, authority: &[u8]) -> LookUp;
}
