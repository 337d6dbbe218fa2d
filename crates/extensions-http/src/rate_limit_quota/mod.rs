//! `envoy.filters.http.rate_limit_quota`: sorts requests into buckets, tells a service how much of them is used, and
//! limits them as it says.
//!
//! The first request of a bucket makes it: the service is told of it at once, and of the usage of all buckets every
//! 5 s, whatever `reporting_interval` says; a stream that ended begins anew with such a report. Until the service
//! has said something, and once what it said has expired, the configuration decides (`bucket.rs`). As in Envoy all
//! filters of one service and domain share their buckets, times to live count in whole seconds, one that is not there
//! is 0, and requests per unit of time limit nothing.
//!
//! Limits, which Envoy does not have: 16384 buckets with names of 4 KiB each and 8 MiB together for a service and
//! domain. Requests of others share a bucket for each action, which nobody is told of and `no_assignment_behavior`
//! limits; with the next report those go to which nothing is assigned and that were not used since the last one.
//! Responses of 1 MiB. A report goes on in another one after 1 MiB; there is none while 16 MiB wait, and the
//! stream begins anew if nothing of them goes for two intervals. Trust: the service is trusted with values of requests, and to limit them.
//!
//! Other differences: buckets of tokens as `no_assignment_behavior` work (Envoy 1.40 crashes), and fill in parts of
//! seconds too. What is the same: a level of the routes cannot have a configuration, and an action with
//! `keep_matching` is a preview whose bucket refuses nevertheless, once it is known.

mod bucket;
mod config;
mod filter;
mod messages;
mod reporting;
mod service;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.rate_limit_quota",
    message: "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig",
    parse: config::parse,
    per_route: None,
    support: |table| {
        messages::RateLimitQuotaFilterConfig::support(table);
        messages::RateLimitQuotaBucketSettings::support(table);
    },
};
