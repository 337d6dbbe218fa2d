//! Plugins of WebAssembly, by the ABI of Proxy-Wasm in the versions 0.1.0, 0.2.0 and 0.2.1: the host, and the rooms that
//! plugins run in. The engine is an interpreter, wasmi; the runtimes' names of Envoy all stand for it.
//!
//! Trust: plugins are not trusted with time and memory. Each call has its fuel, each VM a limit of memory
//! (`engine.rs`); every place in memory that a plugin says is checked (`host/guest.rs`); what plugins share and have
//! under way is bounded. What they do to streams they were configured for.
//!
//! Modules: `configure` (a plugin is compiled and tried), `slot`, `remote` and `code_cache` (its code is fetched first), `base` (a module), `vm` (it runs on a thread), `worker` (who
//! has which), `host` (what plugins can call), `turn` and `live` (a stream in a plugin's hands).
#![forbid(unsafe_code)]

use nuncio_contract::access_log::AccessLogRoom;
use nuncio_contract::bootstrap_extension::BootstrapExtensionRoom;
use nuncio_contract::registry::{HttpFilterRoom, NetworkFilterRoom};

pub mod access_log;
mod base;
mod code_cache;
mod configure;
mod engine;
mod export;
mod host;
pub mod http;
mod key;
mod lifecycle;
mod live;
mod logged;
mod mailbox;
mod messages;
pub mod network;
mod pairs;
mod plugin;
mod remote;
pub mod service;
mod shared_data;
mod slot;
mod status;
#[cfg(test)]
mod tests;
mod turn;
mod vm;
mod wire;
mod worker;

/// HTTP filters.
pub static HTTP_ROOMS: &[&HttpFilterRoom] = &[&http::ROOM];
/// Network filters.
pub static NETWORK_ROOMS: &[&NetworkFilterRoom] = &[&network::ROOM];
/// Access loggers.
pub static ACCESS_LOG_ROOMS: &[&AccessLogRoom] = &[&access_log::ROOM];
/// Bootstrap extensions.
pub static BOOTSTRAP_ROOMS: &[&BootstrapExtensionRoom] = &[&service::ROOM];
