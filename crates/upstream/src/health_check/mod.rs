//! Active health checks: hosts are asked again and again, and what they answer decides who gets requests.
//!
//! All is done on the main thread, one session a host, whatever the number of workers: [`session`] has the rules and
//! [`timing`] the intervals, both without sockets and clocks; [`checker`] follows a cluster's hosts and [`host`] asks
//! one of them over [`requests`] or [`tcp`], on connections of its own ([`link`]). A response to traffic that says
//! `x-envoy-immediate-health-check-fail` comes from a worker through the mailbox of [`settings`].
//!
//! Defaults are Envoy's and stand in [`settings`] and [`timing`]. Of a response's body 16 MiB are looked at where the
//! configuration has no limit. Different from Envoy: a cluster has one health check at most, and checks neither speak
//! HTTP/3 nor PING their connections.

mod checker;
mod events;
mod grpc;
mod host;
mod http;
mod link;
mod payload;
mod requests;
mod session;
mod settings;
mod tcp;
mod timing;

pub use checker::HealthChecks;
pub use payload::{Segments, from_hex};
pub use session::{AlwaysLog, Thresholds};
pub use settings::{ActiveChecks, GrpcProbe, HttpProbe, Probe, ProxyVersion, TcpProbe};
pub use timing::Timing;
