//! The admin interface: Envoy's endpoints as functions from a view of the server to an answer.
//!
//! Nothing here knows a transport: the server gives requests to [`handle`] on the main thread and sends what
//! comes back, streamed bodies piece by piece, so that a long answer holds up neither traffic nor `/ready`.
//! Each endpoint is a file and a line in [`registry`]; what it needs of the server is [`AdminState`].
//!
//! Formats are Envoy 1.40's, byte for byte where it promises any. Differs from Envoy: profilers and heap dumps
//! answer 501; pages look other than Envoy's; commands of our own stand on the home page, not in `/help`.

mod address;
mod certs;
mod clusters;
mod config_dump;
mod contention;
mod explain;
mod filter;
mod help;
mod home;
mod hot_restart_version;
mod init_dump;
mod lifecycle;
mod listeners;
mod logging;
mod memory;
mod profiling;
mod ready;
mod recent_lookups;
pub mod registry;
mod reload;
pub mod request;
pub mod response;
mod runtime;
mod server_info;
pub mod state;
mod stats;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod ui;

pub(crate) use config_dump::rfc3339;
pub use request::AdminRequest;
pub use response::{AdminResponse, Body};
pub use state::AdminState;
pub(crate) use ui::PAGE_SCRIPT;

pub use crate::json;
use crate::number;

use registry::{ENDPOINTS, OWN_ENDPOINTS};

/// Answers one request.
pub fn handle(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    if let Some(response) = ui::handle(state, request) {
        return response;
    }
    let Some(endpoint) = ENDPOINTS
        .iter()
        .chain(OWN_ENDPOINTS)
        .find(|endpoint| endpoint.path == request.path)
    else {
        return help::unknown_path();
    };
    if endpoint.mutates && request.method != "POST" {
        return AdminResponse::text(
            405,
            format!("Method {} not allowed, POST required.", request.method),
        );
    }
    (endpoint.handler)(state, request)
}
