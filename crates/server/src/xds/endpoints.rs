//! EDS: the hosts of clusters of type EDS, each cluster with a subscription of its own, which ends with the cluster.
//!
//! A cluster subscribes when it is made, before it takes any traffic; hosts that stay keep their connections and
//! counts. An update that cannot be used changes nothing. Limit: [`MOST_LOOKS`] clusters are looked after at a time.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use nuncio_config::report::{self, Style};
use nuncio_config::resources::{Response, first_error, unpack};
use nuncio_config::runtime::RuntimeKeys;
use nuncio_config::tree::Value;
use nuncio_config::typed::Ctx;
use nuncio_contract::stats::groups::ClusterUpdateStats;
use nuncio_upstream::cluster::{ClusterShared, EdsSource};
use nuncio_upstream::config::Assignment;
use nuncio_upstream::discovery::assign;

use super::delivery::{Delivery, Verdict};
use super::subscription::Subscription;
use crate::bootstrap::Surroundings;
use crate::log;

/// So many clusters are looked after at a time, so that very many cost no more time than that; the others have their
/// turn the next time.
const MOST_LOOKS: usize = 1000;

const ASSIGNMENT: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment";

/// The subscriptions of all clusters.
pub(super) struct Endpoints {
    allow_unsupported: bool,
    style: Style,
    runtime: RuntimeKeys,
    all: RefCell<Vec<OfCluster>>,
    /// Whose turn it is to be looked after.
    next: Cell<usize>,
}

struct OfCluster {
    cluster: Weak<ClusterShared>,
    subscription: Subscription,
    updates: Arc<ClusterUpdateStats>,
}

impl Endpoints {
    pub(super) fn new(around: &Surroundings<'_>) -> Self {
        Endpoints {
            allow_unsupported: around.options.allow_unsupported,
            style: crate::style(around.options),
            runtime: around.runtime.keys.clone(),
            all: RefCell::default(),
            next: Cell::default(),
        }
    }

    /// Whether there is nothing to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.all.borrow().is_empty()
    }

    /// Subscribes to the hosts of a cluster that was made, if they come from elsewhere.
    pub(super) fn begin(&self, cluster: &Arc<ClusterShared>) {
        let Some(eds) = &cluster.settings.eds else {
            return;
        };
        let updates = cluster.scope().worker_group();
        let scope = cluster.scope().clone();
        let (subscription, delivery) =
            Subscription::begin_for_cluster(&eds.source, scope, &updates);
        let one = OfCluster {
            cluster: Arc::downgrade(cluster),
            subscription,
            updates,
        };
        self.deliver(&one, delivery);
        self.all.borrow_mut().push(one);
    }

    /// Takes what has come.
    pub(super) fn look(&self) {
        let mut all = self.all.borrow_mut();
        all.retain(|one| one.cluster.strong_count() > 0);
        let first = self.next.get() % all.len().max(1);
        let most = all.len().min(MOST_LOOKS);
        self.next.set(first + most);
        let count = all.len();
        for place in (first..first + most).map(|place| place % count) {
            let Some(one) = all.get_mut(place) else {
                continue;
            };
            if let Some(delivery) = one.subscription.look() {
                self.deliver(one, delivery);
            }
        }
    }

    fn deliver(&self, one: &OfCluster, delivery: Delivery) {
        let Some(cluster) = one.cluster.upgrade() else {
            return;
        };
        match delivery {
            Ok(response) => {
                let verdict = self.apply(&cluster, &one.updates, &response);
                one.subscription.answer(&response.version, &verdict);
            }
            Err(failure) => one.subscription.fail(&failure, self.style),
        }
    }

    fn apply(
        &self,
        cluster: &Arc<ClusterShared>,
        updates: &ClusterUpdateStats,
        response: &Response,
    ) -> Verdict {
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
            None => updates.update_empty.inc(),
            Some(assignment) => {
                if !assign(cluster, &assignment) {
                    updates.update_no_rebuild.inc();
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
            let name = &cluster.settings.name;
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
        let wanted = match &*eds.service_name {
            "" => &cluster.settings.name,
            name => name,
        };
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
