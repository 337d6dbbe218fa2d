//! `VirtualHost.matcher`: a tree of which each action is a route or a list of routes, in place of `routes`.
//!
//! The action that is found decides alone: where none of its routes matches, the request has no route. As in Envoy the
//! tree may ask about headers of the request, filter state and the environment, nothing else, and `keep_matching` is
//! refused; the clusters of its routes need not exist.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::match_tree::{Extension, MatchContext, MatchTree, unknown_extension};

use super::Route;
use super::compile::RouteCompiler;
use super::run::{Order, Run};
use crate::config::route as config;

const ROUTE: &str = "envoy.config.route.v3.Route";
const ROUTE_LIST: &str = "envoy.config.route.v3.RouteList";
const INPUTS: [&str; 2] = [
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
    "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
];

impl RouteCompiler<'_> {
    /// The routes of a virtual host and the order in which they are looked through.
    pub(super) fn routes_of(
        &mut self,
        host: &config::VirtualHost,
        table: &config::RouteConfiguration,
    ) -> Result<(Box<[Route]>, Order), Refused> {
        let Some(matcher) = &host.matcher else {
            let routes: Vec<_> = host
                .routes
                .iter()
                .map(|route| self.route(route, table))
                .collect();
            let routes: Box<[Route]> = routes.into_iter().collect::<Result<_, _>>()?;
            let order = Order::Run(Run::of(&routes, 0..routes.len()));
            return Ok((routes, order));
        };
        if !host.routes.is_empty() {
            let text = "cannot set both matcher and routes on virtual host";
            self.ctx.error(matcher.span(), text);
            return Err(Refused);
        }
        let known_clusters = self.known_clusters.take();
        let mut actions = Actions {
            compiler: self,
            table,
            routes: Vec::new(),
        };
        let tree = MatchTree::compile(matcher, &mut actions);
        let routes = actions.routes;
        self.known_clusters = known_clusters;
        Ok((routes.into(), Order::Tree(Box::new(tree?))))
    }
}

/// The routes of the actions that were met so far.
struct Actions<'c, 'a> {
    compiler: &'c mut RouteCompiler<'a>,
    table: &'c config::RouteConfiguration,
    routes: Vec<Route>,
}

impl MatchContext for Actions<'_, '_> {
    type Action = Run;

    fn ctx(&mut self) -> &mut Ctx {
        self.compiler.ctx
    }

    fn action(&mut self, action: &Extension) -> Result<Run, Refused> {
        let any = &action.typed_config;
        let start = self.routes.len();
        let routes = match any.type_name() {
            ROUTE => vec![any.decode::<config::Route>(self.compiler.ctx)?],
            ROUTE_LIST => any.decode::<config::RouteList>(self.compiler.ctx)?.routes,
            _ => return Err(unknown_extension(action, self.compiler.ctx)),
        };
        let compiled: Vec<_> = routes
            .iter()
            .map(|route| self.compiler.route(route, self.table))
            .collect();
        for route in compiled {
            self.routes.push(route?);
        }
        Ok(Run::of(&self.routes, start..self.routes.len()))
    }

    fn check_input(&self, type_url: &str) -> Result<(), String> {
        match INPUTS.iter().any(|input| type_url.ends_with(input)) {
            true => Ok(()),
            false => Err(violation(&format!(
                "Route table can only match on request headers, saw {type_url}"
            ))),
        }
    }

    fn check_keep_matching(&self) -> Result<(), String> {
        Err(violation("keep_matching is not supported in this context"))
    }
}

fn violation(what: &str) -> String {
    format!("requirement violation while creating route match tree: INVALID_ARGUMENT: {what}")
}
