//! The groups that Nuncio lists, one file for each root of Envoy's names.

mod cluster;
mod http;
mod listener;
mod register;
mod server;
mod subscription;
#[cfg(test)]
mod tests;
mod tls;

pub use cluster::*;
pub use http::*;
pub use listener::*;
pub use register::*;
pub use server::*;
pub use subscription::*;
pub use tls::*;
