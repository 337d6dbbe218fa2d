//! The nuncio binary: all rooms, and the server that runs them.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use nuncio_contract::access_log::AccessLogRoom;
use nuncio_contract::bootstrap_extension::BootstrapExtensionRoom;
use nuncio_contract::cluster_specifier::ClusterSpecifierRoom;
use nuncio_contract::early_header_mutation::EarlyHeaderMutationRoom;
use nuncio_contract::registry::{
    Extensions, HttpFilterRoom, ListenerFilterRoom, NetworkFilterRoom,
};
use nuncio_contract::stat_sink::StatSinkRoom;
use nuncio_contract::tracing::TracerRoom;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The families of HTTP filters.
static HTTP_FILTERS: &[&[&HttpFilterRoom]] =
    &[nuncio_extensions_http::ROOMS, nuncio_wasm::HTTP_ROOMS];
/// The families of network filters.
static NETWORK_FILTERS: &[&[&NetworkFilterRoom]] = &[
    nuncio_extensions_network::ROOMS,
    nuncio_protocols::ROOMS,
    nuncio_wasm::NETWORK_ROOMS,
];
/// The families of listener filters.
static LISTENER_FILTERS: &[&[&ListenerFilterRoom]] = &[nuncio_extensions_network::LISTENER_ROOMS];
/// The families of cluster specifiers.
static CLUSTER_SPECIFIERS: &[&[&ClusterSpecifierRoom]] =
    &[nuncio_extensions_http::CLUSTER_SPECIFIERS];
/// The families of early header mutations.
static EARLY_HEADER_MUTATIONS: &[&[&EarlyHeaderMutationRoom]] =
    &[nuncio_extensions_http::EARLY_HEADER_MUTATIONS];
/// The families of access loggers.
static ACCESS_LOGGERS: &[&[&AccessLogRoom]] = &[
    nuncio_extensions_observability::ROOMS,
    nuncio_wasm::ACCESS_LOG_ROOMS,
];
/// The families of bootstrap extensions.
static BOOTSTRAP_EXTENSIONS: &[&[&BootstrapExtensionRoom]] = &[nuncio_wasm::BOOTSTRAP_ROOMS];
/// The families of stat sinks.
static STAT_SINKS: &[&[&StatSinkRoom]] = &[nuncio_extensions_observability::STAT_SINKS];
/// The families of tracers.
static TRACERS: &[&[&TracerRoom]] = &[nuncio_extensions_observability::TRACERS];

fn main() -> ExitCode {
    nuncio_server::run(Extensions {
        http_filters: HTTP_FILTERS,
        network_filters: NETWORK_FILTERS,
        listener_filters: LISTENER_FILTERS,
        cluster_specifiers: CLUSTER_SPECIFIERS,
        early_header_mutations: EARLY_HEADER_MUTATIONS,
        bootstrap_extensions: BOOTSTRAP_EXTENSIONS,
        stat_sinks: STAT_SINKS,
        tracers: TRACERS,
        access_loggers: ACCESS_LOGGERS,
        access_log_files: Some(nuncio_extensions_observability::FILES),
    })
}
