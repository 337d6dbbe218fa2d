//! SRDS: the scopes of connection managers that have them by name. Those that want the same ones from the same source
//! share the subscription; the routes that scopes name are subscribed to as those of connection managers are
//! ([`super::routes`]).
//!
//! An update has effect for all connection managers that use it, or for none. Scopes whose routes are to be had on demand
//! stay without them until one is asked for ([`super::scopes_on_demand`]), and so do all until theirs have come.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::resources::Response;
use nuncio_config::tree::{Message, Value, same};
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::stats::groups::{ConfigReloadStats, EmptyUpdateStats};
use nuncio_contract::stats::{Scope, WideGauge};
use nuncio_http::connection_manager::{RouteSource, ScopeSource, is_on_demand, named_routes};
use nuncio_upstream::on_demand::Question;

use super::delivery::{Delivery, Verdict};
use super::scopes_on_demand::Asked;
use super::subscription::{Subscription, Wanted, millis};
use super::waiting::look_again;
use super::workshop::Bench;
use super::{Discovery, ROUTES};
use crate::admin::state::DumpedScopes;
use crate::log;

const SCOPE: &str = "envoy.config.route.v3.ScopedRouteConfiguration";

/// Scopes of a source, by what they are called together.
pub(super) type Key = (Box<str>, ResourceSource);

/// All that is subscribed to.
#[derive(Default)]
pub(super) struct ScopeConfigs(Vec<(Key, ScopeConfig)>);

pub(super) struct ScopeConfig {
    subscription: Subscription,
    /// Of whoever wanted them first.
    source: ScopeSource,
    reloads: Arc<ConfigReloadStats>,
    /// Listed, though Envoy counts nothing in it.
    _empty: Arc<EmptyUpdateStats>,
    sizes: Sizes,
    /// The scopes of now, by their names.
    pub(super) scopes: BTreeMap<Box<str>, Arc<Message>>,
    /// Who waits for routes of scopes, and which scopes were asked for.
    pub(super) asked: Asked,
    /// The version, and when it came.
    updated: Option<(Arc<str>, SystemTime)>,
}

/// How many scopes there are.
struct Sizes {
    all: Arc<WideGauge>,
    /// Those whose routes are subscribed to.
    active: Arc<WideGauge>,
    on_demand: Arc<WideGauge>,
}

fn key(source: &ScopeSource) -> Key {
    (source.name.clone(), source.source.clone())
}

fn text<'m>(message: &'m Message, path: &[&str]) -> &'m str {
    let found = message.find(path).and_then(Value::as_str);
    found.unwrap_or_default()
}

impl ScopeConfigs {
    /// Whether there is nothing to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, key: &Key) -> Option<&ScopeConfig> {
        let found = self.0.iter().find(|(one, _)| one == key);
        found.map(|(_, config)| config)
    }

    pub(super) fn find_mut(&mut self, key: &Key) -> Option<&mut ScopeConfig> {
        let mut all = self.0.iter_mut();
        let found = all.find(|(one, _)| one == key);
        found.map(|(_, config)| config)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut ScopeConfig> {
        self.0.iter_mut().map(|(_, config)| config)
    }

    /// Those of which scopes were asked for whose routes had come before.
    pub(super) fn take_outdated(&mut self) -> Vec<Key> {
        let outdated = self.0.iter_mut().filter_map(|(key, config)| {
            let is_outdated = config.asked.take_outdated();
            is_outdated.then(|| key.clone())
        });
        outdated.collect()
    }

    /// Where the routes of the scopes of now come from, each once.
    pub(super) fn routes(&self, source: &ScopeSource) -> Vec<RouteSource> {
        let scopes = self.find(&key(source)).into_iter();
        let names = scopes.flat_map(ScopeConfig::wanted);
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names.dedup();
        let sources = names
            .into_iter()
            .filter_map(|name| source.routes(name).ok());
        sources.collect()
    }

    /// The scopes of now, each with the routes that `routes` has for the name that it wants.
    pub(super) fn tables(
        &self,
        source: &ScopeSource,
        routes: impl Fn(&RouteSource) -> Option<Arc<Message>>,
    ) -> Vec<(Arc<Message>, Option<Arc<Message>>)> {
        let scopes = self.find(&key(source)).into_iter();
        let all = scopes.flat_map(|config| {
            let scopes = config.scopes.iter();
            scopes.map(|(name, scope)| (scope, config.wanted_by(name, scope)))
        });
        all.map(|(scope, wanted)| {
            let wanted = wanted.and_then(|name| source.routes(name).ok());
            (Arc::clone(scope), wanted.and_then(|wanted| routes(&wanted)))
        })
        .collect()
    }

    /// Whether those of a source have come, or are not waited for any longer.
    pub(super) fn have_come(&self, source: &ScopeSource) -> bool {
        let config = self.find(&key(source));
        config.is_none_or(|config| config.subscription.first().is_done())
    }

    /// Keeps those that are used.
    pub(super) fn keep(&mut self, used: &[ScopeSource]) {
        let used: Vec<Key> = used.iter().map(key).collect();
        self.0.retain(|(key, _)| used.contains(key));
    }

    /// As `/config_dump` shows them.
    pub(super) fn shown(&self) -> Vec<(Arc<str>, DumpedScopes)> {
        let all = self.0.iter().filter_map(|((name, _), config)| {
            let (version, last_updated) = config.updated.clone()?;
            let scopes = DumpedScopes {
                name: name.to_string(),
                scopes: config.scopes.values().cloned().collect(),
                last_updated,
            };
            Some((version, scopes))
        });
        all.collect()
    }
}

impl ScopeConfig {
    /// The name of the routes that a scope is to have now.
    pub(super) fn wanted_by<'m>(&self, name: &str, scope: &'m Message) -> Option<&'m str> {
        let is_wanted = !is_on_demand(scope) || self.asked.has_been(name);
        named_routes(scope).filter(|_| is_wanted)
    }

    /// The names of the routes that all are to have now.
    fn wanted(&self) -> impl Iterator<Item = &str> {
        let scopes = self.scopes.iter();
        scopes.filter_map(|(name, scope)| self.wanted_by(name, scope))
    }

    /// Where the routes of this name come from.
    pub(super) fn source_of(&self, routes: &str) -> Option<RouteSource> {
        self.source.routes(routes).ok()
    }

    /// Counts what there is now.
    pub(super) fn count(&self) {
        let count = |holds: &dyn Fn(&str, &Message) -> bool| {
            let all = self.scopes.iter();
            let count = all.filter(|(name, scope)| holds(name, scope)).count();
            u64::try_from(count).unwrap_or(u64::MAX)
        };
        self.sizes.all.set(count(&|_, _| true));
        let is_active = |name: &str, scope: &Message| self.wanted_by(name, scope).is_some();
        self.sizes.active.set(count(&is_active));
        self.sizes
            .on_demand
            .set(count(&|_, scope| is_on_demand(scope)));
    }
}

impl Discovery<'_> {
    /// Subscribes to scopes that nobody has yet, and to the routes of those that are there.
    pub(super) fn subscribe_to_scopes(&self, source: &ScopeSource) {
        let wanted = key(source);
        if self.scopes.borrow().find(&wanted).is_none() {
            let scope = format!("http.{}.scoped_rds.{}", source.stat_prefix, source.name);
            let scope = self.around.stats.scope(&scope);
            let (config, delivery) = self.begin_scopes(source, scope);
            self.scopes.borrow_mut().0.push((wanted.clone(), config));
            if let Some(delivery) = delivery {
                self.deliver_scopes(&wanted, delivery);
            }
            self.changed.notify_one();
        }
        let routes = self.scopes.borrow().routes(source);
        routes
            .iter()
            .for_each(|routes| self.subscribe_to_routes(routes));
    }

    fn begin_scopes(&self, source: &ScopeSource, scope: Scope) -> (ScopeConfig, Option<Delivery>) {
        let (reloads, empty) = (scope.worker_group(), scope.worker_group());
        let sizes = Sizes {
            all: scope.wide_gauge("all_scopes"),
            active: scope.wide_gauge("active_scopes"),
            on_demand: scope.wide_gauge("on_demand_scopes"),
        };
        let wanted = Wanted::all_of(SCOPE, None);
        let (subscription, delivery) =
            Subscription::begin(&self.planes, wanted, &source.source, scope);
        let config = ScopeConfig {
            subscription,
            source: source.clone(),
            reloads,
            _empty: empty,
            sizes,
            scopes: BTreeMap::new(),
            asked: Asked::default(),
            updated: None,
        };
        (config, delivery)
    }

    /// Waits for the first scopes of all that are subscribed to.
    pub(super) async fn first_scopes(&self) {
        let waits: Vec<_> = {
            let scopes = self.scopes.borrow();
            let all = scopes.0.iter();
            all.map(|(_, config)| config.subscription.first().wait())
                .collect()
        };
        for wait in waits {
            wait.await;
        }
    }

    /// Takes what has come.
    pub(super) fn look_for_scopes(&self) {
        let deliveries: Vec<_> = {
            let mut scopes = self.scopes.borrow_mut();
            let all = scopes.0.iter_mut();
            all.filter_map(|(key, config)| Some((key.clone(), config.subscription.look()?)))
                .collect()
        };
        for (key, delivery) in deliveries {
            self.deliver_scopes(&key, delivery);
        }
    }

    fn deliver_scopes(&self, key: &Key, delivery: Delivery) {
        let verdict = match &delivery {
            Ok(response) => {
                let _until_all_are_there = self.planes.pause(&[ROUTES]);
                let mut bench = self.workshop.begin(response, &self.running);
                let verdict = self.apply_scopes(key, response, &mut bench);
                bench.tell();
                verdict
            }
            Err(_) => Ok(()),
        };
        let scopes = self.scopes.borrow();
        if let Some(config) = scopes.find(key) {
            match &delivery {
                Ok(response) => config.subscription.answer(&response.version, &verdict),
                Err(failure) => config.subscription.fail(failure, self.workshop.style()),
            }
        }
        drop(scopes);
        self.show_routes();
    }

    fn apply_scopes(&self, key: &Key, response: &Response, bench: &mut Bench<'_>) -> Verdict {
        let messages = bench.unpack_all(response, SCOPE)?;
        let scopes = self.scopes.borrow();
        let Some(config) = scopes.find(key) else {
            return Ok(());
        };
        let (source, former) = (config.source.clone(), config.scopes.clone());
        let former_routes = scopes.routes(&source);
        drop(scopes);
        let next = next_scopes(&former, &messages, response).map_err(|text| {
            log::warning(
                "config",
                &format!("srds: scoped route config '{}' rejected: {text}", key.0),
            );
            format!("Error adding/updating scoped route(s): {text}")
        })?;
        for message in &messages {
            check(&source, message, key)?;
            bench.check(message)?;
        }
        bench.check_scopes(&source, &messages)?;
        let asking = self.take_scopes(key, next, bench.version());
        let routes = self.scopes.borrow().routes(&source);
        routes
            .iter()
            .for_each(|routes| self.subscribe_to_routes(routes));
        let refreshed = self.refresh_scopes(key, bench);
        look_again(asking, self.workers());
        refreshed?;
        let names: HashSet<&str> = routes.iter().map(|one| &*one.name).collect();
        let is_gone = |one: &RouteSource| !names.contains(&*one.name);
        let gone: Vec<_> = former_routes.into_iter().filter(is_gone).collect();
        self.drop_routes_of_gone_scopes(&gone);
        Ok(())
    }

    /// Takes the scopes of an update; returns who is to look again, once they have effect.
    fn take_scopes(
        &self,
        key: &Key,
        next: BTreeMap<Box<str>, Arc<Message>>,
        version: &Arc<str>,
    ) -> Vec<Question> {
        let now = SystemTime::now();
        let mut scopes = self.scopes.borrow_mut();
        let Some(config) = scopes.find_mut(key) else {
            return Vec::new();
        };
        let former = std::mem::replace(&mut config.scopes, next);
        let scopes = |name: &str| former.get(name).zip(config.scopes.get(name));
        let is_as_before =
            |name: &str| scopes(name).is_some_and(|(former, next)| Arc::ptr_eq(former, next));
        let is_still_meant = |name: &str| {
            scopes(name).is_some_and(|(former, next)| {
                parts_of_key(former) == parts_of_key(next) && named_routes(next).is_some()
            })
        };
        let asking = config.asked.keep(is_as_before, is_still_meant);
        config.count();
        config.updated = Some((Arc::clone(version), now));
        config.reloads.config_reload.inc();
        config.reloads.config_reload_time_ms.set(millis(now));
        asking
    }

    /// Has all connection managers that use these scopes have them as they are now.
    pub(super) fn refresh_scopes(&self, wanted: &Key, bench: &mut Bench<'_>) -> Verdict {
        let uses_them = |source: &ScopeSource| key(source) == *wanted;
        let tables = self.tables_of_scopes(&uses_them, bench)?;
        self.set_routes(tables);
        Ok(())
    }
}

/// The scopes as they are after an update.
fn next_scopes(
    former: &BTreeMap<Box<str>, Arc<Message>>,
    messages: &[Arc<Message>],
    response: &Response,
) -> Result<BTreeMap<Box<str>, Arc<Message>>, String> {
    let mut next = match &response.removed {
        Some(_) => former.clone(),
        None => BTreeMap::new(),
    };
    for name in response.removed.iter().flatten() {
        next.remove(name);
    }
    let mut named = HashMap::new();
    for message in messages {
        let name = text(message, &["name"]);
        if named.insert(name, ()).is_some() {
            return Err(format!(
                "duplicate scoped route configuration '{name}' found"
            ));
        }
        // What is the same stays what it is, so that nothing of it is made anew.
        let stays = former.get(name).filter(|old| same(old, message));
        next.insert(name.into(), Arc::clone(stays.unwrap_or(message)));
    }
    let mut keys: HashMap<Vec<&str>, &str> = HashMap::new();
    for (name, message) in &next {
        if let Some(first) = keys.insert(parts_of_key(message), name) {
            return Err(format!(
                "scope key conflict found, first scope is '{first}', second scope is '{name}'"
            ));
        }
    }
    Ok(next)
}

/// The parts of a scope's key.
fn parts_of_key(scope: &Message) -> Vec<&str> {
    let fragments = scope.find(&["key", "fragments"]).and_then(Value::as_list);
    let fragments = fragments.unwrap_or_default().iter();
    let parts = fragments.filter_map(|item| item.value.as_message());
    parts.map(|part| text(part, &["string_key"])).collect()
}

/// Whether a scope says which routes it has.
fn check(source: &ScopeSource, scope: &Message, key: &Key) -> Verdict {
    let has_own = scope.get_by_name("route_configuration").is_some();
    if !has_own && text(scope, &["route_configuration_name"]).is_empty() {
        let why = "route_configuration_name is empty.";
        log::warning(
            "config",
            &format!("srds: scoped route config '{}' rejected: {why}", key.0),
        );
        return Err(why.into());
    }
    match named_routes(scope) {
        Some(name) => source.routes(name).map(drop),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use nuncio_config::resources::{Response, UnknownFields, parse_response};
    use nuncio_config::text::Limits;

    use super::*;

    /// An update with scopes of these names and keys.
    fn update(scopes: &[(&str, &str)]) -> (Vec<Arc<Message>>, Response) {
        let resources = scopes.iter().map(|(name, key)| {
            format!(
                "{{\"@type\": \"type.googleapis.com/{SCOPE}\", \"name\": \"{name}\", \"key\": {{\"fragments\": [{{\"string_key\": \"{key}\"}}]}}}}"
            )
        });
        let resources: Vec<_> = resources.collect();
        let text = format!("{{\"resources\": [{}]}}", resources.join(","));
        let response = parse_response(
            "test",
            text.as_bytes(),
            UnknownFields::Warned,
            &Limits::default(),
        );
        let response = response.expect("it is sound");
        let messages = response.resources.iter();
        let messages = messages.map(|any| Arc::clone(&any.message));
        (messages.collect(), response)
    }

    fn names(scopes: &BTreeMap<Box<str>, Arc<Message>>) -> Vec<&str> {
        scopes.keys().map(AsRef::as_ref).collect()
    }

    #[test]
    fn an_update_has_all_scopes_or_says_what_came_and_went() {
        let (messages, mut response) = update(&[("a", "1"), ("b", "2")]);
        let first = next_scopes(&BTreeMap::new(), &messages, &response).expect("it is sound");
        assert_eq!(names(&first), ["a", "b"]);
        let (messages, others) = update(&[("c", "1")]);
        let second = next_scopes(&first, &messages, &others).expect("it is sound");
        assert_eq!(names(&second), ["c"]);
        response.removed = Some(vec!["a".into()]);
        let third = next_scopes(&first, &messages, &response).expect("it is sound");
        assert_eq!(names(&third), ["b", "c"]);
    }

    #[test]
    fn a_scope_that_comes_again_as_it_was_is_not_another() {
        let (messages, response) = update(&[("a", "1"), ("b", "2")]);
        let first = next_scopes(&BTreeMap::new(), &messages, &response).expect("it is sound");
        let (messages, response) = update(&[("a", "1"), ("b", "3")]);
        let second = next_scopes(&first, &messages, &response).expect("it is sound");
        assert!(Arc::ptr_eq(&first["a"], &second["a"]));
        assert!(!Arc::ptr_eq(&first["b"], &second["b"]));
    }

    #[test]
    fn neither_names_nor_keys_are_there_twice_those_that_stay_among_them() {
        let (messages, response) = update(&[("a", "1"), ("a", "2")]);
        let twice = next_scopes(&BTreeMap::new(), &messages, &response);
        let text = "duplicate scoped route configuration 'a' found";
        assert_eq!(twice.err().as_deref(), Some(text));
        let (messages, response) = update(&[("a", "1")]);
        let first = next_scopes(&BTreeMap::new(), &messages, &response).expect("it is sound");
        let (messages, mut response) = update(&[("b", "1")]);
        response.removed = Some(Vec::new());
        let conflict = next_scopes(&first, &messages, &response);
        let text = "scope key conflict found, first scope is 'a', second scope is 'b'";
        assert_eq!(conflict.err().as_deref(), Some(text));
    }
}
