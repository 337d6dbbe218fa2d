//! Route configurations and their scopes that chains have from files, read for telling about them: without a server nobody
//! else does.

use std::sync::Arc;

use nuncio_config::report::{self, Style};
use nuncio_config::resources::{Response, UnknownFields, read_response, unpack};
use nuncio_config::text::Limits;
use nuncio_config::tree::{Message, Value};
use nuncio_config::typed::Ctx;
use nuncio_contract::config_source::ResourceSource;
use nuncio_http::connection_manager::{RouteSource, ScopeSource, named_routes};
use nuncio_http::route::RouteTable;

use super::Chain;
use crate::bootstrap::Surroundings;

const SCOPE: &str = "envoy.config.route.v3.ScopedRouteConfiguration";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";

impl Chain {
    /// Takes the routes that it has from a file, if it has none of its own; returns what is to be said about it.
    pub(crate) fn read_routes(&mut self, around: &Surroundings<'_>, style: Style) -> String {
        let sources = self.entry().map(|entry| {
            let manager = entry.manager;
            (manager.route_source.clone(), manager.scope_source.clone())
        });
        let (table, told) = match sources {
            Some((Some(source), _)) => table(&source, around, style),
            Some((None, Some(source))) => scoped_table(&source, around, style),
            Some((None, None)) | None => return String::new(),
        };
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
    let (path, response) = match read(&source.source, &format!("routes `{name}`"), style) {
        Ok(read) => read,
        Err(told) => return (None, told),
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

/// The same of scopes, each with its routes; routes that cannot be had are left out.
fn scoped_table(
    source: &ScopeSource,
    around: &Surroundings<'_>,
    style: Style,
) -> (Option<RouteTable>, String) {
    let name = &source.name;
    let (path, response) = match read(&source.source, &format!("scopes `{name}`"), style) {
        Ok(read) => read,
        Err(told) => return (None, told),
    };
    let mut ctx = Ctx::for_telling();
    ctx.diagnostics = response.warnings.clone();
    let mut told = String::new();
    let mut scopes = Vec::with_capacity(response.resources.len());
    for any in &response.resources {
        let Some(scope) = unpack(SCOPE, any, &mut ctx.diagnostics) else {
            continue;
        };
        let routes = named_routes(&scope).and_then(|name| source.routes(name).ok());
        let routes = routes.and_then(|routes| {
            let what = format!("routes `{}`", routes.name);
            let (path, response) = read(&routes.source, &what, style)
                .map_err(|text| told.push_str(&text))
                .ok()?;
            let found = find(&routes.name, &response, &mut ctx);
            if found.is_none() {
                told.push_str(&format!("warning: {path} has no {what}\n"));
            }
            found
        });
        scopes.push((scope, routes));
    }
    let mut reserve = |name: &str| around.manager.reserve(name);
    let clusters = around.manager.clusters();
    let knows = |name: &str| clusters.iter().any(|one| *one.settings.name == *name);
    let rooms = around.extensions;
    let table = source.compile(&scopes, (rooms, &knows), &mut reserve, &mut ctx);
    told.push_str(&report::render(&ctx.diagnostics, &response.sources, style));
    if table.is_err() {
        told.push_str(&format!(
            "warning: {path} has no scopes `{name}` that can be used\n"
        ));
    }
    (table.ok(), told)
}

/// What a file has, and its path; what is to be said where there is none.
fn read(source: &ResourceSource, what: &str, style: Style) -> Result<(Arc<str>, Response), String> {
    let ResourceSource::File { path, .. } = source else {
        return Err(format!(
            "warning: the {what} come from a server, which is not asked\n"
        ));
    };
    match read_response(path, UnknownFields::Warned, &Limits::default()) {
        Ok(response) => Ok((Arc::clone(path), response)),
        Err(unreadable) => Err(unreadable.render(style)),
    }
}

fn find(name: &str, response: &Response, ctx: &mut Ctx) -> Option<Arc<Message>> {
    let mut found = response.resources.iter();
    found.find_map(|any| {
        let message = unpack(ROUTES, any, &mut ctx.diagnostics)?;
        let is_it = message.find(&["name"]).and_then(Value::as_str) == Some(name);
        is_it.then_some(message)
    })
}
