//! The overload manager (`overload_manager`): resources are looked at every so often, and what is short has the workers
//! shed load.
//!
//! The main thread asks the monitors (`monitor/`) each `refresh_interval` (1 s by default), lets triggers say how far
//! each action and load shed point goes (`trigger.rs`), and stores that where workers read it
//! (`nuncio_contract::overload`); they are told where it changes what they wait for. Stats are Envoy's.
//!
//! Differs from Envoy: `shrink_heap` gives back what workers keep for later, and leaves the rest to the allocator,
//! which gives free memory back by itself; `close_idle_http_connections` closes all that are idle for so long, not 5 or
//! 50 of a worker at a time. A load shed point that nobody asks for is warned of.

mod compile;
mod config;
mod manager;
mod monitor;
mod trigger;

pub(crate) use compile::OverloadConfig;
pub(crate) use config::OverloadManager as OverloadMessage;
pub(crate) use manager::{Order, OverloadManager};

use nuncio_config::typed::{FromValue, SupportTable};

/// What is honoured of messages that stand in others as any.
pub(crate) fn support(table: &mut SupportTable) {
    config::ScaleTimers::support(table);
    config::ShrinkHeap::support(table);
    monitor::support(table);
}
