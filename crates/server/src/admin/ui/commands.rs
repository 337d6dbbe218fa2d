//! `/ui/commands`: all endpoints, as the page lists them.

use crate::admin::json::Json;
use crate::admin::registry::{ENDPOINTS, Endpoint, OWN_ENDPOINTS};
use crate::admin::response::AdminResponse;

pub(super) fn commands() -> AdminResponse {
    let all = ENDPOINTS.iter().map(|endpoint| row(endpoint, false));
    let own = OWN_ENDPOINTS.iter().map(|endpoint| row(endpoint, true));
    let rows: Vec<Json> = all.chain(own).collect();
    AdminResponse::json(Json::object().with("rows", rows).pretty())
}

fn row(endpoint: &Endpoint, is_own: bool) -> Json {
    let params = endpoint.params.iter().map(|param| {
        let values: Vec<Json> = param.values.iter().copied().map(Json::from).collect();
        Json::object()
            .with("name", param.name)
            .with("help", param.help)
            .with("values", values)
    });
    Json::object()
        .with("path", endpoint.path)
        .with("help", endpoint.help)
        .with("changes", Json::Bool(endpoint.mutates))
        .with("own", Json::Bool(is_own))
        .with("params", params.collect::<Vec<Json>>())
}
