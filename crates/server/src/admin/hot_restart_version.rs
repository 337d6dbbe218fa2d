//! `/hot_restart_version`: what a hot restart must agree on, or `disabled`.

use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

/// `/hot_restart_version`.
pub(super) fn hot_restart_version(
    state: &dyn AdminState,
    _request: &AdminRequest<'_>,
) -> AdminResponse {
    AdminResponse::text(200, state.server_info().hot_restart_version)
}
