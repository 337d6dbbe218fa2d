//! `/ready`: 200 and `LIVE`, or 503 and the state that the server is in.

use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::{AdminState, ServerLife};

/// `/ready`.
pub(super) fn ready(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    let life = state.life();
    let status = if life == ServerLife::Live { 200 } else { 503 };
    AdminResponse::text(status, format!("{}\n", life.name()))
}
