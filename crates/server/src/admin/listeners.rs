//! `/listeners`: names and addresses of the listeners.

use super::json::Json;
use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::{Address, AdminState, ListenerStatus};

/// `/listeners`; `format=json` for JSON, anything else is text.
pub(super) fn listeners(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    let listeners = state.listeners();
    if request.params().first("format") == Some("json") {
        let statuses: Vec<Json> = listeners.iter().map(status_json).collect();
        let some = !statuses.is_empty();
        return AdminResponse::json(
            Json::object()
                .with_if(some, "listener_statuses", statuses)
                .pretty(),
        );
    }
    let mut text = String::new();
    for listener in &listeners {
        for address in
            std::iter::once(&listener.local_address).chain(&listener.additional_local_addresses)
        {
            text.push_str(&format!("{}::{address}\n", listener.name));
        }
    }
    AdminResponse::text(200, text)
}

fn status_json(listener: &ListenerStatus) -> Json {
    let more: Vec<Json> = listener
        .additional_local_addresses
        .iter()
        .map(Address::to_json)
        .collect();
    let some = !more.is_empty();
    Json::object()
        .with("name", listener.name.as_str())
        .with("local_address", listener.local_address.to_json())
        .with_if(some, "additional_local_addresses", more)
}
