//! VHDS: virtual hosts of route configurations that come by RDS, from a server that tells what changes.
//!
//! It tells some by itself, and is asked for those that requests name (the HTTP filter `on_demand`): by the route
//! configuration's name, a slash and the host of the request. What has come stands behind the hosts that the route
//! configuration has of its own, by name. An update is taken whole or not at all. Who waits goes on when something came
//! by the name that was asked for, be it that there is nothing. As in Envoy a host is taken back by its own name alone,
//! not by that of its resource, and what has come stays when the route configuration changes.
//!
//! Limits: [`MOST_NAMES`] different names of a route configuration are asked for; beyond that there is no such host.
//! Routes wait for their first virtual hosts as long as `initial_fetch_timeout` says.

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
use super::delivery::{Delivery, Verdict};
use super::routes::Key;
use super::subscription::{Subscription, Wanted, millis};
use super::workshop::Bench;
use crate::admin::state::{DumpedConfig, DynamicConfig};

const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";
/// The field of a route configuration that has its hosts.
const HOSTS_FIELD: u32 = 2;
/// How many names may be asked for.
const MOST_NAMES: usize = 10_000;
/// From how many on those who wait are looked through for such as do not wait any more.
const MANY_WAIT: usize = 64;

/// The virtual hosts of a route configuration that come from elsewhere.
pub(super) struct VirtualHosts {
    source: ResourceSource,
    subscription: Subscription,
    reloads: Arc<Counter>,
    /// Listed, though Envoy counts nothing in it.
    _empty: Arc<EmptyUpdateStats>,
    /// What has come, by name.
    hosts: BTreeMap<Box<str>, Arc<Message>>,
    /// What was asked for.
    names: HashSet<Box<str>>,
    waiting: Vec<Question>,
    /// How many may wait before they are looked through.
    most_waiting: usize,
}

impl VirtualHosts {
    /// Whether the first have not come and are still waited for.
    pub(super) fn is_awaited(&self) -> bool {
        !self.subscription.first().is_done()
    }

    fn ask(&mut self, question: Question) {
        let name = &question.name;
        if !self.names.contains(name) {
            if self.names.len() >= MOST_NAMES {
                return question.answer(Found::Missing);
            }
            self.names.insert(name.clone());
        }
        let is_asked_for = self.waiting.iter().any(|other| other.name == *name);
        if !is_asked_for {
            self.subscription.also(name);
        }
        if self.waiting.len() >= self.most_waiting {
            self.waiting.retain(Question::is_awaited);
            self.most_waiting = MANY_WAIT.max(self.waiting.len() * 2);
        }
        self.waiting.push(question);
    }

    /// Those who wait for one of these.
    fn take_waiting(&mut self, names: &[Box<str>]) -> Vec<Question> {
        let names: HashSet<&str> = names.iter().map(AsRef::as_ref).collect();
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (over, waiting) = waiting.partition(|one| names.contains(&*one.name));
        self.waiting = waiting;
        over
    }

    /// What there is after an update.
    fn next(
        &self,
        messages: &[Arc<Message>],
        response: &Response,
    ) -> BTreeMap<Box<str>, Arc<Message>> {
        let mut next = self.hosts.clone();
        for name in response.removed.iter().flatten() {
            next.remove(name);
        }
        for message in messages {
            let name = message.find(&["name"]).and_then(Value::as_str);
            next.insert(name.unwrap_or_default().into(), Arc::clone(message));
        }
        next
    }
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
        let routes = self.routes.borrow();
        let hosts = routes.find(key).and_then(|config| config.hosts.as_ref());
        match hosts {
            Some(hosts) => with(own, hosts.hosts.values()),
            None => Arc::clone(own),
        }
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
        let former = config.hosts.take();
        let scope = format!("http.{}.rds.vhds.{}", config.stat_prefix, key.0);
        drop(routes);
        let scope = self.around.stats.scope(&scope);
        let (reloads, empty) = (scope.counter("config_reload"), scope.worker_group());
        let wanted = Wanted {
            kind: VIRTUAL_HOST,
            name: Some(&key.0),
        };
        let (subscription, _nothing_is_there_at_once) =
            Subscription::begin(&self.planes, wanted, &source, scope);
        let hosts = former.map(|former| former.hosts).unwrap_or_default();
        let begun = VirtualHosts {
            source,
            subscription,
            reloads,
            _empty: empty,
            hosts,
            names: HashSet::new(),
            waiting: Vec::new(),
            most_waiting: MANY_WAIT,
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
        let config = routes.find_mut(&(of.name, of.source));
        match config.and_then(|config| config.hosts.as_mut()) {
            Some(hosts) => hosts.ask(question),
            None => question.answer(Found::Missing),
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
        if verdict.is_ok() {
            let over = hosts.take_waiting(&response.names);
            over.into_iter()
                .for_each(|one| one.answer(Found::Available));
        }
        drop(routes);
        self.show_routes();
    }

    fn apply_hosts(&self, key: &Key, response: &Response, bench: &mut Bench<'_>) -> Verdict {
        let messages = bench.unpack_all(response, VIRTUAL_HOST)?;
        let (next, merged) = {
            let routes = self.routes.borrow();
            let config = routes.find(key);
            let found = config.and_then(|config| Some((config.own()?, config.hosts.as_ref()?)));
            let Some((own, hosts)) = found else {
                return Ok(());
            };
            let next = hosts.next(&messages, response);
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
            hosts.hosts = next;
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
