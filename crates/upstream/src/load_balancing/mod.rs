//! Choosing a host: per worker, no locks, and no allocation but for a list of fallbacks of a request's metadata.
//!
//! What depends on the hosts alone is made off the workers and published with them ([`Snapshot`]); what takes turns is
//! each worker's own ([`Balancer`]). Plain round robin over one place does not come here: see
//! [`worker`](crate::worker).

mod balancer;
mod context;
mod earliest_deadline;
mod hashing;
mod least_request;
mod level;
mod level_set;
mod locality_schedule;
mod picker;
mod priority_load;
mod round_robin;
mod settings;
mod slow_start;
mod source;
mod subset;
#[cfg(test)]
mod tests;
mod zone_aware;

pub(crate) use balancer::Balancer;
pub use context::PickContext;
pub(crate) use context::{Around, Random};
pub(crate) use hashing::Evenness;
pub use hashing::hash_of_key;
pub(crate) use level_set::Snapshot;
pub use priority_load::PriorityLoad;
pub(crate) use round_robin::RoundRobin;
pub(crate) use settings::{
    ConsistentHashing, LeastRequest, LocalityBalancing, Maglev, RingHash, RuntimeDouble, SlowStart,
    ZoneAware, ZoneKeys,
};
pub use settings::{LbPolicy, LbSettings};
pub(crate) use subset::{Selector, SelectorFallback, SubsetFallback, SubsetSettings};
pub(crate) use zone_aware::LocalProxies;
