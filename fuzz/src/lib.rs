//! The bodies of the fuzz targets: plain functions, so that tests call them too.
#![forbid(unsafe_code)]

pub mod mutate;

mod bootstrap_target;
mod http1_target;
mod http2_target;
mod http3_target;
mod redis_target;
mod thrift_target;
mod transcoding_target;

pub use bootstrap_target::bootstrap;
pub use http1_target::http1;
pub use http2_target::http2;
pub use http3_target::http3;
pub use nuncio_config::fuzz::fuzz_load as config;
pub use nuncio_protocols::mongo_proxy::fuzz_read as mongo;
pub use nuncio_protocols::zookeeper_proxy::fuzz_read as zookeeper;
pub use redis_target::redis;
pub use thrift_target::thrift;
pub use transcoding_target::transcoding;
