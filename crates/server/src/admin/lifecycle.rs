//! Endpoints that make the server do something: quit, fail health checks, drain, reopen logs.

use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::{Action, AdminState};

/// `/quitquitquit`.
pub(super) fn quitquitquit(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    state.act(Action::Quit);
    AdminResponse::ok()
}

/// `/healthcheck/fail`.
pub(super) fn healthcheck_fail(
    state: &dyn AdminState,
    _request: &AdminRequest<'_>,
) -> AdminResponse {
    state.act(Action::FailHealthChecks(true));
    AdminResponse::ok()
}

/// `/healthcheck/ok`.
pub(super) fn healthcheck_ok(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    state.act(Action::FailHealthChecks(false));
    AdminResponse::ok()
}

/// `/drain_listeners`.
pub(super) fn drain_listeners(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    let params = request.params();
    state.act(Action::DrainListeners {
        graceful: params.has("graceful"),
        skip_exit: params.has("skip_exit"),
        inbound_only: params.has("inboundonly"),
    });
    AdminResponse::ok()
}

/// `/reopen_logs`.
pub(super) fn reopen_logs(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    state.act(Action::ReopenLogs);
    AdminResponse::ok()
}
