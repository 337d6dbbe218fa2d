//! Active health checks: hosts are asked again and again, and what they answer decides who gets requests.
//!
//! All is done on the main thread, one session a host and check, whatever the number of workers: [`checker`] follows a cluster's
//! hosts and [`host`] asks one of them over [`requests`], [`tcp`], [`redis`] or [`thrift`], on connections of its own ([`link`]), by the rules
//! of [`health_check`](crate::health_check).
//!
//! Different from Envoy: checks do not PING their connections of HTTP/2.

mod checker;
mod flags;
mod gauges;
mod host;
mod link;
mod redis;
mod requests;
mod tcp;
mod thrift;

pub use checker::HealthChecks;
pub(crate) use link::{Dialer, Link, Part};
