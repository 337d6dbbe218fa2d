//! What runs of resources that come by themselves: clusters that warm beside what runs, listeners of an update, and
//! what `/config_dump` says of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_config::sorting;
use nuncio_config::tree::{Message, same};
use nuncio_contract::services::LocalFuture;
use nuncio_net::tasks::spawn_seldom;

use super::Running as All;
use super::clusters::{Clusters, Running, Warming, count};
use super::listeners::{FormerRoutes, Listeners};
use crate::admin::state::{DumpedConfig, DynamicConfig, DynamicListener, RejectedConfig};
use crate::listener::{ListenerCommand, Routes};
use crate::resource::{ClusterResource, ListenerResource, Rejected};
use crate::workers::{Command, Workers};

/// A cluster that is to be promoted once it is warm.
pub(super) struct Cold {
    name: Box<str>,
    /// Which of the warming ones of its name it is.
    number: u64,
    warmed: LocalFuture<()>,
}

impl All {
    /// The clusters of an update, `removed` gone. What is warm runs at once, the rest once it is; what goes serves for
    /// `retirement` at most.
    pub(crate) fn update_clusters(
        self: &Rc<Self>,
        put: Vec<ClusterResource>,
        removed: Vec<String>,
        workers: &Workers,
        retirement: Duration,
    ) {
        let now = SystemTime::now();
        let warming = self.clusters.borrow().prepare_update(put, removed, now);
        let (removed, cold) = self.clusters.borrow_mut().publish_warm(warming);
        workers.tell(|| Some(Command::DropOutdatedClusters));
        for cold in cold {
            self.promote_once_warm(cold, Some(workers.clone()));
        }
        let former = FormerRoutes::new();
        let mut clusters = self.clusters.borrow_mut();
        spawn_seldom(clusters.retire(&removed, former, workers, retirement));
        self.names_other_files.notify_one();
    }

    /// Lets a cluster run once it is warm; `workers` drop the one whose place it takes.
    pub(super) fn promote_once_warm(self: &Rc<Self>, cold: Cold, workers: Option<Workers>) {
        let running = Rc::clone(self);
        spawn_seldom(async move {
            cold.warmed.await;
            let warm = (cold.name, cold.number);
            running.clusters.borrow_mut().warm.push(warm);
            // Those that are warm at the same time go together: workers look through all clusters each time.
            tokio::task::yield_now().await;
            let promoted = running.clusters.borrow_mut().promote();
            running.has_promoted.notify_one();
            if promoted {
                if let Some(workers) = workers {
                    workers.tell(|| Some(Command::DropOutdatedClusters));
                }
                running.names_other_files.notify_one();
            }
        });
    }
}

impl All {
    /// Waits until those are warm that came by updates and that the start waits for.
    pub(crate) async fn dynamic_clusters_warmed(&self) {
        let warmed = Rc::clone(&self.clusters.borrow().warmed);
        while self.clusters.borrow().start_waits() {
            warmed.notified().await;
        }
    }
}

impl Clusters {
    /// Whether some that came by updates warm.
    pub(crate) fn are_warming(&self) -> bool {
        !self.warming.is_empty()
    }

    fn start_waits(&self) -> bool {
        self.warming.values().any(|one| one.start_waits)
    }

    /// Whether one of this name runs, or warms.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.running.contains_key(name) || self.warming.contains_key(name)
    }

    /// The names of those that came by updates.
    pub(crate) fn dynamic_names(&self) -> Vec<String> {
        let running = self.running.iter().chain(&self.warming);
        let dynamic = running.filter(|(_, one)| one.update.is_some() && !one.is_managed);
        let mut names: Vec<_> = dynamic.map(|(name, _)| name.to_string()).collect();
        sorting::sort(&mut names);
        names.dedup();
        names
    }

    /// Whether a cluster of this name is static, so that no update changes it.
    pub(crate) fn is_static(&self, name: &str) -> bool {
        let running = self.running.get(name);
        running.is_some_and(|running| running.update.is_none())
    }

    /// Whether this is what runs already, or warms.
    pub(crate) fn has(&self, name: &str, message: &Arc<Message>) -> bool {
        let newest = self.warming.get(name).or_else(|| self.running.get(name));
        newest.is_some_and(|one| same(&one.version.message, message))
    }

    /// Publishes what is warm; returns the names of what is to go. The rest is returned with what it waits for; each is
    /// to be promoted then.
    pub(super) fn publish_warm(&mut self, mut warming: Warming) -> (Vec<String>, Vec<Cold>) {
        let is_cold = |one: &Running| {
            one.resolution.is_some() || one.first_hosts.is_some() || one.checks.is_some()
        };
        let made = std::mem::take(&mut warming.made);
        let (cold, warm): (Vec<_>, Vec<_>) = made.into_iter().partition(is_cold);
        for one in &warm {
            self.warming.remove(&one.shared.settings.name);
        }
        for name in &warming.removed {
            self.warming.remove(name.as_str());
        }
        warming.made = warm;
        let mut waits = Vec::new();
        for mut one in cold {
            self.next_warming += 1;
            one.warming_number = self.next_warming;
            let name = one.shared.settings.name.clone();
            waits.push(Cold {
                name: name.clone(),
                number: one.warming_number,
                warmed: Box::pin(one.warmed()),
            });
            self.warming.insert(name, one);
        }
        (self.publish(warming), waits)
    }

    /// Puts clusters that are warm into the places of those that run; whether there are any, as others of their names
    /// may warm meanwhile.
    fn promote(&mut self) -> bool {
        self.warmed.notify_one();
        let mut promoted = Vec::new();
        for (name, number) in std::mem::take(&mut self.warm) {
            let is_it = |one: &Running| one.warming_number == number;
            if self.warming.get(&name).is_some_and(is_it)
                && let Some(one) = self.warming.remove(&name)
            {
                promoted.push(Arc::clone(&one.shared));
                self.running.insert(name, one);
            }
        }
        if promoted.is_empty() {
            return false;
        }
        self.manager.publish(promoted);
        self.stats.warming_clusters.set(count(self.warming.len()));
        self.refresh_stats();
        true
    }

    /// Notes the version of an update that changes something.
    pub(crate) fn note_update(&mut self, version: Arc<str>) {
        self.update = Some(version);
    }

    /// The version of the last update that changed something.
    pub(crate) fn update_version(&self) -> Option<Arc<str>> {
        self.update.clone()
    }

    /// Counts clusters that were refused, as Envoy does before it tries them.
    pub(crate) fn count_refused(&self, added: usize, modified: usize) {
        self.stats.cluster_added.add(count(added));
        self.stats.cluster_modified.add(count(modified));
    }

    /// Those that came by updates, by name: those that run, and those that warm.
    pub(crate) fn dump(&self) -> (Vec<DynamicConfig>, Vec<DynamicConfig>) {
        let running = self.running.values();
        let warming = self.warming.values();
        (dumped(running), dumped(warming))
    }
}

fn dumped<'a>(clusters: impl Iterator<Item = &'a Running>) -> Vec<DynamicConfig> {
    let mut dynamic: Vec<_> = clusters
        .filter_map(|one| {
            let name = one.shared.settings.name.to_string();
            Some((name, one.update.as_ref()?, one))
        })
        .collect();
    sorting::sort_by(&mut dynamic, |(one, ..), (other, ..)| one.cmp(other));
    let configs = dynamic.into_iter().map(|(_, version, one)| DynamicConfig {
        version: Arc::clone(version),
        config: DumpedConfig {
            message: Arc::clone(&one.version.message),
            last_updated: one.updated,
        },
    });
    configs.collect()
}

impl Listeners {
    /// The names of those that came by updates.
    pub(crate) fn dynamic_names(&self) -> Vec<String> {
        let running = self.running.iter();
        let dynamic = running.filter(|running| running.resource.update.is_some());
        dynamic.map(|running| running.name().to_string()).collect()
    }

    /// Whether a listener of this name is static, so that no update changes it.
    pub(crate) fn is_static(&self, name: &str) -> bool {
        let running = self.find(name);
        running.is_some_and(|running| running.resource.update.is_none())
    }

    /// Whether this is what runs already.
    pub(crate) fn has(&self, name: &str, message: &Arc<Message>) -> bool {
        let running = self.find(name);
        running.is_some_and(|running| same(&running.resource.version.message, message))
    }

    /// Notes what came of an update: its version, if it changed something, and what was rejected of it.
    pub(crate) fn note_update(&mut self, version: Option<&str>, rejected: Vec<Rejected>) {
        if let Some(version) = version {
            self.update = Some(version.into());
        }
        self.rejected = rejected;
    }

    /// Those whose chains have routes of their own to be had, to be looked through.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &ListenerResource> {
        self.running.iter().map(|running| &running.resource)
    }

    /// Lets the workers have other routes for a listener.
    pub(crate) fn set_routes(&mut self, name: &str, routes: Routes, workers: &Workers) {
        let Some(running) = self.find_mut(name) else {
            return;
        };
        running.resource.routes = Arc::clone(&routes);
        let id = running.id;
        workers.tell(|| {
            let command = ListenerCommand::SetRoutes(Arc::clone(&routes));
            Some(Command::Listener(id, command))
        });
    }

    /// The version of the last update that changed something.
    pub(crate) fn update_version(&self) -> Option<Arc<str>> {
        self.update.clone()
    }

    /// Those that came by updates, and what was rejected of the last one.
    pub(crate) fn dump(&self) -> (Vec<DynamicListener>, Vec<RejectedConfig>) {
        let mut dumped: Vec<DynamicListener> = Vec::new();
        let mut of = |name: &str, note: &dyn Fn(&mut DynamicListener)| match dumped
            .iter_mut()
            .find(|listener| listener.name == name)
        {
            Some(listener) => note(listener),
            None => {
                let mut listener = DynamicListener {
                    name: name.to_owned(),
                    active: None,
                    warming: None,
                    draining: None,
                    rejected: None,
                };
                note(&mut listener);
                dumped.push(listener);
            }
        };
        for running in &self.running {
            let config = dumped_listener(&running.resource, running.updated);
            if config.is_some() {
                of(running.name(), &|one| one.active.clone_from(&config));
            }
        }
        for (name, config) in &self.warming_shown {
            of(name, &|one| one.warming = Some(config.clone()));
        }
        for (name, config) in self.draining_shown.now() {
            of(name, &|one| one.draining = Some(config.clone()));
        }
        for rejected in &self.rejected {
            let Some(name) = &rejected.name else { continue };
            of(name, &|one| {
                one.rejected = Some(rejected_config(rejected, true));
            });
        }
        let overall = self.rejected.iter();
        let overall = overall.map(|one| rejected_config(one, false)).collect();
        (dumped, overall)
    }

    /// Counts listeners that begin to warm, and marks them.
    pub(crate) fn count_cold(&self, cold: &mut [ListenerResource]) {
        for one in cold {
            one.is_counted = true;
            let name = &one.listener.name;
            let running = self.find(name);
            let is_known =
                running.is_some() || self.warming_shown.iter().any(|(shown, _)| shown == name);
            match is_known {
                true => self.stats.listener_modified.inc(),
                false => self.stats.listener_added.inc(),
            }
            let version = running.map(|running| &running.resource.version);
            if version.is_some_and(|old| old.differs_in_chains_alone(&one.version)) {
                self.stats.listener_in_place_updated.inc();
            }
        }
    }

    /// Has those shown that warm.
    pub(crate) fn show_warming<'w>(&mut self, warming: impl Iterator<Item = &'w ListenerResource>) {
        let now = SystemTime::now();
        let former = std::mem::take(&mut self.warming_shown);
        let shown = warming.filter_map(|one| {
            let mut config = dumped_listener(one, now)?;
            let is_it = |(_, shown): &&(String, DynamicConfig)| {
                Arc::ptr_eq(&shown.config.message, &config.config.message)
            };
            if let Some((_, shown)) = former.iter().find(is_it) {
                config = shown.clone();
            } else if let Some(running) = self.find(&one.listener.name)
                && let Some(update) = &running.resource.update
                && running
                    .resource
                    .version
                    .differs_in_chains_alone(&one.version)
            {
                // Envoy goes on with the version of the listener that it changes.
                config.version = Arc::clone(update);
            }
            Some((one.listener.name.clone(), config))
        });
        self.warming_shown = shown.collect();
        let count = u64::try_from(self.warming_shown.len()).unwrap_or(0);
        self.stats.total_listeners_warming.set(count);
    }
}

fn dumped_listener(one: &ListenerResource, last_updated: SystemTime) -> Option<DynamicConfig> {
    Some(DynamicConfig {
        version: Arc::clone(one.update.as_ref()?),
        config: DumpedConfig {
            message: Arc::clone(&one.version.message),
            last_updated,
        },
    })
}

fn rejected_config(one: &Rejected, has_time: bool) -> RejectedConfig {
    RejectedConfig {
        message: Arc::clone(&one.message),
        last_attempt: has_time.then_some(one.at),
        details: one.details.clone(),
    }
}
