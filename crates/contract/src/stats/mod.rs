//! Statistics: counters, gauges, histograms and text readouts under Envoy's names.
//!
//! Request code writes cells that its own worker owns, one add at a fixed offset: no look-up by name, no
//! lock, no cache line shared with another core. The store sums the workers' cells when the admin or a sink
//! asks.
//!
//! ```
//! use nuncio_contract::stats::StatsStore;
//!
//! nuncio_contract::stat_group! {
//!     /// An example.
//!     pub struct DoorStats("") { counters { opened } gauges { people_inside } }
//! }
//!
//! let store = StatsStore::default();
//! let scope = store.scope("door.front"); // at configuration load, on the main thread
//! scope.register::<DoorStats>();         // lists door.front.opened: 0
//! let stats = scope.worker_group::<DoorStats>(); // on each worker, at first use
//! stats.opened.inc();
//! ```
//!
//! How a stat gets listed, as in Envoy:
//! - what a configured object always has: [`Scope::register`] at load;
//! - what appears with its first event (`upstream_rq_time`, `http1.*` of a cluster): no registration, the
//!   worker asks for its group when the event comes;
//! - `upstream_rq_<code>`: [`Scope::worker_codes`];
//! - names known at run time only: [`Scope::counter`] and its siblings; keep the handle.
//!
//! Keep the [`Scope`] (or cells of it) as long as the object lives: its stats leave the list with the last
//! of them. The root scope stays.

mod bins;
mod cells;
mod codes;
pub mod config;
mod entry;
mod group;
pub mod groups;
mod histogram;
mod import;
mod merged;
mod samples;
mod sanitize;
mod scope;
mod singles;
mod sparse;
mod store;
pub mod tags;
#[cfg(test)]
mod tests;
mod view;

pub use cells::{Counter, Gauge, TextReadout, WideGauge};
pub use codes::{CodeCounters, Completed};
pub use config::{HistogramBuckets, Selection, StatsSettings};
pub use group::{CellRef, Cells, GroupTable, StatGroup, StatKind};
pub use histogram::{Histogram, Unit};
pub use import::Import;
pub use merged::{Bin, Bins, DEFAULT_BUCKETS, MergedHistogram, QUANTILES};
pub use samples::Sample;
pub use sanitize::sanitize;
pub use scope::{OwnTags, Scope};
pub use store::{Flush, StatsStore};
pub use view::{StatName, StatValue, StatView};
