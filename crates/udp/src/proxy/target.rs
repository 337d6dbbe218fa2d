//! The clusters that sessions go to, as the worker has them, with what is counted for them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_upstream::{ClusterId, WorkerCluster, WorkerClusters};

use super::UdpProxy;
use super::session::Session;
use super::stats::UdpClusterStats;

/// A cluster on one worker.
pub(super) struct Target {
    pub(super) id: ClusterId,
    pub(super) cluster: Rc<WorkerCluster>,
    pub(super) stats: Arc<UdpClusterStats>,
    /// The version of its members that sessions were last compared with.
    generation: Cell<u64>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Targets(RefCell<HashMap<ClusterId, Rc<Target>>>);

impl Targets {
    /// A cluster as it is now; none if there is none.
    pub(super) fn get(&self, id: ClusterId, clusters: &WorkerClusters) -> Option<Rc<Target>> {
        let Some(cluster) = clusters.get(id) else {
            self.0.borrow_mut().remove(&id);
            return None;
        };
        if let Some(known) = self.0.borrow().get(&id)
            && Rc::ptr_eq(&known.cluster, &cluster)
        {
            return Some(Rc::clone(known));
        }
        let target = Rc::new(Target {
            id,
            stats: cluster.shared().scope().worker_group(),
            generation: Cell::new(cluster.shared().generation()),
            cluster,
        });
        self.0.borrow_mut().insert(id, Rc::clone(&target));
        Some(target)
    }
}

impl UdpProxy {
    /// A cluster as it is now; sessions of members that have left end.
    pub(super) fn target(&self, id: ClusterId) -> Option<Rc<Target>> {
        let target = self.targets.get(id, &self.worker.clusters)?;
        let generation = target.cluster.shared().generation();
        if target.generation.replace(generation) != generation {
            self.follow_members(&target);
        }
        Some(target)
    }

    /// That of a session, if it is still there and the same; the session may have ended meanwhile.
    pub(super) fn target_of(&self, session: &Rc<Session>) -> Option<Rc<Target>> {
        let target = self.target(session.target()?.id);
        match target {
            Some(target) if session.goes_to(&target) => Some(target),
            _ => {
                self.end(session);
                None
            }
        }
    }

    fn follow_members(&self, target: &Rc<Target>) {
        let hosts = target.cluster.shared().hosts();
        let members: HashMap<_, _> = hosts.iter().map(|host| (host.address, host)).collect();
        for session in self.sessions.all() {
            let address = session.host_address();
            let Some(address) = address.filter(|_| session.goes_to(target)) else {
                continue;
            };
            match members.get(&address) {
                Some(host) => session.renew_host(host),
                None => self.end(&session),
            }
        }
    }

    /// Has sessions of members and clusters that are gone end though no datagrams come, as long as there are sessions.
    pub(super) fn watch(&self) {
        if self.is_watching.replace(true) {
            return;
        }
        let proxy = self.this.clone();
        let services = Rc::clone(&self.worker.services);
        tokio::task::spawn_local(async move {
            loop {
                services.sleep(super::LOOK_EVERY).await;
                let Some(proxy) = proxy.upgrade() else {
                    return;
                };
                for session in proxy.sessions.one_of_each_target() {
                    let _ends_what_is_gone = proxy.target_of(&session);
                }
                if proxy.sessions.is_empty() {
                    proxy.is_watching.set(false);
                    return;
                }
            }
        });
    }
}
