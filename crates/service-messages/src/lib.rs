//! Messages of the services that filters ask and that loggers tell, as protobuf has them: what is sent and what comes
//! back of Envoy's `Authorization`, `ExternalProcessor`, `NetworkExternalProcessor`, `RateLimitService`,
//! `RateLimitQuotaService`, `AccessLogService` and `MetricsService`,
//! field by field of what is used.
//!
//! Written by hand, so that a build needs no compiler of protobuf; configurations are message trees and never these.
//! Fields that are not here are passed over when a message is read, as protobuf wants it.
#![forbid(unsafe_code)]

pub mod access_log;
pub mod auth;
pub mod common;
pub mod ext_proc;
pub mod metrics;
pub mod network_ext_proc;
pub mod otlp;
pub mod otlp_metrics;
pub mod rate_limit;
pub mod rate_limit_quota;
pub mod skywalking;

pub use prost::{DecodeError, Message};
