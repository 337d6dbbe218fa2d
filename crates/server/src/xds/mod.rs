//! Dynamic configuration: resources that come from elsewhere and change what runs, without a reload.
//!
//! A [`subscription`] gives resources with a version, whatever their source ([`file`] is the one that there is); the
//! room of their type ([`clusters`], [`listeners`], [`routes`], [`endpoints`], [`secrets`], [`extensions`]) compares them with what runs, has the [`workshop`] make
//! what is new, lets it run by [`crate::running`], and answers with accepted or rejected and why. Clusters are there
//! before the listeners that use them. What is wrong is told in Envoy's words in the log and with its places on stderr.
//!
//! Differs from Envoy: what a listener or a cluster needs that Nuncio does not support yet rejects it.

mod clusters;
mod delivery;
mod endpoints;
mod extensions;
mod file;
mod filter_places;
mod listeners;
mod routes;
mod secret_files;
mod secrets;
mod subscription;
mod workshop;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_config::resources::Response;
use nuncio_contract::stats::groups::ConfigReloadStats;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::bootstrap::{DynamicSources, ServiceNames, Surroundings};
use crate::resource::ListenerResource;
use crate::running::{Prepared, Running, SecretUser, retirement};
use crate::workers::Workers;
use delivery::{Delivery, Verdict};
use endpoints::Endpoints;
use extensions::ExtensionConfigs;
use file::LOOKS_PER_SECOND;
use routes::RouteConfigs;
use secrets::Secrets;
use subscription::{Subscription, millis};
use workshop::Workshop;

/// All that comes from elsewhere.
pub(crate) struct Discovery<'a> {
    around: &'a Surroundings<'a>,
    workshop: Workshop<'a>,
    running: Rc<Running>,
    sources: DynamicSources,
    workers: OnceCell<Workers>,
    no_workers: Workers,
    clusters: RefCell<Option<Subscription>>,
    cluster_reloads: OnceCell<Arc<ConfigReloadStats>>,
    listeners: RefCell<Option<Subscription>>,
    routes: RefCell<RouteConfigs>,
    extensions: RefCell<ExtensionConfigs>,
    endpoints: Rc<Endpoints>,
    secrets: Rc<Secrets>,
    /// How often secrets had come when listeners were compiled.
    secrets_seen: Cell<u64>,
    /// Something is subscribed to.
    changed: Rc<Notify>,
}

impl<'a> Discovery<'a> {
    /// Nothing is subscribed to yet.
    pub(crate) fn new(
        around: &'a Surroundings<'a>,
        running: &Rc<Running>,
        (sources, names): (DynamicSources, ServiceNames),
    ) -> Rc<Self> {
        let changed = Rc::new(Notify::new());
        let endpoints = Rc::new(Endpoints::new(around));
        let secrets = Rc::new(Secrets::new(around, running, &changed));
        let (subscriber, woken) = (Rc::clone(&endpoints), Rc::clone(&changed));
        let of_clusters = Rc::clone(&secrets);
        running
            .clusters
            .borrow_mut()
            .on_made(move |cluster, version| {
                subscriber.begin(cluster);
                if !version.wanted.is_empty() {
                    let (cluster, version) = (Arc::clone(cluster), version.clone());
                    of_clusters.begin(&SecretUser::Cluster(cluster, version));
                }
                woken.notify_one();
            });
        Rc::new(Discovery {
            around,
            workshop: Workshop::new(around, names),
            running: Rc::clone(running),
            sources,
            workers: OnceCell::new(),
            no_workers: Workers::none(),
            clusters: RefCell::default(),
            cluster_reloads: OnceCell::new(),
            listeners: RefCell::default(),
            routes: RefCell::default(),
            extensions: RefCell::default(),
            endpoints,
            secrets,
            secrets_seen: Cell::new(0),
            changed,
        })
    }

    /// The first clusters; returns once those are warm that the start waits for.
    pub(crate) async fn start_clusters(&self) {
        let Some(source) = &self.sources.clusters else {
            return;
        };
        let scope = self.around.stats.scope("cluster_manager.cds");
        let _nobody_counts_yet = self.cluster_reloads.set(scope.worker_group());
        let (subscription, delivery) = Subscription::begin(source, scope);
        *self.clusters.borrow_mut() = Some(subscription);
        let started = self.deliver_clusters(delivery, |put, _| {
            let warming =
                self.running
                    .clusters
                    .borrow()
                    .prepare_update(put, Vec::new(), SystemTime::now());
            let warmed = warming.warmed_for_start();
            self.running.clusters.borrow_mut().publish(warming);
            warmed
        });
        if let Some(warmed) = started {
            warmed.await;
        }
    }

    /// From now on the workers are told.
    pub(crate) fn begin_with(&self, workers: &Workers) {
        let _there_were_none = self.workers.set(workers.clone());
    }

    /// The first listeners, once there are workers.
    pub(crate) fn start_listeners(&self) {
        let Some(source) = &self.sources.listeners else {
            return;
        };
        let scope = self.around.stats.scope("listener_manager.lds");
        let (subscription, delivery) = Subscription::begin(source, scope);
        *self.listeners.borrow_mut() = Some(subscription);
        self.deliver_listeners(delivery);
    }

    /// Takes what comes, for ever.
    pub(crate) async fn run(&self) {
        let mut looks = tokio::time::interval(Duration::from_secs(1) / LOOKS_PER_SECOND);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while self.is_idle() {
                self.changed.notified().await;
            }
            looks.tick().await;
            if !self.running.is_handing_over() {
                self.look();
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.clusters.borrow().is_none()
            && self.listeners.borrow().is_none()
            && self.routes.borrow().is_empty()
            && self.endpoints.is_empty()
            && self.secrets.is_empty()
            && self.extensions.borrow().is_empty()
    }

    /// Secrets come first, then clusters, so that listeners and routes find them.
    fn look(&self) {
        self.secrets.look();
        let clusters = self
            .clusters
            .borrow_mut()
            .as_mut()
            .and_then(Subscription::look);
        if let Some(delivery) = clusters {
            self.deliver_clusters(delivery, |put, removed| {
                let most = retirement(self.around.options);
                self.running
                    .update_clusters(put, removed, self.workers(), most);
                self.secrets.drop_unused();
            });
        }
        let listeners = self
            .listeners
            .borrow_mut()
            .as_mut()
            .and_then(Subscription::look);
        if let Some(delivery) = listeners {
            self.deliver_listeners(delivery);
        }
        self.look_for_routes();
        self.look_for_extensions();
        self.endpoints.look();
    }

    fn deliver_clusters<T>(
        &self,
        delivery: Delivery,
        publish: impl FnOnce(Vec<crate::resource::ClusterResource>, Vec<String>) -> T,
    ) -> Option<T> {
        let mut published = None;
        self.deliver(&self.clusters, delivery, |response| {
            let mut bench = self.workshop.begin(response, &self.running);
            let plan = clusters::plan(self, &mut bench, response);
            let version = Arc::clone(bench.version());
            bench.tell();
            let mut plan = plan?;
            let verdict = plan.tell(self);
            if plan.changes_something() {
                self.running.clusters.borrow_mut().note_update(version);
                let put = std::mem::take(&mut plan.put);
                published = Some(publish(put, std::mem::take(&mut plan.removed)));
                if verdict.is_ok() {
                    self.count_reload();
                }
            }
            verdict
        });
        published
    }

    fn deliver_listeners(&self, delivery: Delivery) {
        self.deliver(&self.listeners, delivery, |response| {
            let mut bench = self.workshop.begin(response, &self.running);
            let verdict = listeners::apply(self, &mut bench, response);
            bench.tell();
            verdict
        });
    }

    /// Has a delivery applied, and answers it.
    fn deliver(
        &self,
        subscription: &RefCell<Option<Subscription>>,
        delivery: Delivery,
        apply: impl FnOnce(&Response) -> Verdict,
    ) {
        let verdict = delivery.as_ref().map(apply);
        let subscription = subscription.borrow();
        let Some(subscription) = subscription.as_ref() else {
            return;
        };
        match (&delivery, verdict) {
            (Ok(response), Ok(verdict)) => subscription.answer(&response.version, &verdict),
            (Err(failure), _) => subscription.fail(failure, self.workshop.style()),
            _ => {}
        }
    }

    fn count_reload(&self) {
        if let Some(reloads) = self.cluster_reloads.get() {
            reloads.config_reload.inc();
            reloads.config_reload_time_ms.set(millis(SystemTime::now()));
        }
    }

    /// Gives each listener the routes and secrets that its chains have from elsewhere.
    pub(crate) fn attach_all<'r>(&self, resources: impl Iterator<Item = &'r mut ListenerResource>) {
        self.secrets_seen.set(self.secrets.comings());
        resources.for_each(|resource| self.attach(resource));
    }

    /// Has the workers do what was prepared for listeners.
    fn publish_listeners(&self, prepared: Prepared) {
        let mut listeners = self.running.listeners.borrow_mut();
        let _clusters_do_not_wait_for_them =
            listeners.publish(prepared, self.workers(), SystemTime::now());
        drop(listeners);
        self.running.names_other_files.notify_one();
        self.listeners_changed();
    }

    /// To be called when listeners were published.
    pub(crate) fn listeners_changed(&self) {
        self.drop_unused_routes();
        self.drop_unused_extensions();
        self.secrets.drop_unused();
    }

    /// Subscribes to the secrets of a listener that was compiled.
    fn attach_secrets(&self, resource: &ListenerResource) {
        if !resource.version.wanted.is_empty() {
            let (listener, version) = (Arc::clone(&resource.listener), resource.version.clone());
            self.secrets.begin(&SecretUser::Listener(listener, version));
        }
    }

    /// Gives all the secrets and configurations of filters of now, as some may have come while a reload was under way.
    pub(crate) fn refresh_others(&self) {
        self.refresh_extensions();
        if self.secrets.comings() != self.secrets_seen.get() {
            self.secrets.refresh();
        }
    }

    fn workers(&self) -> &Workers {
        // None before they are started, as there is nothing to tell them then.
        self.workers.get().unwrap_or(&self.no_workers)
    }
}
