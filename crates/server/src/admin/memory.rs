//! `/memory`: what the process uses, in the terms of Envoy's allocator.

use super::json::Json;
use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

/// `/memory`.
pub(super) fn memory(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    let usage = state.memory();
    let json = Json::object()
        .with("allocated", usage.allocated)
        .with("heap_size", usage.heap_size)
        .with("pageheap_unmapped", usage.pageheap_unmapped)
        .with("pageheap_free", usage.pageheap_free)
        .with("total_thread_cache", usage.total_thread_cache)
        .with("total_physical_bytes", usage.total_physical_bytes);
    AdminResponse::json(json.pretty())
}
