//! Retry policies of routes, virtual hosts and clusters: what is tried again, how often, where and after which time.
//!
//! Defaults are Envoy's: one retry, back-off from 25 ms to ten times of that with full jitter, no host avoided.
//! There are no `retry_options_predicates`.

mod back_off;
mod conditions;
mod config;
mod hosts;
mod priorities;
mod reset_header;
#[cfg(test)]
mod tests;

use std::time::Duration;

use nuncio_contract::matching::CompiledHeaderMatcher;

pub use back_off::{BackOff, after_at_least};
pub use conditions::{RetryOn, numbers_of, tokens};
pub use config::{RetryPolicyMessage, support};
pub use hosts::HostPredicate;
pub use priorities::PriorityAttempts;
pub use reset_header::ResetHeader;

/// A compiled retry policy.
#[derive(Debug)]
pub struct RetryPolicy {
    /// What is tried again.
    pub retry_on: RetryOn,
    /// How often, the first try not counted (1).
    pub num_retries: u32,
    /// The time for each try; `None`: that of the whole response.
    pub per_try_timeout: Option<Duration>,
    /// The time that a try may stand still.
    pub per_try_idle_timeout: Option<Duration>,
    /// Hosts that a retry would rather not go to.
    pub host_predicates: Box<[HostPredicate]>,
    /// How often another host is picked instead of such a one (1).
    pub host_selection_retries: u32,
    /// After how many tries priorities that were tried are left out; none for never.
    pub leaves_priorities_after: Option<usize>,
    /// Statuses of `retriable-status-codes`.
    pub retriable_status_codes: Box<[u32]>,
    /// Headers of `retriable-headers`.
    pub retriable_headers: Box<[CompiledHeaderMatcher]>,
    /// Only requests with one of these are tried again; none: all.
    pub retriable_request_headers: Box<[CompiledHeaderMatcher]>,
    /// Whether the cluster is chosen again for each try.
    pub refreshes_cluster: bool,
    /// The shortest time between tries (25 ms); `None`: as runtime or the default have it.
    pub back_off_base: Option<Duration>,
    /// The longest (ten times the shortest).
    pub back_off_max: Option<Duration>,
    /// Headers of responses that say when to come again, the first that does counts.
    pub reset_headers: Box<[ResetHeader]>,
    /// The longest time that such a header may ask for (300 s).
    pub reset_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retry_on: RetryOn::NOTHING,
            num_retries: 1,
            per_try_timeout: None,
            per_try_idle_timeout: None,
            host_predicates: Box::default(),
            host_selection_retries: 1,
            leaves_priorities_after: None,
            retriable_status_codes: Box::default(),
            retriable_headers: Box::default(),
            retriable_request_headers: Box::default(),
            refreshes_cluster: false,
            back_off_base: None,
            back_off_max: None,
            reset_headers: Box::default(),
            reset_max: Duration::from_secs(300),
        }
    }
}
