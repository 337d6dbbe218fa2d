//! Profilers and dumps of the heap. There is none here, and each answers as an Envoy that is built without it:
//! what is asked for is checked as ever, what is not there is said, and stopping what does not run is fine.

use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

const USAGE: &str = "?enable=<y|n>\n";

/// `/cpuprofiler`.
pub(super) fn cpu(_state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    match wanted(request) {
        None => AdminResponse::text(400, USAGE),
        Some(true) => AdminResponse::text(500, "failure to start the profiler"),
        Some(false) => AdminResponse::ok(),
    }
}

/// `/heapprofiler`.
pub(super) fn heap(_state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    AdminResponse::text(501, "The current build does not support heap profiler")
}

/// `/allocprofiler`.
pub(super) fn allocations(_state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    match wanted(request) {
        None => AdminResponse::text(400, USAGE),
        Some(_) => AdminResponse::text(
            501,
            "Allocation profile is not implemented in current build",
        ),
    }
}

/// `/heap_dump` and `/peak_heap_dump`.
pub(super) fn dump(_state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    AdminResponse::text(501, "Heap profile is not implemented in current build")
}

/// `/memory/tcmalloc`: the allocator is another one.
pub(super) fn tcmalloc(_state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    AdminResponse::text(501, "TCMalloc is not in use")
}

/// What the only parameter wants; none if it is another one.
fn wanted(request: &AdminRequest<'_>) -> Option<bool> {
    let params = request.params();
    match (params.len(), params.first("enable")) {
        (1, Some("y")) => Some(true),
        (1, Some("n")) => Some(false),
        _ => None,
    }
}
