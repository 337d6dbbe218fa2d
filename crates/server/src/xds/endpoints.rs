//! EDS: the hosts of clusters of type EDS, each cluster with a subscription of its own, which ends with the cluster.
//!
//! A cluster subscribes when it is made, before it takes any traffic; hosts that stay keep their connections and
//! counts. An update that cannot be used changes nothing. Limit: [`MOST_LOOKS`] clusters are looked after at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use nuncio_config::report::{self, Style};
use nuncio_config::resources::{Response, first_error, unpack};
use nuncio_config::runtime::RuntimeKeys;
use nuncio_config::tree::Value;
use nuncio_config::typed::Ctx;
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::groups::ClusterUpdateStats;
use nuncio_upstream::cluster::{ClusterShared, EdsSource};
use nuncio_upstream::config::Assignment;
use nuncio_upstream::discovery::{assign, assigned_to};
use tokio::time::Instant;

use super::delivery::{Delivery, Verdict};
use super::planes::ControlPlanes;
use super::subscription::{Subscription, Wanted};
use crate::bootstrap::Surroundings;
use crate::log;
use crate::running::Waits;

/// So many clusters are looked after at a time, so that very many cost no more time than that; the others have their
/// turn the next time.
const MOST_LOOKS: usize = 1000;

const ASSIGNMENT: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment";

/// The subscriptions of all clusters.
pub(super) struct Endpoints {
    planes: Rc<ControlPlanes>,
    allow_unsupported: bool,
    style: Style,
    runtime: RuntimeKeys,
    all: Rc<RefCell<Vec<OfCluster>>>,
    /// Whose turn it is to be looked after.
    next: Cell<usize>,
    /// How many have an answer that is not told yet.
    untold: Cell<usize>,
}

struct OfCluster {
    cluster: Weak<ClusterShared>,
    subscription: Subscription,
    updates: Arc<ClusterUpdateStats>,
    was_used: Cell<bool>,
    /// Whether it has ever been told hosts, or none.
    has_come: Cell<bool>,
    /// When what it has does not hold any more (`endpoint_stale_after`).
    stale_at: Cell<Option<Instant>>,
    /// The answer to its first hosts, with their version. It is told once the cluster runs, and another one in whose place it
    /// does has asked for its hosts no more.
    untold: RefCell<Option<(Box<str>, Verdict)>>,
}

impl OfCluster {
    /// Its hosts hold for this long, or until there are others.
    fn holds_for(&self, stale_after: Option<Duration>) {
        if stale_after.is_some() {
            self.updates.assignment_timeout_received.inc();
        }
        let stale_at = stale_after.map(|after| Instant::now() + after);
        self.stale_at.set(stale_at);
    }

    /// Takes its hosts away if they do not hold any more.
    fn forget_if_stale(&self) {
        let is_stale = self.stale_at.get().is_some_and(|at| at <= Instant::now());
        let Some(cluster) = self.cluster.upgrade().filter(|_| is_stale) else {
            return;
        };
        self.stale_at.set(None);
        assign(&cluster, &Assignment::default());
        self.updates.assignment_stale.inc();
    }
}

impl Endpoints {
    pub(super) fn new(around: &Surroundings<'_>, planes: &Rc<ControlPlanes>) -> Self {
        Endpoints {
            planes: Rc::clone(planes),
            allow_unsupported: around.options.allow_unsupported,
            style: crate::style(around.options),
            runtime: around.runtime.keys.clone(),
            all: Rc::default(),
            next: Cell::default(),
            untold: Cell::default(),
        }
    }

    /// Whether there is nothing to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.all.borrow().is_empty()
    }

    /// Subscribes to the hosts of a cluster that was made, if they come from elsewhere. What is returned waits for the
    /// first ones.
    pub(super) fn begin(&self, cluster: &Arc<ClusterShared>) -> Option<Waits> {
        let eds = cluster.settings.eds.as_ref()?;
        let updates = cluster.scope().worker_group();
        let scope = cluster.scope().clone();
        let wanted = Wanted::one(ASSIGNMENT, name_of(cluster, eds));
        let (subscription, delivery) =
            Subscription::begin_for_cluster(&self.planes, wanted, &eds.source, (scope, &updates));
        let first = Rc::clone(subscription.first());
        if matches!(eds.source, ResourceSource::Ads { .. }) {
            let all = Rc::downgrade(&self.all);
            let cluster = Arc::downgrade(cluster);
            subscription.when_timed_out(move || {
                if let (Some(all), Some(cluster)) = (all.upgrade(), cluster.upgrade()) {
                    assign_as_before(&all.borrow(), &cluster);
                }
            });
        }
        let one = OfCluster {
            cluster: Arc::downgrade(cluster),
            subscription,
            updates,
            was_used: Cell::default(),
            has_come: Cell::default(),
            stale_at: Cell::default(),
            untold: RefCell::default(),
        };
        if let Some(delivery) = delivery {
            self.deliver(&one, delivery);
        }
        self.all.borrow_mut().push(one);
        let is_awaited = !first.is_done();
        is_awaited.then(|| Rc::new(move || Box::pin(first.wait()) as LocalFuture<()>) as Waits)
    }

    /// Ends the subscriptions of clusters that are not used any more, though streams may hold them yet.
    pub(super) fn keep(&self, is_used: impl Fn(&Arc<ClusterShared>) -> bool) {
        let is_used = |one: &OfCluster| {
            let Some(cluster) = one.cluster.upgrade() else {
                return false;
            };
            let is_used = is_used(&cluster);
            // One that is made is not used at once.
            let was_used = one.was_used.replace(is_used || one.was_used.get());
            is_used || !was_used
        };
        let mut all = self.all.borrow_mut();
        let (used, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *all).into_iter().partition(is_used);
        *all = used;
        drop(all);
        drop(gone);
    }

    /// Takes what servers have told.
    pub(super) fn look_at_told(&self) {
        let mut all = self.all.borrow_mut();
        for one in all.iter_mut().filter(|one| one.subscription.is_told()) {
            if let Some(delivery) = one.subscription.look() {
                self.deliver(one, delivery);
            }
        }
    }

    /// Whether some answers are not told yet.
    pub(super) fn has_untold(&self) -> bool {
        self.untold.get() > 0
    }

    /// Tells them.
    pub(super) fn tell(&self) {
        self.untold.set(0);
        for one in self.all.borrow().iter() {
            if let Some((version, verdict)) = one.untold.take() {
                one.subscription.tell(&version, &verdict);
            }
        }
    }

    /// Looks at files, and at what does not hold any more, so many clusters at a time.
    pub(super) fn look_at_files(&self) {
        let mut all = self.all.borrow_mut();
        let count = all.len();
        let first = self.next.get() % count.max(1);
        let most = count.min(MOST_LOOKS);
        self.next.set(first + most);
        for place in (first..first + most).map(|place| place % count) {
            let Some(one) = all.get_mut(place) else {
                continue;
            };
            if !one.subscription.is_told()
                && let Some(delivery) = one.subscription.look()
            {
                self.deliver(one, delivery);
            }
            one.forget_if_stale();
        }
    }

    fn deliver(&self, one: &OfCluster, delivery: Delivery) {
        let Some(cluster) = one.cluster.upgrade() else {
            return;
        };
        match delivery {
            Ok(response) => {
                let verdict = self.apply(&cluster, one, &response);
                if one.subscription.first().is_done() || !one.subscription.is_told() {
                    one.subscription.answer(&response.version, &verdict);
                    return;
                }
                one.subscription.note(&response.version, &verdict);
                one.untold.replace(Some((response.version, verdict)));
                self.untold.set(self.untold.get() + 1);
            }
            Err(failure) => one.subscription.fail(&failure, self.style),
        }
    }

    fn apply(&self, cluster: &Arc<ClusterShared>, one: &OfCluster, response: &Response) -> Verdict {
        let Some(eds) = &cluster.settings.eds else {
            return Ok(());
        };
        let mut ctx = Ctx::new(self.allow_unsupported);
        ctx.runtime = self.runtime.clone();
        ctx.diagnostics = response.warnings.clone();
        let read = self.read(cluster, eds, response, &mut ctx);
        if !ctx.diagnostics.is_empty() {
            eprint!(
                "{}",
                report::render(&ctx.diagnostics, &response.sources, self.style)
            );
        }
        match read? {
            None => one.updates.update_empty.inc(),
            Some(assignment) => {
                one.has_come.set(true);
                one.holds_for(assignment.stale_after);
                let before = cluster.hosts();
                match assign(cluster, &assignment) {
                    false => one.updates.update_no_rebuild.inc(),
                    true if one.subscription.first().is_done() => cluster.count_discovery(&before),
                    true => {}
                }
            }
        }
        Ok(())
    }

    fn read(
        &self,
        cluster: &ClusterShared,
        eds: &EdsSource,
        response: &Response,
        ctx: &mut Ctx,
    ) -> Result<Option<Assignment>, String> {
        let rejected = |text: String| {
            let name = name_of(cluster, eds);
            log::warning(
                "upstream",
                &format!("eds: cluster '{name}' config rejected: {text}"),
            );
            text
        };
        let mut found = Vec::with_capacity(response.resources.len());
        for any in &response.resources {
            match unpack(ASSIGNMENT, any, &mut ctx.diagnostics) {
                Some(message) => found.push(message),
                None => return Err(first_error(&ctx.diagnostics)),
            }
        }
        let message = match found.as_slice() {
            [] => return Ok(None),
            [message] => message,
            more => {
                let text = format!("Unexpected EDS resource length: {}", more.len());
                return Err(rejected(text));
            }
        };
        let wanted = name_of(cluster, eds);
        let name = message.find(&["cluster_name"]).and_then(Value::as_str);
        let name = name.unwrap_or_default();
        if *name != *wanted {
            let text = format!("Unexpected EDS cluster (expecting {wanted}): {name}");
            return Err(rejected(text));
        }
        let read = Assignment::read(message, ctx);
        read.map(Some).map_err(|_| first_error(&ctx.diagnostics))
    }
}

/// Gives a cluster of which the server of everything says nothing what it has said before to others that want the same.
fn assign_as_before(all: &[OfCluster], cluster: &Arc<ClusterShared>) {
    let Some(eds) = &cluster.settings.eds else {
        return;
    };
    let wanted = name_of(cluster, eds);
    let is_it = |one: &&OfCluster| one.cluster.as_ptr() == Arc::as_ptr(cluster);
    let known = all.iter().filter(|one| one.has_come.get()).rev();
    let known = known.filter_map(|one| Some((one.cluster.upgrade()?, one.stale_at.get())));
    let mut others = known.filter(|(other, _)| {
        let eds = other.settings.eds.as_ref();
        eds.is_some_and(|eds| {
            matches!(eds.source, ResourceSource::Ads { .. }) && name_of(other, eds) == wanted
        })
    });
    let (Some((other, stale_at)), Some(one)) = (others.next(), all.iter().find(is_it)) else {
        return;
    };
    assign(cluster, &assigned_to(&other));
    one.has_come.set(true);
    one.stale_at.set(stale_at);
    one.updates.assignment_use_cached.inc();
}

/// What the hosts of a cluster are called at their source.
fn name_of<'c>(cluster: &'c ClusterShared, eds: &'c EdsSource) -> &'c str {
    match &*eds.service_name {
        "" => &cluster.settings.name,
        name => name,
    }
}
