//! `/contention`: the answer of an Envoy that does not trace its mutexes. Nuncio never does: workers share no lock on
//! the way of a request.

use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

/// `/contention`.
pub(super) fn contention(_state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    let text = "Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.";
    AdminResponse::text(200, text)
}
