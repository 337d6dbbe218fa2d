//! `/init_dump`: what initialisation still waits for; as in Envoy listeners alone say it.

use super::json::Json;
use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

/// `/init_dump`; `mask` picks one component, of which there is only `listener`.
pub(super) fn init_dump(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    let params = request.params();
    let mask = params.non_empty("mask");
    let waits = state.unready_targets().into_iter();
    let dumps: Vec<Json> = waits
        .filter(|_| mask.is_none_or(|mask| mask == "listener"))
        .map(|(component, targets)| {
            let targets: Vec<Json> = targets.into_iter().map(Json::from).collect();
            Json::object()
                .with("name", component)
                .with("target_names", targets)
        })
        .collect();
    let some = !dumps.is_empty();
    AdminResponse::json(
        Json::object()
            .with_if(some, "unready_targets_dumps", dumps)
            .pretty(),
    )
}
