//! What has the weights of hosts that report their load come into force on the main thread, again and again.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::clock::Clock;
use nuncio_net::tasks::spawn_seldom;
use tokio::task::JoinHandle;

use crate::cluster::ClusterShared;

/// Weights that come into force again and again; no more once this is dropped.
pub struct WeightUpdates {
    task: JoinHandle<()>,
}

impl Drop for WeightUpdates {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Begins them for a cluster whose hosts report, on a local task of the calling thread, the main one.
pub fn begin(cluster: &Arc<ClusterShared>, clock: Rc<dyn Clock>) -> Option<WeightUpdates> {
    let reports = Arc::clone(cluster.settings.lb.reports.as_ref()?);
    let cluster = Arc::clone(cluster);
    let task = async move {
        loop {
            tokio::time::sleep(reports.update_period).await;
            if reports.update(cluster.hosts().iter(), clock.now()) {
                cluster.weights_changed();
            }
        }
    };
    Some(WeightUpdates {
        task: spawn_seldom(task),
    })
}
