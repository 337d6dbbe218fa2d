//! Endpoints of Envoy that Nuncio lists but cannot serve yet; it says so rather than pretend.

use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

/// Any of them.
pub(super) fn unsupported(_state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    AdminResponse::unsupported(request.path)
}
