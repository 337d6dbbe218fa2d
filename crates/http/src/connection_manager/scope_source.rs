//! Scopes that come from elsewhere (`scoped_rds`): where from, and how a table is made of those that have come.
//!
//! Until the routes of a scope have come its table has none, and says whom to ask for them: the HTTP filter `on_demand`
//! does. As in Envoy nobody is asked for virtual hosts of scopes (`vhds`); those that come by themselves are there,
//! but for routes that stand in a scope themselves, where none from elsewhere are supported.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use nuncio_config::tree::{Message, Value};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::on_demand_message::ScopesWith;
use nuncio_upstream::ClusterId;

use super::route_source::{Around, RouteSource, refuse_more_hosts};
use crate::config::scoped_routes::{
    ScopeKeyBuilderMessage, ScopedRds, ScopedRouteConfiguration, ScopedRoutes,
};
use crate::route::{More, RouteCompiler, RouteScope, RouteTable, Scopes, scope_key};

/// Where the scopes of a connection manager come from.
#[derive(Clone)]
pub struct ScopeSource {
    /// What they are called together.
    pub name: Box<str>,
    /// Who has them.
    pub source: ResourceSource,
    /// `http.<stat_prefix>.scoped_rds.<name>.` is where their updates count.
    pub stat_prefix: Box<str>,
    /// Who has their routes.
    routes: Option<ResourceSource>,
    builder: Arc<ScopeKeyBuilderMessage>,
    filter_names: Arc<[String]>,
    memo: Arc<Memo>,
}

/// A scope, with the routes that have come for it.
type ScopeMessages = (Arc<Message>, Option<Arc<Message>>);

/// What was compiled last, so that an update costs what it changes.
#[derive(Default)]
struct Memo(Mutex<HashMap<MemoKey, Compiled>>);

/// Where the messages of a scope are: its own, and that of its routes.
type MemoKey = (usize, Option<usize>);

/// A scope, with the messages that it was made of, which so stay where they are.
struct Compiled {
    scope: RouteScope,
    _of: ScopeMessages,
}

impl Memo {
    fn place((message, routes): &ScopeMessages) -> MemoKey {
        let place = |message: &Arc<Message>| Arc::as_ptr(message).addr();
        (place(message), routes.as_ref().map(place))
    }

    fn get(&self, place: MemoKey) -> Option<RouteScope> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(all.get(&place)?.scope.clone())
    }

    fn set(&self, all: HashMap<MemoKey, Compiled>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

impl ScopeSource {
    pub(super) fn new(
        message: &ScopedRoutes,
        scoped: &ScopedRds,
        stat_prefix: &str,
        filter_names: Vec<String>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let routes = message.rds_config_source.as_ref();
        Ok(ScopeSource {
            name: message.name.as_str().into(),
            source: scoped.scoped_rds_config_source.source(ctx)?,
            stat_prefix: stat_prefix.into(),
            routes: routes.map(|source| source.source(ctx)).transpose()?,
            builder: Arc::new(message.scope_key_builder.clone()),
            filter_names: filter_names.into(),
            memo: Arc::default(),
        })
    }

    /// Where the routes of this name come from.
    ///
    /// # Errors
    /// In Envoy's words, if nobody has them.
    pub fn routes(&self, name: &str) -> Result<RouteSource, String> {
        let source = self
            .routes
            .clone()
            .ok_or("Missing config source specifier in envoy::config::core::v3::ConfigSource")?;
        Ok(RouteSource {
            name: name.into(),
            source,
            stat_prefix: self.stat_prefix.clone(),
            filter_names: self.filter_names.iter().cloned().collect(),
        })
    }

    /// The table of all scopes, each with the routes that have come for it; clusters need not be there. What is as it was
    /// the last time is not compiled again.
    ///
    /// # Errors
    /// All mistakes are in `ctx`.
    pub fn compile(
        &self,
        scopes: &[ScopeMessages],
        (extensions, known_clusters): Around<'_>,
        cluster_id: &mut dyn FnMut(&str) -> ClusterId,
        ctx: &mut Ctx,
    ) -> Result<RouteTable, Refused> {
        let mut all = Vec::with_capacity(scopes.len());
        let mut next = HashMap::with_capacity(scopes.len());
        for of in scopes {
            let place = Memo::place(of);
            let known = self.memo.get(place);
            let scope = match known {
                Some(known) => known,
                None => self.compile_one(of, (extensions, known_clusters), cluster_id, ctx)?,
            };
            all.push(scope.clone());
            let _of = of.clone();
            next.insert(place, Compiled { scope, _of });
        }
        let table = Scopes::new(&self.builder, all, ctx).map(RouteTable::scoped)?;
        self.memo.set(next);
        Ok(table)
    }

    /// Whether scopes can be used, without routes of others. Nothing is kept of it.
    ///
    /// # Errors
    /// All mistakes are in `ctx`.
    pub fn check(
        &self,
        scopes: &[Arc<Message>],
        (extensions, known_clusters): Around<'_>,
        cluster_id: &mut dyn FnMut(&str) -> ClusterId,
        ctx: &mut Ctx,
    ) -> Result<(), Refused> {
        for scope in scopes {
            let of = (Arc::clone(scope), None);
            self.compile_one(&of, (extensions, known_clusters), cluster_id, ctx)?;
        }
        Ok(())
    }

    fn compile_one(
        &self,
        (message, routes): &ScopeMessages,
        (extensions, known_clusters): Around<'_>,
        cluster_id: &mut dyn FnMut(&str) -> ClusterId,
        ctx: &mut Ctx,
    ) -> Result<RouteScope, Refused> {
        let scope: ScopedRouteConfiguration = decode(message, ctx)?;
        let named = routes.as_ref().map(|routes| decode(routes, ctx));
        let named = named.transpose()?;
        if let Some(own) = &scope.route_configuration {
            refuse_more_hosts(own, ctx);
        }
        let table = scope.route_configuration.as_ref().or(named.as_ref());
        let table = match table {
            None => RouteTable::awaited(self.more(&scope.name)),
            Some(table) => RouteCompiler {
                plugins: Default::default(),
                ctx,
                extensions,
                filter_names: &self.filter_names,
                cluster_id,
                known_clusters: (table.validate_clusters == Some(true)).then_some(known_clusters),
            }
            .compile(table)?,
        };
        Ok(RouteScope {
            name: scope.name.as_str().into(),
            key: scope_key(&scope.key),
            table: Arc::new(table),
        })
    }

    /// Whom to ask for the routes of a scope.
    fn more(&self, scope: &str) -> More {
        let of = ScopesWith {
            name: self.name.clone(),
            source: self.source.clone(),
        };
        More::OfScope(of.into_source(), scope.into())
    }

    /// A table without scopes, as before any have come.
    pub(super) fn without_scopes(&self, ctx: &mut Ctx) -> Result<RouteTable, Refused> {
        Scopes::new(&self.builder, Vec::new(), ctx).map(RouteTable::scoped)
    }
}

/// Whether the routes of a scope are to be had on demand alone.
pub fn is_on_demand(scope: &Message) -> bool {
    matches!(scope.find(&["on_demand"]), Some(Value::Bool(true)))
}

/// The name of the routes that a scope has from elsewhere, be it on demand.
pub fn named_routes(scope: &Message) -> Option<&str> {
    let has_own = scope.get_by_name("route_configuration").is_some();
    let name = scope.find(&["route_configuration_name"])?.as_str()?;
    (!has_own && !name.is_empty()).then_some(name)
}
