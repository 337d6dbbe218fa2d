//! What keeps a cluster's outlier detection going on the main thread.

use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use nuncio_contract::clock::Clock;
use tokio::task::JoinHandle;

use super::detector::Step;
use super::event::Event;
use super::{Alarms, Outliers};
use crate::cluster::ClusterShared;
use crate::load_balancing::Random;

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
        task: tokio::task::spawn_local(task),
    })
}

impl Drop for Detection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(cluster: &ClusterShared, clock: &dyn Clock, seed: u64, log: Option<&EventLog>) {
    let Some(outliers) = cluster.outliers() else {
        return;
    };
    let raised = outliers.raised.lock();
    let raised = raised.unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut raised) = raised else { return };
    let random = Random::new(seed);
    let mut random = || random.next();
    loop {
        let mut interval = pin!(tokio::time::sleep(interval(outliers)));
        loop {
            let step = tokio::select! {
                alarm = raised.recv() => match alarm {
                    Some(alarm) => alarmed(outliers, &alarm, clock, &mut random),
                    None => return,
                },
                () = &mut interval => break,
            };
            act(cluster, step, log);
        }
        act(cluster, outliers.interval(clock.now(), &mut random), log);
    }
}

fn alarmed(
    outliers: &Outliers,
    alarm: &Alarms,
    clock: &dyn Clock,
    random: &mut dyn FnMut() -> u64,
) -> Step {
    outliers.alarm(alarm, clock.now(), random)
}

fn interval(outliers: &Outliers) -> Duration {
    Duration::from_millis(outliers.settings.interval_ms.get().max(1))
}

fn act(cluster: &ClusterShared, step: Step, log: Option<&EventLog>) {
    if step.is_health_changed {
        cluster.health_changed();
    }
    if let Some(log) = log {
        step.events
            .iter()
            .for_each(|event| log(&cluster.settings.name, event));
    }
}
