//! Control planes: servers that resources come from.
//!
//! A [`Plane`] is one of them. What is wanted, accepted and rejected is kept by a machine without sockets or clocks of
//! its own ([`mux`]: [`sotw`] or [`delta`]); a task ([`drive`]) opens streams for it, one after another with growing
//! pauses, and passes bytes. Those who watch find news in an inbox and answer them; one response is in hand at a time,
//! as in Envoy, so that answers leave in the order of what they answer.

mod closes;
mod delta;
mod drive;
mod lives;
mod mux;
mod news;
mod opened;
mod outbox;
mod pace;
mod sotw;
mod streams;
#[cfg(test)]
mod tests;
mod turns;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::resources::UnknownFields;
use nuncio_config::wire::discovery::DiscoveryResponse;
use nuncio_contract::config_source::ServerSource;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::groups::ControlPlaneStats;
use nuncio_contract::stats::{Scope, TextReadout};
use tokio::sync::Notify;

use crate::resource_name::{is_collection, normalized};
use mux::Mux;
use news::{Told, Watch, WatchId};

pub(super) use drive::drive;
pub(super) use news::News;
pub(super) use streams::{Ended, Next, Stream, Streams};

/// Resources that are watched by the name of what they belong to.
const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";

/// The type's name with what makes it a URL.
fn type_url(kind: &str) -> String {
    format!("type.googleapis.com/{kind}")
}

/// A control plane.
pub(super) struct Plane {
    server: Arc<ServerSource>,
    /// Stays though nobody watches.
    is_for_all: bool,
    services: Rc<dyn WorkerServices>,
    mux: RefCell<Mux>,
    inboxes: RefCell<HashMap<WatchId, Rc<Inbox>>>,
    next_watch: Cell<WatchId>,
    /// Responses behind the one that is in hand.
    responses: RefCell<VecDeque<DiscoveryResponse>>,
    stats: Arc<ControlPlaneStats>,
    identifier: Arc<TextReadout>,
    /// Keeps all that counts there listed.
    scope: Scope,
    /// There is something to send.
    woken: Notify,
    /// There are news for someone.
    has_news: Rc<Notify>,
}

/// What has come for a watcher.
#[derive(Default)]
struct Inbox(RefCell<VecDeque<News>>);

/// A watch that lasts as long as this.
pub(super) struct Watching {
    plane: Rc<Plane>,
    id: WatchId,
    inbox: Rc<Inbox>,
}

/// Requests for some types wait until this is dropped.
pub(super) struct Paused {
    plane: Rc<Plane>,
    type_urls: Vec<String>,
}

impl Plane {
    pub(super) fn new(
        (server, is_for_all): (&Arc<ServerSource>, bool),
        (node, unknown): (&Arc<[u8]>, UnknownFields),
        scope: Scope,
        (services, has_news): (&Rc<dyn WorkerServices>, &Rc<Notify>),
    ) -> Rc<Self> {
        let clock = Rc::new(ServicesClock(Rc::clone(services)));
        Rc::new(Plane {
            server: Arc::clone(server),
            is_for_all,
            services: Rc::clone(services),
            mux: RefCell::new(Mux::new(server, (node, unknown), clock)),
            inboxes: RefCell::default(),
            next_watch: Cell::default(),
            responses: RefCell::default(),
            stats: scope.worker_group(),
            identifier: scope.text_readout("control_plane.identifier"),
            scope,
            woken: Notify::new(),
            has_news: Rc::clone(has_news),
        })
    }

    /// Watches one resource of a kind, or all of them, or those of a collection where the name may be that of one.
    pub(super) fn watch(
        self: &Rc<Self>,
        kind: &str,
        name: Option<&str>,
        may_be_collection: bool,
    ) -> Watching {
        let id = self.next_watch.get();
        self.next_watch.set(id + 1);
        let inbox = Rc::new(Inbox::default());
        self.inboxes.borrow_mut().insert(id, Rc::clone(&inbox));
        let name = name.map(|name| normalized(name).into_owned().into_boxed_str());
        let watch = Watch {
            id,
            is_collection: may_be_collection && name.as_deref().is_some_and(is_collection),
            name,
            others: BTreeSet::new(),
            is_namespace: kind == VIRTUAL_HOST,
        };
        self.change(|mux| mux.watch(&type_url(kind), watch));
        Watching {
            plane: Rc::clone(self),
            id,
            inbox,
        }
    }

    /// Whether it is told what changes alone.
    pub(super) fn is_delta(&self) -> bool {
        self.server.is_delta
    }

    /// Holds requests for some kinds back, so that what is changed meanwhile goes into one.
    pub(super) fn pause(self: &Rc<Self>, kinds: &[&str]) -> Paused {
        let type_urls: Vec<_> = kinds.iter().map(|kind| type_url(kind)).collect();
        for type_url in &type_urls {
            self.mux.borrow_mut().pause(type_url);
        }
        Paused {
            plane: Rc::clone(self),
            type_urls,
        }
    }

    /// Whether it was for watchers who are all gone.
    fn is_deserted(&self) -> bool {
        self.next_watch.get() > 0 && self.inboxes.borrow().is_empty() && !self.is_for_all
    }

    /// Goes on to the next response if nothing is in hand; whether there are news of it.
    pub(super) fn advance(&self) -> bool {
        while !self.mux.borrow().is_busy() {
            let Some(response) = self.responses.borrow_mut().pop_front() else {
                return false;
            };
            if self.take(response) {
                return true;
            }
        }
        false
    }

    /// Takes a response; whether there are news for someone.
    fn take(&self, response: DiscoveryResponse) -> bool {
        let mut has_news = false;
        self.change(|mux| {
            let (told, control_plane) = mux.received(response);
            has_news = !told.is_empty();
            self.tell(told);
            if let Some(name) = control_plane {
                self.identifier.set(&name);
            }
        });
        has_news
    }

    fn tell(&self, told: Told) {
        if told.is_empty() {
            return;
        }
        let inboxes = self.inboxes.borrow();
        for (watch, news) in told {
            if let Some(inbox) = inboxes.get(&watch) {
                inbox.0.borrow_mut().push_back(news);
            }
        }
        self.has_news.notify_one();
    }

    /// Has the machine do something, and what comes of it sent and counted.
    fn change(&self, act: impl FnOnce(&mut Mux)) {
        let mut mux = self.mux.borrow_mut();
        act(&mut mux);
        let (pending, refused) = mux.held_back();
        drop(mux);
        self.stats.rate_limit_enforced.add(refused);
        let pending = u64::try_from(pending).unwrap_or(u64::MAX);
        self.stats.pending_requests.set(pending);
        self.woken.notify_one();
    }
}

impl Watching {
    /// What has come, if anything.
    pub(super) fn take(&self) -> Option<News> {
        self.inbox.0.borrow_mut().pop_front()
    }

    /// Whether it is told what changes alone.
    pub(super) fn is_delta(&self) -> bool {
        self.plane.is_delta()
    }

    /// Watches one more name, where names are watched and what changes is told.
    pub(super) fn also(&self, name: &str) {
        self.plane
            .change(|mux| mux.also(self.id, &normalized(name)));
    }

    /// Watches a name no more that was watched besides others.
    pub(super) fn no_more(&self, name: &str) {
        self.plane
            .change(|mux| mux.no_more(self.id, &normalized(name)));
    }

    /// Says what came of an update.
    pub(super) fn answer(&self, error: Option<&str>) {
        self.plane.change(|mux| {
            let told = mux.answered(self.id, error);
            self.plane.tell(told);
        });
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.plane.inboxes.borrow_mut().remove(&self.id);
        self.plane.change(|mux| {
            let told = mux.unwatch(self.id);
            self.plane.tell(told);
        });
        // Another response may be next.
        self.plane.has_news.notify_one();
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        self.plane.change(|mux| {
            for type_url in &self.type_urls {
                mux.resume(type_url);
            }
        });
    }
}

/// The clock that the services have.
struct ServicesClock(Rc<dyn WorkerServices>);

impl nuncio_contract::clock::Clock for ServicesClock {
    fn now(&self) -> std::time::Instant {
        self.0.now()
    }

    fn wall(&self) -> std::time::SystemTime {
        self.0.wall()
    }
}
