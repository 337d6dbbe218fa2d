//! `/certs`: the certificates of all TLS contexts.

use super::json::Json;
use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

/// `/certs`.
pub(super) fn certs(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    AdminResponse::json(
        Json::object()
            .with("certificates", state.certificates())
            .pretty(),
    )
}
