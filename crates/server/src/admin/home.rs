//! `/`: for browsers the UI, for all others what `/commands` shows: a plain page with all commands, without scripts;
//! those that change the server are buttons.

use super::registry::{ENDPOINTS, Endpoint, OWN_ENDPOINTS};
use super::request::AdminRequest;
use super::response::{AdminResponse, HTML};
use super::state::AdminState;
use super::ui;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td{padding:.3rem .6rem;vertical-align:top}\
tr:nth-child(odd){background:#8881}form{margin:0}";

/// `/`.
pub(super) fn home(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    ui::start_page(request).unwrap_or_else(|| commands(state, request))
}

/// `/commands`.
pub(super) fn commands(_state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    let rows: String = ENDPOINTS.iter().chain(OWN_ENDPOINTS).map(row).collect();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Nuncio Admin</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>Nuncio Admin</h1>\n<table>\n{rows}</table>\n</body>\n</html>\n"
    );
    AdminResponse {
        content_type: HTML,
        ..AdminResponse::text(200, page)
    }
}

fn row(endpoint: &Endpoint) -> String {
    let path = endpoint.path.strip_prefix('/').unwrap_or_default();
    let name = if path.is_empty() { "home" } else { path };
    let command = if endpoint.mutates {
        format!("<form action=\"{path}\" method=\"post\"><button>{name}</button></form>")
    } else {
        format!("<a href=\"{path}\">{name}</a>")
    };
    format!(
        "<tr><td>{command}</td><td>{}</td></tr>\n",
        escape(endpoint.help)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
