//! Scoped routes of a connection manager's own configuration; [`super::scope_source`] has those from elsewhere.

use std::sync::Arc;

use nuncio_config::typed::Refused;

use super::config::CompileContext;
use super::route_source::refuse_more_hosts;
use super::scope_source::ScopeSource;
use crate::config::scoped_routes::{ScopedRouteConfiguration, ScopedRoutes, ScopesSpecifier};
use crate::route::{RouteCompiler, RouteScope, RouteTable, Scopes, scope_key};

/// The table that has those of the scopes, and where they come from if that is elsewhere.
pub(super) fn compile(
    message: &ScopedRoutes,
    stat_prefix: &str,
    filter_names: Vec<String>,
    context: &mut CompileContext<'_>,
) -> Result<(RouteTable, Option<ScopeSource>), Refused> {
    let list = match &message.config_specifier {
        ScopesSpecifier::List(list) => &list.scoped_route_configurations,
        ScopesSpecifier::Rds(scoped) => {
            let source = ScopeSource::new(message, scoped, stat_prefix, filter_names, context.ctx)?;
            return Ok((source.without_scopes(context.ctx)?, Some(source)));
        }
    };
    let scopes: Vec<_> = list
        .iter()
        .map(|scope| compile_one(scope, &filter_names, context))
        .collect();
    let scopes = scopes.into_iter().collect::<Result<_, _>>();
    let scopes = Scopes::new(&message.scope_key_builder, scopes?, context.ctx)?;
    Ok((RouteTable::scoped(scopes), None))
}

fn compile_one(
    scope: &ScopedRouteConfiguration,
    filter_names: &[String],
    context: &mut CompileContext<'_>,
) -> Result<RouteScope, Refused> {
    let named = &scope.route_configuration_name;
    if !named.value.is_empty() {
        let text = "Fetching routes via RDS (route_configuration_name) is not supported with inline scoped routes.";
        context.ctx.error(named.span, text);
        return Err(Refused);
    }
    let Some(table) = &scope.route_configuration else {
        let text = "You must specify a route_configuration with inline scoped routes.";
        context.ctx.error(scope.span(), text);
        return Err(Refused);
    };
    refuse_more_hosts(table, context.ctx);
    let table = RouteCompiler {
        plugins: Default::default(),
        ctx: context.ctx,
        extensions: context.extensions,
        filter_names,
        cluster_id: context.cluster_id,
        known_clusters: Some(context.known_clusters),
    }
    .compile(table)?;
    Ok(RouteScope {
        name: scope.name.as_str().into(),
        key: scope_key(&scope.key),
        table: Arc::new(table),
    })
}
