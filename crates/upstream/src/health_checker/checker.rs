//! The checks of one cluster: a task that follows its hosts, and one for each check of each of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::groups::{HealthCheckStats, HealthCheckTotals};
use nuncio_net::tasks::spawn_seldom;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::flags::CheckFlags;
use super::gauges::Gauges;
use super::host::CheckedHost;
use super::link::Dialer;
use crate::cluster::{ClusterShared, HealthFlags, Host};
use crate::health_check::Check;
use crate::health_check::combined::Combined;
use crate::health_check::session::{Failure, Outcome};
use crate::health_check::settings::Told;

/// A cluster's checks under way; they end when this is dropped.
pub struct HealthChecks {
    task: JoinHandle<()>,
    common: Rc<Common>,
}

/// What the checks of all hosts share.
pub(super) struct Common {
    pub(super) cluster: Arc<ClusterShared>,
    pub(super) services: Rc<dyn WorkerServices>,
    runs: Vec<Rc<CheckRun>>,
    /// For several checks.
    totals: Option<Arc<HealthCheckTotals>>,
    hosts: RefCell<HashMap<usize, Checked>>,
    first_results: Notify,
}

/// A check and what it counts in.
pub(super) struct CheckRun {
    pub(super) check: Arc<Check>,
    pub(super) stats: Arc<HealthCheckStats>,
    pub(super) dialer: Rc<Dialer>,
}

/// A host and its tasks, check by check.
struct Checked {
    checks: Vec<(Rc<CheckedHost>, JoinHandle<()>)>,
}

impl Checked {
    /// The same for a host that discovery may describe in another way.
    fn renewed(self, now: &Arc<Host>) -> Self {
        let checks = self.checks.iter();
        checks.for_each(|(host, _)| host.flags.renew(now));
        self
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        self.checks.iter().for_each(|(_, task)| task.abort());
    }
}

impl HealthChecks {
    /// Begins to check a cluster's hosts on local tasks of the calling thread, the main one; none if it is not to be.
    pub fn begin(cluster: &Arc<ClusterShared>, services: Rc<dyn WorkerServices>) -> Option<Self> {
        let checks = cluster.settings.health_checks.as_ref()?;
        let (mailbox, told) = unbounded_channel();
        checks.tell(mailbox);
        let runs = checks.all.iter();
        let runs = runs.map(|check| Rc::new(CheckRun::new(cluster, check)));
        let common = Rc::new(Common {
            cluster: Arc::clone(cluster),
            services,
            runs: runs.collect(),
            totals: (checks.all.len() > 1).then(|| cluster.scope().worker_group()),
            hosts: RefCell::default(),
            first_results: Notify::new(),
        });
        common.follow_hosts();
        let task = spawn_seldom(Rc::clone(&common).run(told));
        Some(Self { task, common })
    }

    /// Waits until each host of now was checked once.
    pub fn first_round(&self) -> impl Future<Output = ()> + use<> {
        let common = Rc::clone(&self.common);
        async move {
            while common.has_unchecked() {
                common.first_results.notified().await;
            }
        }
    }
}

impl Drop for HealthChecks {
    fn drop(&mut self) {
        self.task.abort();
        self.common.hosts.take();
    }
}

impl CheckRun {
    fn new(cluster: &Arc<ClusterShared>, check: &Arc<Check>) -> Self {
        let scope = cluster.scope();
        let named = (!check.name.is_empty())
            .then(|| scope.scope(&format!("health_check.name.{}", check.name)))
            .flatten();
        Self {
            check: Arc::clone(check),
            stats: match named {
                Some(named) => named.worker_group(),
                None => scope.worker_group_at("health_check."),
            },
            dialer: Rc::new(Dialer::new(
                Arc::clone(cluster),
                check.alpn.clone(),
                check.socket_criteria.clone(),
            )),
        }
    }
}

impl Common {
    async fn run(self: Rc<Self>, mut told: UnboundedReceiver<Told>) {
        while let Some(news) = told.recv().await {
            match news {
                Told::HostsChanged => self.follow_hosts(),
                Told::Failed(host) => self.fail(&host),
            }
        }
    }

    fn follow_hosts(self: &Rc<Self>) {
        let now = self.cluster.hosts();
        let mut before = self.hosts.take();
        let mut hosts = HashMap::new();
        for host in now.iter().filter(|host| host.is_checked()) {
            let checked = match before.remove(&host.identity()) {
                Some(known) => known.renewed(host),
                None => self.check(host),
            };
            hosts.insert(host.identity(), checked);
        }
        *self.hosts.borrow_mut() = hosts;
        // A host that went unchecked is waited for no more.
        self.first_result();
    }

    fn check(self: &Rc<Self>, host: &Arc<Host>) -> Checked {
        let totals = self.totals.as_ref();
        let combined = totals.map(|totals| {
            let combined = Combined::new(self.runs.len(), host.health());
            let gauges = Rc::new(Gauges::new(Arc::clone(totals)));
            (Rc::new(RefCell::new(combined)), gauges)
        });
        let begin = |(place, run): (usize, &Rc<CheckRun>)| {
            let (flags, gauges) = match &combined {
                None => (CheckFlags::of_the_host(host), None),
                Some((combined, gauges)) => (
                    CheckFlags::own(host, combined, place),
                    Some(Rc::clone(gauges)),
                ),
            };
            let host = Rc::new(CheckedHost::new(self, run, flags, gauges));
            let task = spawn_seldom(Rc::clone(&host).run());
            (host, task)
        };
        Checked {
            checks: self.runs.iter().enumerate().map(begin).collect(),
        }
    }

    /// Of several checks the last one is told, as in Envoy.
    fn fail(&self, host: &Arc<Host>) {
        let hosts = self.hosts.borrow();
        let checked = hosts.get(&host.identity());
        let last = checked.and_then(|checked| checked.checks.last());
        if let Some(host) = last.map(|(host, _)| Rc::clone(host)) {
            drop(hosts);
            let excluded = HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL;
            host.flags.change(excluded, HealthFlags::HEALTHY);
            host.take(Outcome::Failed(Failure::Passive));
        }
    }

    fn has_unchecked(&self) -> bool {
        let known = self.hosts.borrow();
        let was_checked = |host: &Arc<Host>| {
            let checked = known.get(&host.identity());
            checked.is_some_and(|checked| checked.checks.iter().all(|(host, _)| host.was_checked()))
        };
        let hosts = self.cluster.hosts();
        hosts
            .iter()
            .filter(|host| host.is_checked())
            .any(|host| !was_checked(host))
    }

    pub(super) fn first_result(&self) {
        self.first_results.notify_waiters();
        self.first_results.notify_one();
    }
}
