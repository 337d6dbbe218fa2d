//! The upstream side: clusters, discovery of their hosts, load balancing, connection pools, and the exchange
//! of one request for one response with a host.
//!
//! The main thread owns the [`ClusterManager`] and publishes host sets; each worker has its own
//! [`WorkerClusters`] with pools of its own, made when a cluster is first used there. A request takes this
//! way: [`WorkerClusters::get`] -> [`WorkerCluster::pick_host`] -> [`WorkerHost::new_stream`] ->
//! [`UpstreamStream`].
#![forbid(unsafe_code)]

mod body_event;
mod calls;
pub mod cluster;
mod cluster_core;
pub mod config;
mod destination;
pub mod discovery;
mod error;
pub mod forward_proxy;
mod header_bytes;
pub mod health_check;
pub mod health_checker;
mod host;
pub mod http1;
pub mod http11_proxy;
mod http2;
mod http2_keepalive;
mod http2_metadata;
mod http2_shared;
mod http2_wire;
mod http3;
pub mod http3_own_streams;
mod load_balancing;
pub mod load_reports;
pub mod load_streams;
mod manager;
pub mod mirror;
pub mod on_demand;
pub mod original_dst;
pub mod outlier_detection;
pub mod outlier_watch;
pub mod override_host;
mod pool;
pub mod proxy_protocol;
pub mod redis_cluster;
pub mod redis_counts;
pub mod retry;
mod server_names;
pub mod socket_match;
mod socket_tree;
mod stream;
mod stream_bytes;
mod tcp;
#[cfg(test)]
mod tests;
mod transport_socket;
mod udp;
pub mod weight_updates;
mod worker;

pub use body_event::BodyEvent;
pub use calls::CallConnection;
pub use cluster_core::{ResponseStats, RetryPermit, SessionPermit, TrySizes, TryStats};
pub use destination::Destination;
pub use error::{UpstreamError, UpstreamErrorKind};
pub use header_bytes::HeaderBytes;
pub use http2_keepalive::{Http2Keepalive, KeepaliveStep};
pub use http2_metadata::MetadataRelay;
pub use http2_shared::{Http2Mailbox, Http2Shared, Http2Task};
pub use http2_wire::Wire as Http2Wire;
pub use load_balancing::{PickContext, hash_of_key};
pub use manager::{ClusterId, ClusterManager};
pub use pool::{EndedBy, OwnConnection, count_http2};
pub use server_names::{AutoNames, ConnectionName};
pub use stream::{Acquired, PendingStream, ReadyStream, UpstreamStream};
pub use transport_socket::TransportSocket;
pub use worker::{Expected, WorkerCluster, WorkerClusters, WorkerHost};
