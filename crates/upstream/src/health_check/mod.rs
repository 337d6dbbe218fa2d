//! The rules of active health checks: what is asked of hosts, when, and what an answer does to their health.
//!
//! Knows neither sockets nor clocks: [`session`] has the rules of one host, [`combined`] what several checks of it come to,
//! [`timing`] the intervals, [`http`] and
//! [`grpc`] what is sent and what an answer says, [`settings`] what the configuration says, and the mailbox by which a
//! worker tells of a response to traffic with `x-envoy-immediate-health-check-fail`. Who asks is
//! [`health_checker`](crate::health_checker).
//!
//! Defaults are Envoy's and stand in [`settings`] and [`timing`]. Of a response's body 16 MiB are looked at where the
//! configuration has no limit.

pub(crate) mod combined;
pub(crate) mod events;
pub(crate) mod grpc;
pub(crate) mod http;
mod payload;
pub(crate) mod session;
pub(crate) mod settings;
mod timing;

pub use payload::{Segments, from_hex};
pub use session::{AlwaysLog, Thresholds};
pub use settings::{
    ActiveChecks, Check, GrpcProbe, HttpProbe, Probe, RedisProbe, TcpProbe, ThriftProbe,
};
pub use timing::Timing;
