//! VHDS: virtual hosts of route configurations that come by RDS, from a server that tells what changes.
//!
//! It tells some by itself, and is asked for those that requests name (the HTTP filter `on_demand`): by the route
//! configuration's name, a slash and the host of the request. What has come stands behind the hosts that the route
//! configuration has of its own, by name, as long as it says that there are others. An update is taken whole or not at all. Who waits goes on when something came
//! by the name that was asked for, be it that there is nothing. As in Envoy a host is taken back by its own name alone,
//! not by that of its resource, and what has come stays when the route configuration changes.
//!
//! Limits: those of [`super::asked_names`] for the names of a route configuration that are asked for; beyond that there is
//! no such host. Routes wait for their first virtual hosts as long as `initial_fetch_timeout` says.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::resources::Response;
use nuncio_config::span::Span;
use nuncio_config::tree::{Entry, Item, Message, Value};
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::on_demand::Found;
use nuncio_contract::on_demand_message::RoutesWith;
use nuncio_contract::stats::Counter;
use nuncio_contract::stats::groups::EmptyUpdateStats;
use nuncio_upstream::on_demand::Question;

use super::Discovery;
use super::asked_names::{AskedNames, MOST_NAME_BYTES, Taken};
use super::delivery::{Delivery, Verdict};
use super::routes::Key;
use super::subscription::{Subscription, Wanted, millis};
use super::waiting::{Waiting, look_again};
use super::workshop::Bench;
use crate::admin::state::{DumpedConfig, DynamicConfig};

const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";
/// The field of a route configuration that has its hosts.
const HOSTS_FIELD: u32 = 2;

/// Virtual hosts by name.
pub(super) type Hosts = BTreeMap<Box<str>, Arc<Message>>;

/// The virtual hosts of a route configuration that come from elsewhere.
pub(super) struct VirtualHosts {
    source: ResourceSource,
    subscription: Subscription,
    reloads: Arc<Counter>,
    /// Listed, though Envoy counts nothing in it.
    _empty: Arc<EmptyUpdateStats>,
    /// What was asked for.
    names: AskedNames,
    waiting: Waiting,
}

impl VirtualHosts {
    /// Whether the first have not come and are still waited for.
    pub(super) fn is_awaited(&self) -> bool {
        !self.subscription.first().is_done()
    }

    fn ask(&mut self, question: Question) {
        let name = &question.name;
        match self.names.ask(name, |_| false) {
            Taken::In => {}
            Taken::InsteadOf(other) => {
                self.subscription.no_more(&other);
                self.waiting.answer(&other, Found::Missing);
            }
            Taken::No => return question.answer(Found::Missing),
        }
        if !self.waiting.has(name) {
            self.subscription.also(name);
        }
        self.waiting.push(question);
    }

    /// Notes what came and went; returns who waits for something that came.
    fn take(&mut self, response: &Response) -> Vec<Question> {
        let missing: HashSet<&str> = response.missing.iter().map(AsRef::as_ref).collect();
        let there = response.names.iter();
        there
            .filter(|name| !missing.contains(&***name))
            .for_each(|name| self.names.found(name));
        let gone = response.removed.iter().flatten();
        gone.for_each(|name| self.names.lost(name));
        let came = response.names.iter();
        came.flat_map(|name| self.waiting.take(name)).collect()
    }
}

/// What there is after an update.
fn next(former: &Hosts, messages: &[Arc<Message>], response: &Response) -> Hosts {
    let mut next = former.clone();
    for name in response.removed.iter().flatten() {
        next.remove(name);
    }
    for message in messages {
        let name = message.find(&["name"]).and_then(Value::as_str);
        next.insert(name.unwrap_or_default().into(), Arc::clone(message));
    }
    next
}

/// A route configuration with more hosts behind its own.
fn with<'h>(own: &Arc<Message>, hosts: impl Iterator<Item = &'h Arc<Message>>) -> Arc<Message> {
    let more: Vec<_> = hosts
        .map(|host| Item {
            span: Span::NONE,
            value: Value::Message(Arc::clone(host)),
        })
        .collect();
    if more.is_empty() {
        return Arc::clone(own);
    }
    let mut merged = Message::clone(own);
    let before = own.get(HOSTS_FIELD);
    let before = before.and_then(|entry| entry.value.as_list());
    let all = before.unwrap_or_default().iter().cloned().chain(more);
    let value = Value::List(all.collect());
    merged.set(Entry::new(HOSTS_FIELD, Span::NONE, Span::NONE, value));
    Arc::new(merged)
}

impl Discovery<'_> {
    /// A route configuration with the virtual hosts that have come for it.
    pub(super) fn with_hosts(&self, key: &Key, own: &Arc<Message>) -> Arc<Message> {
        match self.routes.borrow().find(key) {
            Some(config) => with(own, config.hosts_that_came.values()),
            None => Arc::clone(own),
        }
    }

    /// Whether virtual hosts can come from there; if not, why, in Envoy's words.
    pub(super) fn check_host_source(&self, source: &ResourceSource) -> Verdict {
        let ResourceSource::Ads { .. } = source else {
            return Ok(());
        };
        let why = match self.planes.for_all() {
            Some(plane) if plane.is_delta() => return Ok(()),
            Some(_) => "vhds: ADS must use DELTA_GRPC api_type when used as VHDS config source.",
            None => "vhds: ADS config source specified but no ADS configured in bootstrap.",
        };
        Err(why.to_owned())
    }

    /// Subscribes to what a route configuration that came says, and to nothing else.
    pub(super) fn subscribe_to_hosts(&self, key: &Key, source: Option<ResourceSource>) {
        let mut routes = self.routes.borrow_mut();
        let Some(config) = routes.find_mut(key) else {
            return;
        };
        let Some(source) = source else {
            let gone = config.hosts.take();
            drop(routes);
            return drop(gone);
        };
        if let Some(hosts) = &config.hosts
            && hosts.source == source
        {
            return;
        }
        let gone = config.hosts.take();
        let scope = format!("http.{}.rds.vhds.{}", config.stat_prefix, key.0);
        drop(routes);
        let scope = self.around.stats.scope(&scope);
        let (reloads, empty) = (scope.counter("config_reload"), scope.worker_group());
        let wanted = Wanted::one(VIRTUAL_HOST, &key.0);
        let (subscription, _nothing_is_there_at_once) =
            Subscription::begin(&self.planes, wanted, &source, scope);
        // Not before: what both want is not to be unsubscribed from in between.
        drop(gone);
        let begun = VirtualHosts {
            source,
            subscription,
            reloads,
            _empty: empty,
            names: AskedNames::default(),
            waiting: Waiting::default(),
        };
        if let Some(config) = self.routes.borrow_mut().find_mut(key) {
            config.hosts = Some(begun);
        }
        self.changed.notify_one();
    }

    /// Waits for the first virtual hosts of all route configurations.
    pub(super) async fn first_hosts(&self) {
        let waits: Vec<_> = {
            let mut routes = self.routes.borrow_mut();
            let hosts = routes
                .all_mut()
                .filter_map(|(_, config)| config.hosts.as_ref());
            hosts
                .map(|hosts| hosts.subscription.first().wait())
                .collect()
        };
        for wait in waits {
            wait.await;
        }
    }

    /// Takes a question for a virtual host.
    pub(super) fn ask_for_host(&self, of: RoutesWith, question: Question) {
        let mut routes = self.routes.borrow_mut();
        let most_bytes = of.name.len() + 1 + MOST_NAME_BYTES;
        let config = routes.find_mut(&(of.name, of.source));
        match config.and_then(|config| config.hosts.as_mut()) {
            Some(hosts) if question.name.len() <= most_bytes => hosts.ask(question),
            _ => question.answer(Found::Missing),
        }
    }

    /// Takes what has come.
    pub(super) fn look_for_hosts(&self) {
        let deliveries: Vec<_> = {
            let mut routes = self.routes.borrow_mut();
            let all = routes.all_mut();
            all.filter_map(|(key, config)| {
                let delivery = config.hosts.as_mut()?.subscription.look()?;
                Some((key.clone(), delivery))
            })
            .collect()
        };
        for (key, delivery) in deliveries {
            self.deliver_hosts(&key, delivery);
        }
    }

    fn deliver_hosts(&self, key: &Key, delivery: Delivery) {
        // Servers give no files that cannot be read.
        let Ok(response) = delivery else {
            return;
        };
        let mut bench = self.workshop.begin(&response, &self.running);
        let verdict = self.apply_hosts(key, &response, &mut bench);
        bench.tell();
        let mut routes = self.routes.borrow_mut();
        let hosts = routes
            .find_mut(key)
            .and_then(|config| config.hosts.as_mut());
        let Some(hosts) = hosts else {
            return;
        };
        hosts.subscription.answer(&response.version, &verdict);
        let found = match verdict {
            Ok(()) => hosts.take(&response),
            Err(_) => Vec::new(),
        };
        drop(routes);
        look_again(found, self.workers());
        self.show_routes();
    }

    fn apply_hosts(&self, key: &Key, response: &Response, bench: &mut Bench<'_>) -> Verdict {
        let messages = bench.unpack_all(response, VIRTUAL_HOST)?;
        let (next, merged) = {
            let routes = self.routes.borrow();
            let config = routes.find(key);
            let config = config.filter(|config| config.hosts.is_some());
            let Some((config, own)) = config.and_then(|config| Some((config, config.own()?)))
            else {
                return Ok(());
            };
            let next = next(&config.hosts_that_came, &messages, response);
            let merged = with(own, next.values());
            (next, merged)
        };
        bench.check(&merged)?;
        self.check_for_warming(key, &merged, bench)?;
        let tables = self.tables(key, &merged, bench)?;
        let now = SystemTime::now();
        if let Some(config) = self.routes.borrow_mut().find_mut(key)
            && let Some(hosts) = &mut config.hosts
        {
            config.current = Some(DynamicConfig {
                version: Arc::clone(bench.version()),
                config: DumpedConfig {
                    message: merged,
                    last_updated: now,
                },
            });
            let is_first = hosts.is_awaited();
            config.hosts_that_came = next;
            hosts.reloads.inc();
            if !is_first {
                // Envoy counts the routes and their first hosts as one.
                config.reloads.config_reload.inc();
            }
            config.reloads.config_reload_time_ms.set(millis(now));
        }
        self.set_routes(tables);
        Ok(())
    }
}
