//! What keeps a cluster's outlier detection going on the main thread: it listens to alarms, and ends intervals.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nuncio_contract::clock::Clock;
use nuncio_net::tasks::spawn_seldom;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use crate::cluster::ClusterShared;
use crate::load_balancing::Random;
use crate::outlier_detection::{Event, Raised, Step};

/// Takes what happened to a host of the cluster of this name.
pub type EventLog = Rc<dyn Fn(&str, &Event)>;

/// A cluster's detection under way; ends when dropped.
pub struct Detection {
    task: JoinHandle<()>,
}

/// Begins the detection of a cluster that has one, on a local task of the calling thread, the main one.
pub fn begin(
    cluster: &Arc<ClusterShared>,
    clock: Rc<dyn Clock>,
    seed: u64,
    log: Option<EventLog>,
) -> Option<Detection> {
    cluster.outliers()?;
    let cluster = Arc::clone(cluster);
    let task = async move { run(&cluster, &*clock, seed, log.as_ref()).await };
    Some(Detection {
        task: spawn_seldom(task),
    })
}

impl Drop for Detection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(cluster: &Arc<ClusterShared>, clock: &dyn Clock, seed: u64, log: Option<&EventLog>) {
    let Some(outliers) = cluster.outliers() else {
        return;
    };
    let Some(mut raised) = outliers.listen() else {
        return;
    };
    let random = Random::new(seed);
    let mut random = || random.next();
    loop {
        let mut interval = pin!(tokio::time::sleep(outliers.interval()));
        while let Some(alarm) = before(&mut raised, interval.as_mut()).await {
            let step = outliers.alarm(&alarm, clock.now(), &mut random);
            act(cluster, &step, clock.now(), log);
        }
        let step = outliers.interval_is_over(clock.now(), &mut random);
        act(cluster, &step, clock.now(), log);
    }
}

/// The next alarm before the interval is over.
async fn before(
    raised: &mut UnboundedReceiver<Raised>,
    interval: impl Future<Output = ()>,
) -> Option<Raised> {
    tokio::select! {
        alarm = raised.recv() => alarm,
        () = interval => None,
    }
}

fn act(cluster: &Arc<ClusterShared>, step: &Step, now: Instant, log: Option<&EventLog>) {
    if step.is_health_changed {
        cluster.health_changed(now);
    }
    if let Some(log) = log {
        step.events
            .iter()
            .for_each(|event| log(&cluster.settings.name, event));
    }
}
