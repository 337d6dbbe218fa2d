//! The start page for people: a small web UI, embedded in the binary, and the JSON that it lives on.
//!
//! `GET /` answers with it if the client says that it takes `text/html`, as browsers do; all else (curl, scripts)
//! gets the page of commands, as ever, which also stands at `/commands`. Everything of the UI is below `/ui/`:
//! static files and four views that are small however large the configuration is: one page of them at a time.
//!
//! What is shown comes from configurations and is never made into HTML: the scripts put it into text nodes, and the
//! content security policy allows nothing but the files of this server. Limits: 500 rows an answer, 50 by default.

mod assets;
mod clusters;
mod commands;
mod hosts;
mod listeners;
mod page;
mod routes;
mod traffic;
mod walk;

use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;

/// Headers of the page: no script, style or picture from elsewhere, nothing inline, no frame around it.
const PAGE_HEADERS: [(&str, &str); 2] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
];

/// The script without which the page shows nothing.
pub(crate) const PAGE_SCRIPT: &str = "/ui/main.js";

/// Where the UI's files and views are.
const PREFIX: &str = "/ui/";

/// The page itself, for a client that takes one.
pub(super) fn start_page(request: &AdminRequest<'_>) -> Option<AdminResponse> {
    let wants_page = request.path == "/" && request.accept.contains("text/html");
    wants_page.then(|| file(&assets::START_PAGE))
}

/// What stands below `/ui/`; none if nothing does.
pub(super) fn handle(state: &dyn AdminState, request: &AdminRequest<'_>) -> Option<AdminResponse> {
    let name = request.path.strip_prefix(PREFIX)?;
    let params = request.params();
    Some(match name {
        "clusters" => clusters::clusters(state, &params),
        "commands" => commands::commands(),
        "hosts" => hosts::hosts(state, &params),
        "listeners" => listeners::listeners(state, &params),
        "routes" => routes::routes(state, &params),
        name => file(assets::FILES.iter().find(|file| file.name == name)?),
    })
}

fn file(file: &assets::Asset) -> AdminResponse {
    AdminResponse {
        content_type: file.content_type,
        headers: PAGE_HEADERS.to_vec(),
        ..AdminResponse::text(200, file.text)
    }
}

#[cfg(test)]
mod tests;
