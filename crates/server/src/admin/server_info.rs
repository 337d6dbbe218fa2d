//! `/server_info`: version, state, times, command line and node.

use super::json::Json;
use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::{AdminState, ServerLife};

/// `/server_info`.
pub(super) fn server_info(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    let info = state.server_info();
    let life = match state.life() {
        ServerLife::PreInitializing => ServerLife::Initializing,
        life => life,
    };
    let seconds = |seconds: u64| format!("{seconds}s");
    let json = Json::object()
        .with("version", info.version)
        .with("state", life.name())
        .with(
            "uptime_current_epoch",
            seconds(info.uptime_current_epoch_seconds),
        )
        .with("uptime_all_epochs", seconds(info.uptime_all_epochs_seconds))
        .with("hot_restart_version", info.hot_restart_version)
        .with("command_line_options", info.command_line_options)
        .with("node", info.node)
        .with(
            "hot_restart_initializing",
            Json::Bool(info.hot_restart_initializing),
        );
    AdminResponse::json(json.pretty())
}
