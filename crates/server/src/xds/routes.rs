//! RDS: route configurations that connection managers have by name. Those that want the same one from the same source
//! share the subscription; it ends with the last of them.
//!
//! An update changes the tables of all connection managers that use it, or of none; connections stay, and streams end
//! on the table that they began with.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use nuncio_config::resources::Response;
use nuncio_config::tree::{Message, Value, same};
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{ConfigReloadStats, EmptyUpdateStats};
use nuncio_http::connection_manager::{RouteSource, ScopeSource};
use nuncio_http::route::RouteTable;

use super::delivery::{Delivery, Verdict};
use super::origins::{Origin, Tables, origins, scope_sources};
use super::planes::ControlPlanes;
use super::subscription::{Subscription, Wanted, millis};
use super::virtual_hosts::{Hosts, VirtualHosts};
use super::workshop::Bench;
use super::{Discovery, ROUTES};
use crate::admin::state::{DumpedConfig, DynamicConfig};
use crate::listener::CompiledListener;
use crate::log;
use crate::resource::ListenerResource;

/// A route configuration of a source, by its name.
pub(super) type Key = (Box<str>, ResourceSource);

/// All that is subscribed to.
#[derive(Default)]
pub(super) struct RouteConfigs {
    /// In the order in which they were first wanted.
    all: Vec<(Key, RouteConfig)>,
    /// Where each is.
    places: HashMap<Key, usize>,
}

pub(super) struct RouteConfig {
    subscription: Subscription,
    pub(super) reloads: Arc<ConfigReloadStats>,
    empty: Arc<EmptyUpdateStats>,
    /// Under which `http.<stat_prefix>.` it counts.
    pub(super) stat_prefix: Box<str>,
    /// What came last and could be used, as it came.
    own: Option<Arc<Message>>,
    /// The same with the virtual hosts that have come.
    pub(super) current: Option<DynamicConfig>,
    /// Virtual hosts from elsewhere.
    pub(super) hosts: Option<VirtualHosts>,
    /// Those that have come, by name. As in Envoy they are kept while it says that there are none from elsewhere.
    pub(super) hosts_that_came: Hosts,
}

fn key(source: &RouteSource) -> Key {
    (source.name.clone(), source.source.clone())
}

impl RouteConfigs {
    /// Whether there is nothing to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn find(&self, key: &Key) -> Option<&RouteConfig> {
        let place = *self.places.get(key)?;
        self.all.get(place).map(|(_, config)| config)
    }

    /// All, with their keys.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (&Key, &mut RouteConfig)> {
        self.all.iter_mut().map(|(key, config)| (&*key, config))
    }

    pub(super) fn find_mut(&mut self, key: &Key) -> Option<&mut RouteConfig> {
        let place = *self.places.get(key)?;
        self.all.get_mut(place).map(|(_, config)| config)
    }

    fn put(&mut self, key: Key, config: RouteConfig) {
        self.places.insert(key.clone(), self.all.len());
        self.all.push((key, config));
    }

    /// Takes some out.
    fn take(&mut self, is_gone: &dyn Fn(&Key) -> bool) -> Vec<(Key, RouteConfig)> {
        let all = std::mem::take(&mut self.all).into_iter();
        let (gone, kept): (Vec<_>, Vec<_>) = all.partition(|(key, _)| is_gone(key));
        self.all = kept;
        let places = self.all.iter().enumerate();
        self.places = places.map(|(at, (key, _))| (key.clone(), at)).collect();
        gone
    }

    fn message(&self, key: &Key) -> Option<Arc<Message>> {
        let current = self.find(key)?.current.as_ref()?;
        Some(Arc::clone(&current.config.message))
    }

    /// The next deliveries of all that have one.
    fn look(&mut self) -> Vec<(Key, Delivery)> {
        let all = self.all.iter_mut();
        all.filter_map(|(key, config)| Some((key.clone(), config.subscription.look()?)))
            .collect()
    }
}

impl RouteConfig {
    /// Whether it, or its virtual hosts, have not come and are still waited for.
    fn is_awaited(&self) -> bool {
        let hosts = self.hosts.as_ref();
        !self.subscription.first().is_done() || hosts.is_some_and(VirtualHosts::is_awaited)
    }

    /// It as it came.
    pub(super) fn own(&self) -> Option<&Arc<Message>> {
        self.own.as_ref()
    }

    fn begin(
        planes: &ControlPlanes,
        source: &RouteSource,
        scope: Scope,
    ) -> (Self, Option<Delivery>) {
        let (reloads, empty) = (scope.worker_group(), scope.worker_group());
        let wanted = Wanted::one(ROUTES, &source.name);
        let (subscription, delivery) = Subscription::begin(planes, wanted, &source.source, scope);
        let config = RouteConfig {
            subscription,
            reloads,
            empty,
            stat_prefix: source.stat_prefix.clone(),
            own: None,
            current: None,
            hosts: None,
            hosts_that_came: Hosts::new(),
        };
        (config, delivery)
    }
}

impl Discovery<'_> {
    /// Gives a listener that was compiled what its chains have from elsewhere, and subscribes to what nobody has yet, in
    /// Envoy's order.
    pub(crate) fn attach(&self, resource: &mut ListenerResource) {
        self.attach_secrets(resource);
        self.attach_routes(resource);
        self.attach_extensions(&resource.listener);
    }

    fn attach_routes(&self, resource: &mut ListenerResource) {
        let mut tables = resource.routes.to_vec();
        for (place, origin) in origins(&resource.listener) {
            match &origin {
                Origin::Routes(source) => self.subscribe_to_routes(source),
                Origin::Scopes(source) => self.subscribe_to_scopes(source),
            }
            let mut bench = self.workshop.begin(&Response::default(), &self.running);
            if let Ok(Some(table)) = self.table(&origin, None, &mut bench)
                && let Some(slot) = tables.get_mut(place)
            {
                *slot = Arc::new(table);
            }
            bench.tell();
        }
        resource.routes = tables.into();
    }

    /// The table of a chain by what has come, with `new` in place of what came before under its key; none if nothing has.
    fn table(
        &self,
        origin: &Origin<'_>,
        new: Option<(&Key, &Arc<Message>)>,
        bench: &mut Bench<'_>,
    ) -> Result<Option<RouteTable>, String> {
        let message = |source: &RouteSource| match new {
            Some((of, message)) if key(source) == *of => Some(Arc::clone(message)),
            _ => self.routes.borrow().message(&key(source)),
        };
        match origin {
            Origin::Routes(source) => match message(source) {
                Some(message) => bench.routes(source, &message).map(Some),
                None => Ok(None),
            },
            Origin::Scopes(source) => {
                let scopes = self.scopes.borrow().tables(source, message);
                bench.scopes(source, &scopes).map(Some)
            }
        }
    }

    /// Where the routes of a listener come from, those of its scopes too.
    pub(super) fn sources(&self, listener: &CompiledListener) -> Vec<RouteSource> {
        let mut sources = Vec::new();
        for (_, origin) in origins(listener) {
            match origin {
                Origin::Routes(source) => sources.push(source.clone()),
                Origin::Scopes(source) => sources.extend(self.scopes.borrow().routes(source)),
            }
        }
        sources
    }

    pub(super) fn subscribe_to_routes(&self, source: &RouteSource) {
        let key = key(source);
        if self.routes.borrow().find(&key).is_some() {
            return;
        }
        let name = format!("http.{}.rds.{}", source.stat_prefix, source.name);
        let scope = self.around.stats.scope(&name);
        let (config, delivery) = RouteConfig::begin(&self.planes, source, scope);
        self.routes.borrow_mut().put(key.clone(), config);
        if let Some(delivery) = delivery {
            self.deliver_routes(&key, delivery, Some(source));
        }
        self.changed.notify_one();
    }

    /// Whether the routes of a listener have come, or are not waited for any longer.
    pub(super) fn has_routes(&self, resource: &ListenerResource) -> bool {
        !self.awaits_scopes(resource) && self.awaited_routes(resource).is_empty()
    }

    /// Whether scopes of a listener, or the routes of some, have not come and are still waited for.
    pub(super) fn awaits_scopes(&self, resource: &ListenerResource) -> bool {
        let scopes = self.scopes.borrow();
        scope_sources(&resource.listener).any(|source| {
            let routes = scopes.routes(source);
            !scopes.have_come(source) || routes.iter().any(|one| self.is_awaited(one))
        })
    }

    /// The names of the routes of a listener that have not come and are still waited for, those of scopes left out.
    pub(super) fn awaited_routes(&self, resource: &ListenerResource) -> Vec<Box<str>> {
        let awaited = origins(&resource.listener).filter_map(|(_, origin)| match origin {
            Origin::Routes(source) => self.is_awaited(source).then(|| source.name.clone()),
            Origin::Scopes(_) => None,
        });
        awaited.collect()
    }

    /// Whether there are routes, with the first of their virtual hosts.
    pub(super) fn has_come(&self, source: &RouteSource) -> bool {
        let routes = self.routes.borrow();
        let config = routes.find(&key(source));
        config.is_some_and(|config| config.current.is_some() && !config.is_awaited())
    }

    fn is_awaited(&self, source: &RouteSource) -> bool {
        let routes = self.routes.borrow();
        let config = routes.find(&key(source));
        config.is_some_and(RouteConfig::is_awaited)
    }

    /// Waits for the first routes of all that are subscribed to.
    pub(crate) async fn first_routes(&self) {
        self.first_scopes().await;
        let waits: Vec<_> = {
            let routes = self.routes.borrow();
            let all = routes.all.iter();
            all.map(|(_, config)| config.subscription.first().wait())
                .collect()
        };
        for wait in waits {
            wait.await;
        }
        self.first_hosts().await;
    }

    /// Ends subscriptions that no listener needs any more.
    pub(super) fn drop_unused_routes(&self) {
        let scopes = self.all_scope_sources();
        self.scopes.borrow_mut().keep(&scopes);
        let used: HashSet<Key> = self.all_sources().iter().map(key).collect();
        self.drop_routes(&|one| !used.contains(one));
        self.show_routes();
    }

    /// Ends the subscriptions to routes of scopes that are gone, unless others have them.
    pub(super) fn drop_routes_of_gone_scopes(&self, gone: &[RouteSource]) {
        let used: HashSet<Key> = self.all_sources().iter().map(key).collect();
        let gone: HashSet<Key> = gone.iter().map(key).collect();
        self.drop_routes(&|one| gone.contains(one) && !used.contains(one));
    }

    fn drop_routes(&self, is_gone: &dyn Fn(&Key) -> bool) {
        let gone = self.routes.borrow_mut().take(is_gone);
        // Nothing is borrowed while they end.
        drop(gone);
    }

    /// Gives all listeners the routes of now, as updates may have come while a reload was under way.
    pub(crate) fn refresh_routes(&self) {
        let routes = self.routes.borrow();
        let keys: Vec<Key> = routes.all.iter().map(|(key, _)| key.clone()).collect();
        drop(routes);
        for key in keys {
            let Some(message) = self.routes.borrow().message(&key) else {
                continue;
            };
            let mut bench = self.workshop.begin(&Response::default(), &self.running);
            if let Ok(tables) = self.tables(&key, &message, &mut bench) {
                self.set_routes(tables);
            }
            bench.tell();
        }
        let mut bench = self.workshop.begin(&Response::default(), &self.running);
        if let Ok(tables) = self.tables_of_scopes(&|_| true, &mut bench) {
            self.set_routes(tables);
        }
        bench.tell();
    }

    /// Takes what has come.
    pub(super) fn look_for_routes(&self) {
        let deliveries = self.routes.borrow_mut().look();
        for (key, delivery) in deliveries {
            self.deliver_routes(&key, delivery, None);
        }
    }

    fn deliver_routes(&self, key: &Key, delivery: Delivery, first: Option<&RouteSource>) {
        let verdict = match &delivery {
            Ok(response) => {
                let mut bench = self.workshop.begin(response, &self.running);
                let verdict = self.apply_routes(key, response, &mut bench, first);
                bench.tell();
                verdict
            }
            Err(_) => Ok(()),
        };
        let routes = self.routes.borrow();
        if let Some(config) = routes.find(key) {
            match &delivery {
                Ok(response) => config.subscription.answer(&response.version, &verdict),
                Err(failure) => config.subscription.fail(failure, self.workshop.style()),
            }
        }
        drop(routes);
        self.show_routes();
    }

    fn apply_routes(
        &self,
        key: &Key,
        response: &Response,
        bench: &mut Bench<'_>,
        first: Option<&RouteSource>,
    ) -> Verdict {
        let messages = bench.unpack_all(response, ROUTES)?;
        tell_removed(response);
        bench.use_version(response.versions.first().map(AsRef::as_ref));
        let message = match messages.as_slice() {
            [] if response.removed.is_some() => return Ok(()),
            [] => {
                if let Some(config) = self.routes.borrow().find(key) {
                    config.empty.update_empty.inc();
                }
                return Ok(());
            }
            [message] => message,
            more => {
                let text = format!("Unexpected RDS resource length: {}", more.len());
                return Err(unexpected(key, text));
            }
        };
        let name = message
            .find(&["name"])
            .and_then(Value::as_str)
            .unwrap_or_default();
        if *name != *key.0 {
            let text = format!("Unexpected RDS configuration (expecting {}): {name}", key.0);
            return Err(unexpected(key, text));
        }
        let is_the_same = self.routes.borrow().find(key).is_some_and(|config| {
            let own = config.own.as_ref();
            own.is_some_and(|old| same(old, message))
        });
        if is_the_same {
            return Ok(());
        }
        bench.check(message)?;
        let more_hosts = bench.more_hosts(message)?;
        let own = message;
        let message = &match &more_hosts {
            Some(source) => {
                self.check_host_source(source)?;
                self.with_hosts(key, own)
            }
            None => Arc::clone(own),
        };
        if let Some(source) = first {
            bench.routes(source, message)?;
        }
        self.check_for_warming(key, message, bench)?;
        let tables = self.tables(key, message, bench)?;
        let now = SystemTime::now();
        if let Some(config) = self.routes.borrow_mut().find_mut(key) {
            config.own = Some(Arc::clone(own));
            config.current = Some(DynamicConfig {
                version: Arc::clone(bench.version()),
                config: DumpedConfig {
                    message: Arc::clone(message),
                    last_updated: now,
                },
            });
            config.reloads.config_reload.inc();
            config.reloads.config_reload_time_ms.set(millis(now));
        }
        self.set_routes(tables);
        self.subscribe_to_hosts(key, more_hosts);
        Ok(())
    }

    /// Whether the listeners that wait for a configuration can use it.
    pub(super) fn check_for_warming(
        &self,
        key_of_it: &Key,
        message: &Arc<Message>,
        bench: &mut Bench<'_>,
    ) -> Verdict {
        let warming = self.warming.borrow();
        let all = warming
            .resources()
            .flat_map(|one| self.sources(&one.listener));
        for source in all.filter(|source| key(source) == *key_of_it) {
            bench.routes(&source, message)?;
        }
        Ok(())
    }

    /// The route tables of all listeners that use a configuration, with its message in the place of what they have.
    pub(super) fn tables(
        &self,
        key_of_it: &Key,
        message: &Arc<Message>,
        bench: &mut Bench<'_>,
    ) -> Result<Tables, String> {
        let is_one = |origin: &Origin<'_>| self.has(origin, key_of_it);
        self.tables_from(&is_one, Some((key_of_it, message)), bench)
    }

    /// The route tables of all listeners that have some from origins like this.
    fn tables_from(
        &self,
        is_one: &dyn Fn(&Origin<'_>) -> bool,
        instead: Option<(&Key, &Arc<Message>)>,
        bench: &mut Bench<'_>,
    ) -> Result<Tables, String> {
        let mut all = Tables::default();
        let listeners = self.running.listeners.borrow();
        let mut made_for = |listener: &CompiledListener| {
            let mut made = Vec::new();
            for (place, origin) in origins(listener).filter(|(_, origin)| is_one(origin)) {
                let table = self.table(&origin, instead, bench)?;
                made.extend(table.map(|table| (place, Arc::new(table))));
            }
            Ok::<_, String>(made)
        };
        for resource in listeners.resources() {
            let made = made_for(&resource.listener)?;
            if made.is_empty() {
                continue;
            }
            let mut tables = resource.routes.to_vec();
            for (place, table) in made {
                if let Some(slot) = tables.get_mut(place) {
                    *slot = table;
                }
            }
            let name = resource.listener.name.clone();
            all.running.insert(name, tables.into());
        }
        for drains in listeners.drains() {
            let listener = drains.listener();
            let Some(compiled) = listener.upgrade() else {
                continue;
            };
            let made = made_for(&compiled)?;
            if !made.is_empty() {
                all.draining.push((Weak::clone(listener), made.into()));
            }
        }
        Ok(all)
    }

    /// Whether a chain has the routes of this key, perhaps among others.
    fn has(&self, origin: &Origin<'_>, wanted: &Key) -> bool {
        match origin {
            Origin::Routes(source) => key(source) == *wanted,
            Origin::Scopes(source) => {
                let routes = self.scopes.borrow().routes(source);
                routes.iter().any(|source| key(source) == *wanted)
            }
        }
    }

    /// The route tables of all listeners with scopes of some sources, with those as they are now.
    pub(super) fn tables_of_scopes(
        &self,
        is_one: &dyn Fn(&ScopeSource) -> bool,
        bench: &mut Bench<'_>,
    ) -> Result<Tables, String> {
        let is_one =
            |origin: &Origin<'_>| matches!(origin, Origin::Scopes(source) if is_one(source));
        self.tables_from(&is_one, None, bench)
    }

    /// Has `/config_dump` show what there is.
    pub(super) fn show_routes(&self) {
        *self.running.scope_configs.borrow_mut() = self.scopes.borrow().shown();
        let routes = self.routes.borrow();
        let current = routes
            .all
            .iter()
            .filter_map(|(_, config)| config.current.clone());
        *self.running.route_configs.borrow_mut() = current.collect();
    }
}

/// Routes stay though a server takes them back.
fn tell_removed(response: &Response) {
    for name in response.removed.iter().flatten() {
        let text = format!(
            "Server sent a delta RDS update attempting to remove a resource (name: {name}). Ignoring."
        );
        log::warning("rds", &text);
    }
}

fn unexpected(key: &Key, text: String) -> String {
    log::warning(
        "rds",
        &format!("rds: route config '{}' rejected: {text}", key.0),
    );
    text
}
