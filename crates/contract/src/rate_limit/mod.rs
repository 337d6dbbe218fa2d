//! Rate limit descriptors: what requests are counted by. Routes, virtual hosts and filters say of which parts a
//! descriptor is made (`envoy.config.route.v3.RateLimit`); a limit is kept for each descriptor.
//!
//! Follows Envoy: a descriptor whose parts are not all there is none. `stage` and `disable_key` are those of routes and
//! virtual hosts, `hits_addend` is that of filters; the other's are refused in filters and, as in Envoy, without effect
//! in routes. Values are texts as they are unless runtime says so in Envoy; that name in
//! runtime is refused here. Limits: as many entries as a configuration has actions, each as long as what it is
//! taken from.

mod action;
mod expression;
mod messages;
mod policy;
#[cfg(test)]
mod tests;

use crate::formatter::{Format, FormatContext};
use crate::headers::HeaderMap;
use crate::services::WorkerServices;
use crate::stream_info::StreamInfo;

pub(crate) use expression::support;
pub use messages::{RateLimitMessage, XRateLimitOption};
pub use policy::{FilterRateLimits, Moment, RateLimitPolicy, RouteRateLimits};

/// The name in filter state of how many hits a stream stands for.
pub const HITS_ADDEND: &str = "envoy.ratelimit.hits_addend";

/// A part of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What it is.
    pub key: Box<str>,
    /// What of it the request has; empty in the configuration of limits stands for any.
    pub value: Box<[u8]>,
}

impl Entry {
    /// An entry.
    pub fn new(key: impl Into<Box<str>>, value: &[u8]) -> Self {
        Entry {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// What a request is counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its parts, in the order of the configuration.
    pub entries: Vec<Entry>,
    /// How much the request counts for; once if nothing is said.
    pub hits: Option<u64>,
    /// Whether that much is given back instead of taken.
    pub gives_back: bool,
    /// Whether headers tell of the limit, where the descriptor has a word on that.
    pub tells_of_limit: Option<bool>,
    /// Another limit than the server's own.
    pub limit: Option<LimitOverride>,
}

/// A limit that a request brings with it: so many in a unit of time, by the unit's number in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOverride {
    /// So many.
    pub requests_per_unit: u32,
    /// Seconds are 1, minutes 2, hours 3, days 4, months 5, years 6, weeks 7.
    pub unit: i32,
}

/// What descriptors are made of.
pub struct Asked<'a> {
    /// The request's headers.
    pub request: &'a HeaderMap,
    /// The response's, once there is one.
    pub response: Option<&'a HeaderMap>,
    /// The stream.
    pub info: &'a StreamInfo,
    /// `node.cluster`.
    pub service_cluster: &'a str,
    /// The cluster that the route forwards to.
    pub destination: Option<&'a [u8]>,
    /// Time and chance.
    pub services: &'a dyn WorkerServices,
}

impl Asked<'_> {
    fn formatted(&self, format: &Format) -> Vec<u8> {
        let mut context = FormatContext::new(self.info, self.services);
        context.request_headers = Some(self.request);
        context.response_headers = self.response;
        let mut text = Vec::new();
        format.format(&context, &mut text);
        text
    }
}
