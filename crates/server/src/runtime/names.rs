//! Names that Envoy reads by itself, whatever a configuration says, and Nuncio does not: whoever sets one expects
//! something that would not happen.
//!
//! Those that belong to what Nuncio refuses anyway (health checks, retries, tracing) are not among
//! them. What is not here either is read here, or by nobody.

/// Beginnings of such names.
const UNHEARD: &[&str] = &[
    "circuit_breakers.",
    "envoy.reloadable_features.",
    "envoy.restart_features.",
    "http_connection_manager.normalize_path",
    "http_connection_manager.path_with_escaped_slashes_action",
    "re2.max_program_size.",
    "upstream.healthy_panic_threshold",
    "upstream.maintenance_mode.",
];

/// Whether Envoy would act on it and Nuncio does not.
pub(super) fn is_unheard(name: &str) -> bool {
    UNHEARD.iter().any(|beginning| name.starts_with(beginning))
}
