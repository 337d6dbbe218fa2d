//! The filter engine: runs a stream's filters over headers, data and trailers, both ways.
//!
//! One implementation serves both directions; [`Way`] says which. Filters run in the order of the config on
//! the way up and in the reverse order on the way down. Where a filter stops, its headers and body stay here,
//! body bytes in one buffer a direction, bounded by the connection's buffer limit (1 MiB by default): above
//! it a request is answered with 413 and a response with 500, as Envoy does.

mod chain;
mod run;

pub use chain::{FilterChain, FilterSlot};
pub use run::{Flow, RouteView, Run, takes_part};

/// The direction of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Requests, on their way up.
    Decode,
    /// Responses, on their way down.
    Encode,
}
