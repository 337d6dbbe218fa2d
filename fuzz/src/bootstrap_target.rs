//! A bootstrap's whole way but for the sockets: read, checked, compiled. No input may make that panic, hang
//! or grow without bound.
//!
//! There are no access loggers, for these open the files that they are told.

use nuncio_contract::access_log::AccessLogRoom;
use nuncio_contract::early_header_mutation::EarlyHeaderMutationRoom;
use nuncio_contract::registry::{
    Extensions, HttpFilterRoom, ListenerFilterRoom, NetworkFilterRoom,
};

static HTTP_FILTERS: &[&[&HttpFilterRoom]] = &[nuncio_extensions_http::ROOMS];
static NETWORK_FILTERS: &[&[&NetworkFilterRoom]] = &[nuncio_extensions_network::ROOMS];
static LISTENER_FILTERS: &[&[&ListenerFilterRoom]] = &[nuncio_extensions_network::LISTENER_ROOMS];
static EARLY_HEADER_MUTATIONS: &[&[&EarlyHeaderMutationRoom]] =
    &[nuncio_extensions_http::EARLY_HEADER_MUTATIONS];
static ACCESS_LOGGERS: &[&[&AccessLogRoom]] = &[];

/// Reads the input as YAML with v2 and v3 names, and compiles what it says.
pub fn bootstrap(input: &[u8]) {
    let extensions = Extensions {
        bootstrap_extensions: &[],
        http_filters: HTTP_FILTERS,
        network_filters: NETWORK_FILTERS,
        listener_filters: LISTENER_FILTERS,
        early_header_mutations: EARLY_HEADER_MUTATIONS,
        cluster_specifiers: &[],
        tracers: &[],
        stat_sinks: &[],
        access_loggers: ACCESS_LOGGERS,
        access_log_files: None,
    };
    nuncio_server::fuzz::fuzz_compile(input, &extensions);
}
