//! The listeners that run.
//!
//! What becomes of one whose message is another than before:
//! - its routes alone are others: the workers swap the table; connections stay;
//! - its filter chains alone are others: as below, but that open connections of chains that stay go on, and count for
//!   the limit of the listener as before;
//! - anything else but the address: the sockets stay, connections to come get the new connection manager, open
//!   ones drain on the old one;
//! - the address: new sockets are bound and accept before the old ones, emptied, are closed.
//!
//! Sockets go by address, not by name: a listener takes over those of one that leaves the same address.

mod preparing;
mod shown;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use nuncio_config::sorting;
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stats::groups::ListenerManagerStats;
use nuncio_http::route::RouteTable;
use nuncio_net::listen_address::ListenAddress;

use super::draining::{Draining, Drains};
use super::sockets::{Copies, Inherit, Sockets};
use crate::admin::state::DynamicConfig;
use crate::listener::{InPlace, ListenerCommand, ListenerId, SocketEnd};
use crate::resource::{ListenerResource, Rejected};
use crate::workers::{Command, Workers};

pub(crate) use preparing::Prepared;
use preparing::{Step, What};

/// All listeners that accept, and what is known of those that drain.
pub(crate) struct Listeners {
    pub(super) running: Vec<Running>,
    /// Those that are gone or moved and still have connections.
    pub(super) draining: Vec<Drains>,
    /// The former versions of those that were updated in place, as long as they have connections.
    pub(super) draining_chains: Vec<Drains>,
    /// Some have drained since this was asked last.
    pub(super) has_drained: bool,
    pub(super) draining_shown: Draining,
    next_id: u64,
    pub(super) workers: usize,
    pub(super) stats: Arc<ListenerManagerStats>,
    /// Whether another process has taken over.
    is_retired: bool,
    /// The sockets of the process before, while this one starts.
    inherit: Option<Inherit>,
    /// What was rejected of the last update, for `/config_dump`.
    pub(super) rejected: Vec<Rejected>,
    /// Those that warm, for `/config_dump`.
    pub(super) warming_shown: Vec<(String, DynamicConfig)>,
    /// The version of the last update that changed something.
    pub(super) update: Option<Arc<str>>,
}

pub(super) struct Running {
    pub(super) id: ListenerId,
    pub(super) resource: ListenerResource,
    /// None once another listener has taken them over, or it was stopped.
    pub(super) sockets: Option<Sockets>,
    /// Where it listened, if it was stopped.
    pub(super) stopped_at: Option<Vec<ListenAddress>>,
    pub(super) updated: SystemTime,
    /// Whether another process has copies of the sockets.
    pub(super) is_passed: bool,
}

/// The tables that a published change put out of use; streams may still hold them.
pub(crate) type FormerRoutes = Vec<Weak<RouteTable>>;

impl Listeners {
    /// None yet, for `workers` workers.
    pub(crate) fn new(stats: &StatsStore, workers: usize) -> Self {
        Listeners {
            running: Vec::new(),
            draining: Vec::new(),
            draining_chains: Vec::new(),
            has_drained: false,
            draining_shown: Draining::default(),
            next_id: 0,
            workers,
            stats: stats.root().worker_group(),
            is_retired: false,
            inherit: None,
            rejected: Vec::new(),
            warming_shown: Vec::new(),
            update: None,
        }
    }

    /// From now on sockets of new listeners are looked for there, before they are bound.
    pub(crate) fn inherit_from(&mut self, inherit: Option<Inherit>) {
        self.inherit = inherit;
    }

    /// Has the workers do what was prepared.
    pub(crate) fn publish(
        &mut self,
        prepared: Prepared,
        workers: &Workers,
        now: SystemTime,
    ) -> FormerRoutes {
        self.count(&prepared);
        let places: Vec<_> = self
            .running
            .iter()
            .map(|running| running.name().to_string())
            .collect();
        let opening = prepared.steps.iter().filter(|step| step.what.opens());
        let moving = opening.map(|step| &step.resource.listener.name);
        let leaving: Vec<_> = prepared.removed.iter().chain(moving).collect();
        let mut left: Vec<_> = leaving
            .into_iter()
            .filter_map(|name| self.take(name))
            .collect();
        let mut former = FormerRoutes::new();
        for step in prepared.steps {
            former.extend(self.apply(step, workers, now, &mut left));
        }
        sorting::sort_by_key(&mut self.running, |running| {
            let place = places.iter().position(|name| name == running.name());
            place.unwrap_or(usize::MAX)
        });
        for gone in left {
            former.extend(gone.resource.routes.iter().map(Arc::downgrade));
            self.see_off(gone, workers);
        }
        if self.is_retired {
            // The change was under way meanwhile. What its new sockets have queued is served, and no more.
            self.retire(workers);
        }
        self.refresh_stats();
        former
    }

    /// The workers close the sockets, if nobody took them over, and drain the connections.
    fn see_off(&mut self, gone: Running, workers: &Workers) {
        self.draining_shown.note(&gone);
        self.draining
            .push(self.draining_shown.begin(&gone.resource.listener));
        let id = gone.id;
        let end = match gone.sockets {
            Some(_) => SocketEnd::Closed,
            None => SocketEnd::HandedOver,
        };
        // Our copies first, so that a worker's is the last one, which it empties before it closes it.
        drop(gone);
        workers.tell(|| Some(Command::Listener(id, ListenerCommand::Remove(end))));
    }

    /// Copies of the sockets that listen at an address, for datagrams or not, for another process that takes over; none
    /// if there are none.
    pub(crate) fn pass_sockets(
        &mut self,
        address: &ListenAddress,
        datagrams: bool,
    ) -> Vec<OwnedFd> {
        let listens = |running: &&mut Running| {
            let options = &running.resource.listener.options;
            let mut addresses = running.addresses().into_iter();
            options.datagrams == datagrams && addresses.any(|at| at.is_at(address))
        };
        let Some(running) = self.running.iter_mut().find(listens) else {
            return Vec::new();
        };
        let sockets = running.sockets.as_ref();
        let sockets = sockets.map(|sockets| sockets.for_another_process(address));
        match sockets {
            Some(Ok(sockets)) => {
                running.is_passed = true;
                sockets
            }
            Some(Err(error)) => {
                let name = running.name();
                crate::log::warning("config", &format!("sockets of '{name}' stay: {error}"));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// No other process has copies of sockets any more.
    pub(crate) fn take_back(&mut self) {
        for running in &mut self.running {
            running.is_passed = false;
        }
    }

    /// All listeners stop, because another process has taken over. Open connections are seen off, and stay until the
    /// process ends if their clients want it.
    pub(crate) fn retire(&mut self, workers: &Workers) {
        self.is_retired = true;
        let stopped = self.running.len() * self.workers;
        self.stats
            .listener_stopped
            .add(u64::try_from(stopped).unwrap_or(0));
        for gone in std::mem::take(&mut self.running) {
            self.draining
                .push(self.draining_shown.begin(&gone.resource.listener));
            let id = gone.id;
            let end = match gone.is_passed {
                true => SocketEnd::HandedOver,
                false => SocketEnd::Closed,
            };
            drop(gone);
            workers.tell(|| Some(Command::Listener(id, ListenerCommand::Retire(end))));
        }
    }

    /// Does one step; returns the routes that it puts out of use.
    fn apply(
        &mut self,
        step: Step,
        workers: &Workers,
        now: SystemTime,
        left: &mut [Running],
    ) -> FormerRoutes {
        let Step { resource, what } = step;
        match what {
            What::Keep => {
                if let Some(running) = self.find_mut(&resource.listener.name) {
                    running.resource.version = resource.version;
                }
            }
            What::SetRoutes => return self.replace(resource, true, workers, now),
            What::Update => return self.replace(resource, false, workers, now),
            What::Bind(sockets, copies) => self.add(resource, sockets, copies, workers, now),
            What::TakeOver(from, copies) => {
                let from = left.iter_mut().find(|running| running.name() == from);
                if let Some(sockets) = from.and_then(|from| from.sockets.take()) {
                    self.add(resource, sockets, copies, workers, now);
                }
            }
        }
        FormerRoutes::new()
    }

    fn add(
        &mut self,
        resource: ListenerResource,
        mut sockets: Sockets,
        mut copies: Copies,
        workers: &Workers,
        now: SystemTime,
    ) {
        sockets.keep();
        sockets.set_backlog(resource.listener.options.backlog);
        let id = ListenerId(self.next_id);
        self.next_id += 1;
        workers.tell(|| {
            let (listener, routes) = (Arc::clone(&resource.listener), Arc::clone(&resource.routes));
            let command = ListenerCommand::Add(listener, routes, copies.next()?);
            Some(Command::Listener(id, command))
        });
        self.running.push(Running {
            id,
            resource,
            sockets: Some(sockets),
            stopped_at: None,
            updated: now,
            is_passed: false,
        });
    }

    /// The new connection manager or, if `routes_alone`, the new routes; returns the former ones.
    fn replace(
        &mut self,
        resource: ListenerResource,
        routes_alone: bool,
        workers: &Workers,
        now: SystemTime,
    ) -> FormerRoutes {
        let mut all = self.running.iter_mut();
        let Some(running) = all.find(|one| one.name() == resource.listener.name) else {
            return FormerRoutes::new();
        };
        let former = running.resource.routes.iter().map(Arc::downgrade).collect();
        let id = running.id;
        let is_in_place = running
            .resource
            .version
            .differs_in_chains_alone(&resource.version);
        if !is_in_place {
            self.draining_shown.note(running);
        }
        running.updated = now;
        let mut in_place = None;
        let (listener, routes) = (Arc::clone(&resource.listener), Arc::clone(&resource.routes));
        let identities = InPlace {
            former: running.resource.version.chain_identities(),
            now: resource.version.chain_identities(),
        };
        let gone = identities.gone();
        if routes_alone {
            running.resource.routes = resource.routes;
            running.resource.version = resource.version;
            self.draining_chains
                .push(self.draining_shown.begin_routes(gone.len()));
        } else {
            if let Some(sockets) = &mut running.sockets {
                sockets.set_backlog(resource.listener.options.backlog);
            }
            if is_in_place {
                let former = &running.resource.listener.limits;
                resource.listener.limits.go_on_from(former);
            }
            in_place = is_in_place.then_some(identities);
            let mut old = std::mem::replace(&mut running.resource, resource);
            if is_in_place && running.resource.update.is_some() && old.update.is_some() {
                // Envoy goes on with the version of the listener that it changes.
                running.resource.update = old.update.take();
            }
            match is_in_place {
                true => {
                    let drains = self.draining_shown.begin_chains(&old.listener, &gone);
                    self.draining_chains.push(drains);
                }
                false => {
                    let drains = self.draining_shown.begin(&old.listener);
                    self.draining.push(drains);
                }
            }
        }
        workers.tell(|| {
            let (routes, in_place) = (Arc::clone(&routes), in_place.clone());
            let command = match routes_alone {
                true => ListenerCommand::SetRoutes(routes),
                false => ListenerCommand::Update(Arc::clone(&listener), routes, in_place),
            };
            Some(Command::Listener(id, command))
        });
        former
    }

    fn count(&self, prepared: &Prepared) {
        let changes = &prepared.changes;
        let count = |names: &Vec<String>| u64::try_from(names.len()).unwrap_or(0);
        let workers = u64::try_from(self.workers).unwrap_or(1);
        let stats = &self.stats;
        let counted = prepared.steps.iter().filter(|one| one.resource.is_counted);
        let counted: Vec<_> = counted.map(|step| &step.resource.listener.name).collect();
        let uncounted = |names: &Vec<String>| {
            let names = names.iter().filter(|name| !counted.contains(name));
            u64::try_from(names.count()).unwrap_or(0)
        };
        stats.listener_added.add(uncounted(&changes.added));
        stats.listener_modified.add(uncounted(&changes.updated));
        stats.listener_removed.add(count(&changes.removed));
        let in_place = prepared.steps.iter().filter(|step| {
            let running = self.find(&step.resource.listener.name);
            let version = running.map(|running| &running.resource.version);
            !step.resource.is_counted
                && step.what.is_in_place()
                && version.is_some_and(|old| old.differs_in_chains_alone(&step.resource.version))
        });
        stats
            .listener_in_place_updated
            .add(u64::try_from(in_place.count()).unwrap_or(0));
        stats
            .listener_create_success
            .add((count(&changes.added) + count(&changes.updated)) * workers);
    }

    /// Brings the gauges up to date.
    pub(crate) fn refresh_stats(&mut self) {
        let count = |number: usize| u64::try_from(number).unwrap_or(0);
        self.forget_drained();
        self.stats
            .total_listeners_active
            .set(count(self.running.len()));
        self.stats.total_listeners_warming.add(0);
        // Which are not in use, as in Envoy, before something drains.
        for (gauge, draining) in [
            (&self.stats.total_listeners_draining, self.draining.len()),
            (
                &self.stats.total_filter_chains_draining,
                self.draining_chains
                    .iter()
                    .filter(|one| !one.is_over())
                    .map(Drains::chains)
                    .sum(),
            ),
        ] {
            if draining > 0 || gauge.share() != 0 {
                gauge.set(count(draining));
            }
        }
    }

    /// Says that the workers run.
    pub(crate) fn workers_started(&self) {
        self.stats.workers_started.set(1);
    }

    /// When the listener of this name last changed.
    pub(crate) fn updated(&self, name: &str) -> Option<SystemTime> {
        self.find(name).map(|running| running.updated)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Running> {
        self.running.iter().find(|running| running.name() == name)
    }

    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Running> {
        self.running
            .iter_mut()
            .find(|running| running.name() == name)
    }

    fn take(&mut self, name: &str) -> Option<Running> {
        let place = self
            .running
            .iter()
            .position(|running| running.name() == name)?;
        Some(self.running.remove(place))
    }
}
