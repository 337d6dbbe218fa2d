//! `/help`, and the same list for unknown paths.

use super::registry::ENDPOINTS;
use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

/// `/help`.
pub(super) fn help(_state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    AdminResponse::text(200, commands())
}

/// The answer to a path that is not there.
pub(super) fn unknown_path() -> AdminResponse {
    AdminResponse::text(404, format!("invalid path. {}", commands()))
}

fn commands() -> String {
    let mut text = "admin commands are:\n".to_owned();
    for endpoint in ENDPOINTS {
        let post = if endpoint.mutates { " (POST)" } else { "" };
        text.push_str(&format!("  {}{post}: {}\n", endpoint.path, endpoint.help));
        for param in endpoint.params {
            text.push_str(&format!("      {}: {}", param.name, param.help));
            if !param.values.is_empty() {
                text.push_str(&format!("; One of ({})", param.values.join(", ")));
            }
            text.push('\n');
        }
    }
    text
}
