//! `/stats/recentlookups` and its switches: names of stats that were looked up while the process ran. Nuncio looks none
//! up, so that the list is empty and the total 0.

use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

/// `/stats/recentlookups`.
pub(super) fn show(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    let heading = match state.keeps_lookups().get() {
        true => "   Count Lookup\n",
        false => "Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n",
    };
    AdminResponse::text(200, format!("{heading}\ntotal: 0\n"))
}

/// `/stats/recentlookups/clear`.
pub(super) fn clear(_state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    AdminResponse::ok()
}

/// `/stats/recentlookups/disable`.
pub(super) fn disable(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    state.keeps_lookups().set(false);
    AdminResponse::ok()
}

/// `/stats/recentlookups/enable`.
pub(super) fn enable(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    state.keeps_lookups().set(true);
    AdminResponse::ok()
}
