//! HTTP: connection manager, filter engine, route table and router.
//!
//! A request's way: the codec of its connection decodes a head; the connection manager checks and completes it;
//! the route table finds its route; the filters run; the router sends it to a cluster; the response comes back
//! through the filters in reverse and is written by the codec.
#![forbid(unsafe_code)]

mod body_format;
mod boxed;
pub mod calls;
pub mod config;
pub mod connection_manager;
mod discovered_filter;
pub mod downstream;
pub mod drain;
pub mod exchange;
pub mod explain;
pub mod filter_chain;
pub mod filter_engine;
pub mod http1;
mod http2;
pub mod http3;
pub mod life;
mod multiplexed;
pub mod route;
pub mod router;
pub mod service;
mod spans;
pub mod stream;
pub mod support;
mod upstream_logs;
pub mod worker;
