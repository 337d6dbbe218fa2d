//! What a filter has of its own at a level of the route table: the route configuration, a virtual host, a route, a
//! weighted cluster.

use std::any::Any;
use std::fmt;

use crate::stats::Scope;

/// A filter's configuration at a level of the route table; the filter knows its type.
pub trait LevelConfig: Any + Send + Sync {
    /// Lists the counters that the level has of its own, if any; they stay as long as the scope.
    fn register(&self, _root: &Scope) -> Option<Scope> {
        None
    }
}

impl fmt::Debug for dyn LevelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LevelConfig")
    }
}
