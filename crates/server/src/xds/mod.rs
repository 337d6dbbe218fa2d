//! Dynamic configuration: resources that come from elsewhere and change what runs, without a reload.
//!
//! A [`subscription`] gives resources with a version, whatever their source ([`file`], or a server, [`plane`] or [`rest`]); the
//! room of their type ([`clusters`], [`listeners`], [`routes`], [`virtual_hosts`], [`scopes`], [`endpoints`], [`secrets`], [`extensions`], [`runtime`]) compares them with what runs, has the [`workshop`] make
//! what is new, lets it run by [`crate::running`], and answers with accepted or rejected and why. Clusters are there
//! before the listeners that use them. What is wrong is told in Envoy's words in the log and with its places on stderr.
//!
//! Differs from Envoy: what a listener or a cluster needs that Nuncio does not support yet rejects it.

mod asked_names;
mod clusters;
mod delivery;
mod endpoints;
mod extensions;
mod file;
mod filter_places;
mod first;
mod listeners;
mod on_demand;
mod origins;
mod passed_over;
mod plane;
mod planes;
mod rest;
mod routes;
mod runtime;
mod scopes;
mod scopes_on_demand;
mod secret_files;
mod secrets;
mod streams;
mod subscription;
mod unknown_types;
mod unready;
mod virtual_hosts;
mod waiting;
mod warming;
mod workshop;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_config::resources::Response;
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::groups::{ConfigReloadStats, SubscriptionStats};
use nuncio_contract::stats::{Scope, TextReadout, WideGauge};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::bootstrap::{DynamicSources, ServiceNames, Surroundings};
use crate::node::NodeStamp;
use crate::resource::ListenerResource;
use crate::resource_name::{Context, ResourceName};
use crate::running::{Prepared, Running, SecretUser, Waits, retirement};
use crate::workers::Workers;
use delivery::{Delivery, Verdict};
use endpoints::Endpoints;
use extensions::ExtensionConfigs;
use file::LOOKS_PER_SECOND;
use on_demand::OnDemand;
use passed_over::PassedOver;
use plane::Paused;
use planes::ControlPlanes;
use routes::RouteConfigs;
use runtime::RuntimeLayers;
use scopes::ScopeConfigs;
use secrets::Secrets;
use subscription::{Subscription, Wanted, millis};
use warming::Warming;
use workshop::Workshop;

/// Where updates of listeners count.
const LISTENER_UPDATES: &str = "listener_manager.lds";

/// So often others run before it is looked whether clusters have warmed whose first hosts are there.
const TURNS_OF_WARMING: usize = 4;

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "envoy.config.listener.v3.Listener";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const ASSIGNMENT: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const SECRET: &str = "envoy.extensions.transport_sockets.tls.v3.Secret";

/// What updates of listeners count with.
type ListenerUpdates = (
    Scope,
    Arc<SubscriptionStats>,
    (Arc<WideGauge>, Arc<TextReadout>),
);

/// All that comes from elsewhere.
pub(crate) struct Discovery<'a> {
    around: &'a Surroundings<'a>,
    workshop: Workshop<'a>,
    running: Rc<Running>,
    sources: DynamicSources,
    /// What the names of collections say of the node.
    context: Context,
    workers: OnceCell<Workers>,
    no_workers: Workers,
    clusters: RefCell<Option<Subscription>>,
    cluster_reloads: OnceCell<Arc<ConfigReloadStats>>,
    listeners: RefCell<Option<Subscription>>,
    routes: RefCell<RouteConfigs>,
    scopes: RefCell<ScopeConfigs>,
    extensions: RefCell<ExtensionConfigs>,
    endpoints: Rc<Endpoints>,
    on_demand: RefCell<OnDemand>,
    secrets: Rc<Secrets>,
    /// How often secrets had come when listeners were compiled.
    secrets_seen: Cell<u64>,
    planes: Rc<ControlPlanes>,
    /// Held while clusters warm.
    clusters_warm: RefCell<Option<Paused>>,
    /// Listeners that wait for their routes.
    warming: RefCell<Warming>,
    /// Those of the start that wait.
    starting: RefCell<Vec<ListenerResource>>,
    /// What updates of listeners count with, there before any are asked for.
    listener_updates: OnceCell<ListenerUpdates>,
    /// The clusters whose subscriptions were looked after last, see [`Running`].
    clusters_seen: Cell<u64>,
    layers: RefCell<RuntimeLayers>,
    /// Something is subscribed to.
    changed: Rc<Notify>,
}

impl<'a> Discovery<'a> {
    /// Nothing is subscribed to yet.
    pub(crate) fn new(
        around: &'a Surroundings<'a>,
        running: &Rc<Running>,
        (sources, names): (DynamicSources, ServiceNames),
        services: &Rc<dyn WorkerServices>,
    ) -> Rc<Self> {
        let changed = Rc::new(Notify::new());
        let stamp = NodeStamp::new(around.options, around.extensions);
        let node = stamp.encoded(&running.tree());
        let context = stamp.context(&running.tree(), &sources.context_params);
        let node = (node.0.into(), node.1.into());
        let streams = streams::over_clusters(services);
        let passed_over = PassedOver::new(around);
        let planes = Rc::new(ControlPlanes::new(node, passed_over, services, streams));
        if let Some(server) = &sources.ads {
            planes.begin_for_all(server, around.stats);
        }
        let endpoints = Rc::new(Endpoints::new(around, &planes));
        let (subscriber, woken) = (Rc::clone(&endpoints), Rc::clone(&changed));
        let secrets = Rc::new(Secrets::new(around, running, (&planes, &changed)));
        let of_clusters = Rc::clone(&secrets);
        let drain_time = Duration::from_secs(around.options.drain_time_s.into());
        running.listeners.borrow_mut().drain_for(drain_time);
        running
            .clusters
            .borrow_mut()
            .on_made(move |cluster, version| {
                let hosts = subscriber.begin(cluster);
                let secrets = match version.wanted.is_empty() {
                    true => None,
                    false => {
                        let (cluster, version) = (Arc::clone(cluster), version.clone());
                        of_clusters.begin(&SecretUser::Cluster(cluster, version))
                    }
                };
                woken.notify_one();
                both(hosts, secrets)
            });
        Rc::new(Discovery {
            around,
            workshop: Workshop::new(around, names),
            running: Rc::clone(running),
            sources,
            context,
            workers: OnceCell::new(),
            no_workers: Workers::none(),
            clusters: RefCell::default(),
            cluster_reloads: OnceCell::new(),
            listeners: RefCell::default(),
            routes: RefCell::default(),
            scopes: RefCell::default(),
            extensions: RefCell::default(),
            endpoints,
            on_demand: RefCell::new(OnDemand::new(around.manager.take_questions())),
            secrets,
            secrets_seen: Cell::new(0),
            planes,
            clusters_warm: RefCell::default(),
            warming: RefCell::default(),
            starting: RefCell::default(),
            listener_updates: OnceCell::new(),
            clusters_seen: Cell::default(),
            layers: RefCell::default(),
            changed,
        })
    }

    /// The layers of the runtime and the first clusters; returns once those are warm that the start waits for.
    pub(crate) async fn start_clusters(&self) {
        self.start_runtime().await;
        if self.sources.listeners.is_some() {
            let scope = self.around.stats.scope(LISTENER_UPDATES);
            let stats = scope.worker_group();
            let version = (
                scope.wide_gauge("version"),
                scope.text_readout("version_text"),
            );
            let _they_are_new = self.listener_updates.set((scope, stats, version));
        }
        let Some(source) = &self.sources.clusters else {
            return;
        };
        let scope = self.around.stats.scope("cluster_manager.cds");
        let _nobody_counts_yet = self.cluster_reloads.set(scope.worker_group());
        let collection = self.collection(self.sources.cluster_collection.as_ref());
        let wanted = Wanted::all_of(CLUSTER, collection.as_deref());
        let (subscription, delivery) = Subscription::begin(&self.planes, wanted, source, scope);
        let first = Rc::clone(subscription.first());
        *self.clusters.borrow_mut() = Some(subscription);
        match delivery {
            Some(delivery) => self.deliver_clusters(delivery),
            None => self.looking_meanwhile(first.wait()).await,
        }
        let warmed = self.running.dynamic_clusters_warmed();
        self.looking_meanwhile(warmed).await;
    }

    /// As a collection is asked for.
    fn collection(&self, name: Option<&ResourceName>) -> Option<String> {
        Some(name?.clone().with_context(&self.context).text())
    }

    /// Takes what comes until something is done.
    pub(crate) async fn looking_meanwhile(&self, act: impl Future<Output = ()>) {
        tokio::select! {
            () = act => {}
            () = self.run() => {}
        }
    }

    /// From now on the workers are told.
    pub(crate) fn begin_with(&self, workers: &Workers) {
        let _there_were_none = self.workers.set(workers.clone());
    }

    /// The first listeners, once there are workers; returns once those have come, and the routes of all.
    pub(crate) async fn start_listeners(&self) {
        if let Some(source) = &self.sources.listeners {
            let scope = self.around.stats.scope(LISTENER_UPDATES);
            let collection = self.collection(self.sources.listener_collection.as_ref());
            let wanted = Wanted::all_of(LISTENER, collection.as_deref());
            let (subscription, delivery) = Subscription::begin(&self.planes, wanted, source, scope);
            let first = Rc::clone(subscription.first());
            *self.listeners.borrow_mut() = Some(subscription);
            match delivery {
                Some(delivery) => self.deliver_listeners(delivery),
                None => self.looking_meanwhile(first.wait()).await,
            }
        }
        self.looking_meanwhile(self.first_of_listeners()).await;
        self.publish_warm_listeners();
    }

    /// The routes, secrets and configurations of filters of listeners that were attached.
    pub(crate) async fn first_of_listeners(&self) {
        self.first_routes().await;
        self.secrets.first_of_all().await;
        self.first_extensions().await;
    }

    /// Takes what comes, for ever.
    pub(crate) async fn run(&self) {
        let mut looks = tokio::time::interval(Duration::from_secs(1) / LOOKS_PER_SECOND);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while self.is_idle() {
                tokio::select! {
                    () = self.changed.notified() => {}
                    question = self.next_question() => self.take_question(question),
                }
            }
            let is_time = tokio::select! {
                _ = looks.tick() => true,
                () = self.planes.has_news.notified() => false,
                question = self.next_question() => {
                    self.take_question(question);
                    self.take_more_questions();
                    false
                }
                () = self.on_demand_moment() => false,
                () = self.running.has_promoted.notified() => false,
            };
            if self.running.is_handing_over() {
                looks.tick().await;
                continue;
            }
            self.look();
            if is_time {
                self.endpoints.look_at_files();
            }
            self.tell_of_endpoints().await;
            while self.planes.advance() {
                self.look();
                self.tell_of_endpoints().await;
            }
        }
    }

    /// Tells servers that first hosts have come, once the clusters run that waited for them alone.
    async fn tell_of_endpoints(&self) {
        if !self.endpoints.has_untold() {
            return;
        }
        for _ in 0..TURNS_OF_WARMING {
            tokio::task::yield_now().await;
        }
        self.look_for_warmed();
        self.endpoints.tell();
    }

    fn is_idle(&self) -> bool {
        self.clusters.borrow().is_none()
            && self.listeners.borrow().is_none()
            && self.routes.borrow().is_empty()
            && self.scopes.borrow().is_empty()
            && self.endpoints.is_empty()
            && self.on_demand.borrow().is_empty()
            && self.secrets.is_empty()
            && self.extensions.borrow().is_empty()
            && self.layers.borrow().is_empty()
    }

    /// Secrets come first, then clusters, so that listeners and routes find them.
    fn look(&self) {
        self.look_for_drained();
        self.look_for_runtime();
        self.secrets.look();
        let look = |subscription: &RefCell<Option<Subscription>>| {
            let mut subscription = subscription.borrow_mut();
            subscription.as_mut().and_then(Subscription::look)
        };
        if let Some(delivery) = look(&self.clusters) {
            self.deliver_clusters(delivery);
        }
        self.look_for_on_demand();
        self.endpoints.look_at_told();
        if let Some(delivery) = look(&self.listeners) {
            self.deliver_listeners(delivery);
        }
        self.look_for_scopes();
        self.look_for_routes();
        self.look_for_hosts();
        self.answer_who_waits_for_scopes();
        self.look_for_extensions();
        self.publish_warm_listeners();
        self.show_unready();
        self.look_for_warmed();
        self.running.open_channels(&self.around.channels);
    }

    /// As in Envoy the server of `ads` has the answer to an update of clusters once they have warmed.
    fn look_for_warmed(&self) {
        self.end_unused_endpoints();
        if !self.running.clusters.borrow().are_warming() {
            let answers = self.clusters_warm.take();
            drop(answers);
        }
    }

    /// Clusters that went want no hosts any more, though streams may hold them yet.
    fn end_unused_endpoints(&self) {
        let clusters = self.running.clusters.borrow();
        if self.clusters_seen.replace(clusters.changes()) != clusters.changes() {
            self.endpoints.keep(|cluster| clusters.uses(cluster));
        }
    }

    /// How many clusters updates are to leave.
    fn min_clusters(&self) -> usize {
        let server = match &self.sources.clusters {
            Some(ResourceSource::Server { server, .. }) => Some(server),
            Some(ResourceSource::Ads { .. }) => self.sources.ads.as_ref(),
            _ => None,
        };
        server.map_or(0, |server| server.min_clusters)
    }

    fn deliver_clusters(&self, delivery: Delivery) {
        self.deliver(&self.clusters, delivery, |response| {
            // What new clusters want is asked for at once.
            let _until_all_are_made = self.planes.pause(&[ASSIGNMENT, SECRET]);
            let mut bench = self.workshop.begin(response, &self.running);
            let plan = clusters::plan(self, &mut bench, response, self.min_clusters());
            let version = Arc::from(&*response.version);
            bench.tell();
            let mut plan = plan?;
            let verdict = plan.tell(self);
            if plan.changes_something() {
                self.running.clusters.borrow_mut().note_update(version);
                let put = std::mem::take(&mut plan.put);
                let is_reload = !put.is_empty() && verdict.is_ok();
                let removed = std::mem::take(&mut plan.removed);
                let most = retirement(self.around.options);
                self.running
                    .update_clusters(put, removed, self.workers(), most);
                self.end_unused_endpoints();
                self.secrets.drop_unused();
                if is_reload {
                    self.count_reload();
                }
                let warms = self.running.clusters.borrow().are_warming();
                if warms && self.workers.get().is_some() && self.clusters_warm.borrow().is_none() {
                    *self.clusters_warm.borrow_mut() = self.planes.pause_ads(&[CLUSTER]);
                }
            }
            verdict
        });
    }

    fn deliver_listeners(&self, delivery: Delivery) {
        self.deliver(&self.listeners, delivery, |response| {
            let _until_all_are_made = self.planes.pause(&[ROUTES, SECRET]);
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
        self.running.open_channels(&self.around.channels);
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
            let _it_is_asked_later = self.secrets.begin(&SecretUser::Listener(listener, version));
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

/// Waits for both.
fn both(first: Option<Waits>, second: Option<Waits>) -> Option<Waits> {
    match (first, second) {
        (Some(first), Some(second)) => Some(Rc::new(move || {
            let (first, second) = (first(), second());
            Box::pin(async move {
                first.await;
                second.await;
            })
        })),
        (one, None) | (None, one) => one,
    }
}
