//! What is told of a host that is ejected or comes back.

use std::time::Duration;

use nuncio_contract::stream_info::Address;

/// Why a host is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of Envoy's detectors")]
pub enum Cause {
    Consecutive5xx,
    ConsecutiveGatewayFailure,
    ConsecutiveLocalOriginFailure,
    SuccessRate,
    LocalOriginSuccessRate,
    FailurePercentage,
    LocalOriginFailurePercentage,
    Degraded,
}

/// Rates of successes in per cent; below 0 where there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// The host's.
    pub host: f64,
    /// The average of the cluster's hosts.
    pub average: f64,
    /// Whoever is below it stands out.
    pub threshold: f64,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// The host is ejected, or would be if that were enforced.
    Ejected {
        /// Why.
        cause: Cause,
        /// Whether it is.
        is_enforced: bool,
        /// By which rates, if the cause has to do with them.
        rates: Rates,
    },
    /// The host is back.
    Unejected,
}

/// One thing that happened to a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The host.
    pub address: Address,
    /// How often it has been ejected so far.
    pub ejections: u32,
    /// Since the opposite last happened to it, if it did.
    pub since: Option<Duration>,
    /// What.
    pub what: What,
}
