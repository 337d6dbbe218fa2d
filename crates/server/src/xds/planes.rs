//! All control planes of the process: the one that is asked for everything, and those that are asked for one thing.

use std::cell::{OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_contract::config_source::{RestSource, ServerSource};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::{Scope, StatsStore};
use nuncio_net::tasks::spawn_seldom;
use tokio::sync::Notify;

use super::passed_over::PassedOver;
use super::plane::{Paused, Plane, Streams, drive};
use super::rest::{Asker, Polling};
use super::subscription::Wanted;

/// The services of kinds of resources: the name of a service, and of what it streams.
const SERVICES: [(&str, &str, &str); 9] = [
    (
        "envoy.config.listener.v3.Listener",
        "envoy.service.listener.v3.ListenerDiscoveryService",
        "Listeners",
    ),
    (
        "envoy.config.cluster.v3.Cluster",
        "envoy.service.cluster.v3.ClusterDiscoveryService",
        "Clusters",
    ),
    (
        "envoy.config.route.v3.RouteConfiguration",
        "envoy.service.route.v3.RouteDiscoveryService",
        "Routes",
    ),
    (
        "envoy.config.route.v3.VirtualHost",
        "envoy.service.route.v3.VirtualHostDiscoveryService",
        "VirtualHosts",
    ),
    (
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        "envoy.service.endpoint.v3.EndpointDiscoveryService",
        "Endpoints",
    ),
    (
        "envoy.extensions.transport_sockets.tls.v3.Secret",
        "envoy.service.secret.v3.SecretDiscoveryService",
        "Secrets",
    ),
    (
        "envoy.config.core.v3.TypedExtensionConfig",
        "envoy.service.extension.v3.ExtensionConfigDiscoveryService",
        "ExtensionConfigs",
    ),
    (
        "envoy.config.route.v3.ScopedRouteConfiguration",
        "envoy.service.route.v3.ScopedRoutesDiscoveryService",
        "ScopedRoutes",
    ),
    (
        "envoy.service.runtime.v3.Runtime",
        "envoy.service.runtime.v3.RuntimeDiscoveryService",
        "Runtime",
    ),
];

const FOR_ALL: (&str, &str) = (
    "envoy.service.discovery.v3.AggregatedDiscoveryService",
    "AggregatedResources",
);

/// All control planes.
pub(super) struct ControlPlanes {
    node: Arc<[u8]>,
    /// What becomes of fields that the API does not have.
    pub(super) passed_over: Rc<PassedOver>,
    services: Rc<dyn WorkerServices>,
    streams: Rc<dyn Streams>,
    asker: Rc<Asker>,
    ads: OnceCell<Rc<Plane>>,
    others: RefCell<Vec<Weak<Plane>>>,
    /// There are news for someone.
    pub(super) has_news: Rc<Notify>,
}

impl ControlPlanes {
    /// None is asked yet.
    pub(super) fn new(
        (node, node_json): (Arc<[u8]>, Arc<str>),
        passed_over: PassedOver,
        services: &Rc<dyn WorkerServices>,
        streams: Rc<dyn Streams>,
    ) -> Self {
        let has_news: Rc<Notify> = Rc::default();
        ControlPlanes {
            asker: Rc::new(Asker {
                services: Rc::clone(services),
                node: node_json,
                unknown: passed_over.unknown,
                has_news: Rc::clone(&has_news),
            }),
            node,
            passed_over: Rc::new(passed_over),
            services: Rc::clone(services),
            streams,
            ads: OnceCell::new(),
            others: RefCell::default(),
            has_news,
        }
    }

    /// Begins with the one that is asked for everything.
    pub(super) fn begin_for_all(&self, server: &Arc<ServerSource>, stats: &StatsStore) {
        let plane = self.plane((server, true), stats.root());
        self.drive(&plane, FOR_ALL);
        let _there_is_one_at_most = self.ads.set(plane);
    }

    /// The one that is asked for everything.
    pub(super) fn for_all(&self) -> Option<Rc<Plane>> {
        self.ads.get().cloned()
    }

    /// One that is asked for a kind of resource alone.
    pub(super) fn begin(
        &self,
        server: &Arc<ServerSource>,
        kind: &str,
        scope: Scope,
    ) -> Option<Rc<Plane>> {
        let (_, service, streamed) = SERVICES.iter().find(|(of, ..)| *of == kind)?;
        let plane = self.plane((server, false), scope);
        self.drive(&plane, (service, streamed));
        let mut others = self.others.borrow_mut();
        others.retain(|other| other.strong_count() > 0);
        others.push(Rc::downgrade(&plane));
        Some(plane)
    }

    /// One that is asked for a kind of resource by REST.
    pub(super) fn poll(&self, server: &Arc<RestSource>, wanted: Wanted<'_>) -> Polling {
        Polling::begin(&self.asker, server, wanted)
    }

    /// Holds requests for some kinds back on all of them.
    pub(super) fn pause(&self, kinds: &[&str]) -> Vec<Paused> {
        self.all().iter().map(|plane| plane.pause(kinds)).collect()
    }

    /// The same on the one that is asked for everything, if there is one.
    pub(super) fn pause_ads(&self, kinds: &[&str]) -> Option<Paused> {
        self.ads.get().map(|plane| plane.pause(kinds))
    }

    /// Goes on to next responses where nothing is in hand; whether there are news.
    pub(super) fn advance(&self) -> bool {
        let mut has_news = false;
        for plane in self.all() {
            has_news |= plane.advance();
        }
        has_news
    }

    fn all(&self) -> Vec<Rc<Plane>> {
        let others = self.others.borrow();
        let others = others.iter().filter_map(Weak::upgrade);
        self.ads.get().cloned().into_iter().chain(others).collect()
    }

    fn plane(&self, server: (&Arc<ServerSource>, bool), scope: Scope) -> Rc<Plane> {
        let node = (&self.node, self.passed_over.unknown);
        Plane::new(server, node, scope, (&self.services, &self.has_news))
    }

    fn drive(&self, plane: &Rc<Plane>, (service, streamed): (&str, &str)) {
        let way = match plane.is_delta() {
            true => "Delta",
            false => "Stream",
        };
        let path = format!("/{service}/{way}{streamed}");
        let driving = drive(Rc::downgrade(plane), Rc::clone(&self.streams), path);
        spawn_seldom(driving);
    }
}
