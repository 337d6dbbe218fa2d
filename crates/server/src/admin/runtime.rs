//! `/runtime` and `/runtime_modify`.

use super::json::Json;
use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::{AdminState, RuntimeError};
use nuncio_config::sorting;

const USAGE: &str = "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n       \
                     or send the parameters as form values\nuse an empty value to remove a previously added override";

/// `/runtime`: layers and values. Keys are sorted, where Envoy has no order.
pub(super) fn runtime(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    let mut view = state.runtime();
    sorting::sort(&mut view.entries);
    let entries = view
        .entries
        .into_iter()
        .fold(Json::object(), |entries, (key, layers, value)| {
            let layers: Vec<Json> = layers.into_iter().map(Json::from).collect();
            entries.with(
                key,
                Json::object()
                    .with("layer_values", layers)
                    .with("final_value", value),
            )
        });
    let layers: Vec<Json> = view.layers.into_iter().map(Json::from).collect();
    AdminResponse::json(
        Json::object()
            .with("entries", entries)
            .with("layers", layers)
            .pretty(),
    )
}

/// `/runtime_modify`: keys and values in the query or as a form.
pub(super) fn runtime_modify(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    let params = request.params();
    if params.is_empty() {
        return AdminResponse::text(400, USAGE);
    }
    let mut values: Vec<(&str, &str)> = Vec::new();
    // Of several values of a key the first one counts.
    for (key, value) in params.iter() {
        if !values.iter().any(|(known, _)| *known == key) {
            values.push((key, value));
        }
    }
    match state.modify_runtime(&values) {
        Ok(()) => AdminResponse::ok(),
        Err(RuntimeError::NoAdminLayer) => AdminResponse::text(503, "No admin layer specified"),
        Err(RuntimeError::BadValue(why)) => AdminResponse::text(503, why),
    }
}
