//! The bodies of the fuzz targets: plain functions, so that tests call them too.
#![forbid(unsafe_code)]

pub mod mutate;

mod http1_target;

pub use http1_target::http1;
pub use nuncio_config::fuzz::fuzz_load as config;
