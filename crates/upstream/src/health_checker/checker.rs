//! The checks of one cluster: a task that follows its hosts, and one for each of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::groups::HealthCheckStats;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinHandle, spawn_local};

use super::host::CheckedHost;
use super::link::Dialer;
use crate::cluster::{ClusterShared, Host};
use crate::health_check::session::{Failure, Outcome};
use crate::health_check::settings::{ActiveChecks, Told};

/// A cluster's checks under way; they end when this is dropped.
pub struct HealthChecks {
    task: JoinHandle<()>,
    common: Rc<Common>,
}

/// What the checks of all hosts share.
pub(super) struct Common {
    pub(super) cluster: Arc<ClusterShared>,
    pub(super) checks: Arc<ActiveChecks>,
    pub(super) stats: Arc<HealthCheckStats>,
    pub(super) services: Rc<dyn WorkerServices>,
    pub(super) dialer: Rc<Dialer>,
    hosts: RefCell<HashMap<*const Host, Checked>>,
    first_results: Notify,
}

/// A host and its task.
struct Checked {
    host: Rc<CheckedHost>,
    task: JoinHandle<()>,
}

impl Drop for Checked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HealthChecks {
    /// Begins to check a cluster's hosts on local tasks of the calling thread, the main one; none if it is not to be.
    pub fn begin(cluster: &Arc<ClusterShared>, services: Rc<dyn WorkerServices>) -> Option<Self> {
        let checks = cluster.settings.health_checks.as_ref()?;
        let (mailbox, told) = unbounded_channel();
        checks.tell(mailbox);
        let common = Rc::new(Common {
            cluster: Arc::clone(cluster),
            checks: Arc::clone(checks),
            stats: cluster.scope().worker_group(),
            services,
            dialer: Rc::new(Dialer::new(Arc::clone(cluster))),
            hosts: RefCell::default(),
            first_results: Notify::new(),
        });
        common.follow_hosts();
        let task = spawn_local(Rc::clone(&common).run(told));
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
            let known = before.remove(&Arc::as_ptr(host));
            let checked = known.unwrap_or_else(|| self.check(host));
            hosts.insert(Arc::as_ptr(host), checked);
        }
        *self.hosts.borrow_mut() = hosts;
        // A host that went unchecked is waited for no more.
        self.first_result();
    }

    fn check(self: &Rc<Self>, host: &Arc<Host>) -> Checked {
        let host = Rc::new(CheckedHost::new(self, host));
        let task = spawn_local(Rc::clone(&host).run());
        Checked { host, task }
    }

    fn fail(&self, host: &Arc<Host>) {
        let checked = self.hosts.borrow();
        let checked = checked.get(&Arc::as_ptr(host));
        if let Some(host) = checked.map(|checked| Rc::clone(&checked.host)) {
            host.take(Outcome::Failed(Failure::Passive));
        }
    }

    fn has_unchecked(&self) -> bool {
        let known = self.hosts.borrow();
        let was_checked = |host: &Arc<Host>| {
            let checked = known.get(&Arc::as_ptr(host));
            checked.is_some_and(|checked| checked.host.was_checked())
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
