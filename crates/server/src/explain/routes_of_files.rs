//! Route configurations that chains have from files, read for telling about them: without a server nobody else does.

use std::sync::Arc;

use nuncio_config::report::{self, Style};
use nuncio_config::resources::{Response, read_response, unpack};
use nuncio_config::text::Limits;
use nuncio_config::tree::{Message, Value};
use nuncio_config::typed::Ctx;
use nuncio_contract::config_source::ResourceSource;
use nuncio_http::connection_manager::RouteSource;
use nuncio_http::route::RouteTable;

use super::Chain;
use crate::bootstrap::Surroundings;

const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";

impl Chain {
    /// Takes the routes that it has from a file, if it has none of its own; returns what is to be said about it.
    pub(crate) fn read_routes(&mut self, around: &Surroundings<'_>, style: Style) -> String {
        let source = self.entry().and_then(|entry| {
            let source = entry.manager.route_source.as_deref();
            source.cloned()
        });
        let Some(source) = source else {
            return String::new();
        };
        let (table, told) = table(&source, around, style);
        if let Some(table) = table {
            self.routes = Arc::new(table);
        }
        told
    }
}

/// The table that a source has, and what is to be said about it; none where it has none that can be used.
fn table(
    source: &RouteSource,
    around: &Surroundings<'_>,
    style: Style,
) -> (Option<RouteTable>, String) {
    let name = &source.name;
    let ResourceSource::File { path, .. } = &source.source else {
        let text = format!("warning: the routes `{name}` come from a server, which is not asked\n");
        return (None, text);
    };
    let response = match read_response(path, &Limits::default()) {
        Ok(response) => response,
        Err(unreadable) => return (None, unreadable.render(style)),
    };
    let mut ctx = Ctx::for_telling();
    ctx.diagnostics = response.warnings.clone();
    let message = find(name, &response, &mut ctx);
    let table = message.and_then(|message| {
        let mut reserve = |name: &str| around.manager.reserve(name);
        let clusters = around.manager.clusters();
        let knows = |name: &str| clusters.iter().any(|one| *one.settings.name == *name);
        let rooms = around.extensions;
        let compiled = source.compile(&message, (rooms, &knows), &mut reserve, &mut ctx);
        compiled.ok()
    });
    let mut told = report::render(&ctx.diagnostics, &response.sources, style);
    if table.is_none() {
        told.push_str(&format!(
            "warning: {path} has no routes `{name}` that can be used\n"
        ));
    }
    (table, told)
}

fn find(name: &str, response: &Response, ctx: &mut Ctx) -> Option<Arc<Message>> {
    let mut found = response.resources.iter();
    found.find_map(|any| {
        let message = unpack(ROUTES, any, &mut ctx.diagnostics)?;
        let is_it = message.find(&["name"]).and_then(Value::as_str) == Some(name);
        is_it.then_some(message)
    })
}
