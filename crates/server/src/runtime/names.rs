//! Names that Envoy reads by itself, whatever a configuration says, and Nuncio does not: whoever sets one expects
//! something that would not happen.
//!
//! Those that belong to what Nuncio refuses anyway (health checks, retries, tracing) are not among
//! them. What is not here either is read here, or by nobody.

use nuncio_config::runtime::RuntimeValue;

use super::guards::{default_of, is_guard, is_limit, is_removed};
use crate::log;

/// Beginnings of such names; guards are among them too.
const UNHEARD: &[&str] = &[
    "http_connection_manager.normalize_path",
    "http_connection_manager.path_with_escaped_slashes_action",
    "re2.max_program_size.",
];

/// Names among them that are heard, that Envoy has no more, or whose effect is none that anybody could see here.
const HEARD: &[&str] = &[
    "envoy.reloadable_features.abort_when_accessing_dead_decoder",
    "envoy.reloadable_features.coalesce_lb_rebuilds_on_batch_update",
    "envoy.reloadable_features.explicit_internal_address_config",
    "envoy.reloadable_features.fixed_heap_use_allocated",
    // Google's client is not here: `google_grpc` is mapped onto our own.
    "envoy.reloadable_features.google_grpc_disable_tls_13",
    "envoy.reloadable_features.http_reject_path_with_fragment",
    "envoy.reloadable_features.max_request_headers_count",
    "envoy.reloadable_features.max_request_headers_size_kb",
    "envoy.reloadable_features.max_response_headers_count",
    "envoy.reloadable_features.max_response_headers_size_kb",
    "envoy.reloadable_features.use_response_decoder_handle",
    "envoy.restart_features.shared_cares_dns_resolver",
    "envoy.restart_features.use_cached_grpc_client_for_xds",
    "envoy.restart_features.use_eds_cache_for_ads",
    "envoy.restart_features.xds_failover_support",
    // Expressions have a limit of their own, which is a wider one.
    "re2.max_program_size.error_level",
    "re2.max_program_size.warn_level",
];

/// Beginnings of the names of guards of what is refused where it is configured.
const OF_WHAT_IS_REFUSED: &[&str] = &[
    "envoy.reloadable_features.dynamic_modules_",
    "envoy.reloadable_features.mcp_filter_",
    "envoy.reloadable_features.mobile_",
    "envoy.reloadable_features.reverse_conn_",
    "envoy.reloadable_features.tap_",
    "envoy.reloadable_features.upstream_wasm_",
];

/// The ends of `circuit_breakers.<cluster>.<priority>.` that are heard.
const BREAKERS: [&str; 7] = [
    ".max_connection_pools",
    ".max_connections",
    ".max_pending_requests",
    ".max_requests",
    ".max_retries",
    ".retry_budget.budget_percent",
    ".retry_budget.min_retry_concurrency",
];

/// Whether Envoy would act on it and Nuncio does not.
fn is_unheard(name: &str) -> bool {
    let begins_so = UNHEARD.iter().any(|beginning| name.starts_with(beginning));
    let is_breaker = name.starts_with("circuit_breakers.");
    let is_other_breaker = is_breaker && !BREAKERS.iter().any(|end| name.ends_with(end));
    let is_known = begins_so || is_other_breaker || is_guard(name) || is_limit(name);
    let mut refused = OF_WHAT_IS_REFUSED.iter();
    is_known && !HEARD.contains(&name) && !refused.any(|beginning| name.starts_with(beginning))
}

/// What there is to say of a name that nothing comes of.
pub(super) enum Word {
    /// Envoy would act on it.
    Unheard(String),
    /// Envoy has it no more, and says so.
    Removed(String),
}

/// What there is to say of a name with this value. A guard that is set to what it is anyway changes nothing, nor does
/// the same as a text, which Envoy takes for no boolean.
pub(super) fn word(name: &str, value: &RuntimeValue) -> Option<Word> {
    let is_default = || default_of(name).is_some_and(|it| value.text == it.to_string());
    if is_unheard(name) && !is_default() {
        return Some(Word::Unheard(format!("runtime value `{name}`")));
    }
    let text = || format!("Using a removed guard {name}, which does nothing");
    is_removed(name).then(|| Word::Removed(text()))
}

/// Says it in the log.
pub(super) fn tell(name: &str, value: &RuntimeValue) {
    match word(name, value) {
        Some(Word::Unheard(_)) => {
            log::warning("runtime", &format!("`{name}` does nothing in Nuncio yet"));
        }
        Some(Word::Removed(text)) => log::warning("runtime", &text),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_envoy_acts_on_and_nobody_reads_here_is_told() {
        let is_told = |name| matches!(word(name, &RuntimeValue::default()), Some(Word::Unheard(_)));
        assert!(is_told("envoy.reloadable_features.always_use_v6"));
        assert!(!is_told(
            "envoy.reloadable_features.max_request_headers_count"
        ));
        assert!(is_told("envoy.reloadable_features.quic_no_tcp_delay"));
        assert!(!is_told("envoy.reloadable_features.tap_honor_tap_enabled"));
        assert!(is_told(
            "envoy.reloadable_features.http2_max_cookies_size_in_kb"
        ));
        assert!(!is_told("circuit_breakers.c.default.max_connection_pools"));
        assert!(!is_told("circuit_breakers.c.default.max_connections"));
        assert!(!is_told(
            "circuit_breakers.c.d.high.retry_budget.budget_percent"
        ));
        let removed = word(
            "envoy.reloadable_features.max_request_headers_counts",
            &RuntimeValue::default(),
        );
        assert!(matches!(removed, Some(Word::Removed(_))));
    }

    #[test]
    fn a_guard_at_its_default_is_not_told() {
        let is_told = |name, text: &str| {
            let value = RuntimeValue::of_text(text).unwrap();
            word(name, &value).is_some()
        };
        let on = "envoy.reloadable_features.http2_flood_protection_active_streams";
        let off = "envoy.reloadable_features.strict_chunk_parsing";
        assert!(!is_told(on, "true") && is_told(on, "false") && is_told(on, "1"));
        assert!(!is_told(off, "false") && is_told(off, "true"));
    }
}
