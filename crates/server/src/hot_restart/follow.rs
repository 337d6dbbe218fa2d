//! How a child sees its parent off: it has it drain, adds what it counts to its own, and ends it.
//!
//! A task of the main thread; what blocks runs beside it. When the parent is gone or stuck, the child goes on alone.

use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::stats::StatsStore;
use nuncio_net::tasks::spawn_seldom;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};

use super::child::Predecessor;
use super::parent::Parent;
use super::stats::Merger;
use crate::log;

/// How the parent is seen off.
pub(super) struct Terms {
    /// Where its counts go.
    pub(super) store: StatsStore,
    /// Whether they are taken over.
    pub(super) takes_stats: bool,
    /// How often.
    pub(super) every: Duration,
    /// When it is ended.
    pub(super) ends_after: Duration,
}

/// A parent that is being seen off.
pub(crate) struct Follow {
    hurry: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Follow {
    pub(super) fn start(
        predecessor: Option<Arc<Predecessor>>,
        own: Arc<Parent>,
        terms: Terms,
    ) -> Follow {
        let (hurry, hurried) = oneshot::channel();
        let task = spawn_seldom(async move {
            let Some(predecessor) = predecessor else {
                own.initialized();
                return;
            };
            let store = terms.store.clone();
            if let Err(error) = see_off(predecessor, &own, terms, hurried).await {
                log::warning("main", &format!("{error}; this process goes on alone"));
            }
            own.initialized();
            store.forget_imported_gauges();
        });
        Follow { hurry, task }
    }

    /// Ends the parent now, if it still lives; what it counted is here afterwards.
    pub(crate) async fn finish(self) {
        let _it_has_ended_already = self.hurry.send(());
        // A panic was printed already.
        drop(self.task.await);
    }
}

async fn see_off(
    predecessor: Arc<Predecessor>,
    own: &Parent,
    terms: Terms,
    hurried: oneshot::Receiver<()>,
) -> Result<(), String> {
    // First of all, as one that hangs up before leaves a parent that goes on accepting beside this process.
    ask(&predecessor, Predecessor::drain).await?;
    let mut merger = take_over(&predecessor, Merger::default(), &terms).await?;
    own.initialized();
    let end = Instant::now() + terms.ends_after;
    let over = async {
        tokio::select! {
            () = sleep_until(end) => {}
            _ = hurried => {}
        }
    };
    let mut over = std::pin::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => break,
            () = sleep(terms.every) => {
                merger = take_over(&predecessor, merger, &terms).await?;
            }
        }
    }
    // Once more, so that nothing is lost that was counted since.
    take_over(&predecessor, merger, &terms).await?;
    log::info("main", "shutting down parent after drain");
    ask(&predecessor, Predecessor::terminate).await
}

async fn take_over(
    predecessor: &Arc<Predecessor>,
    mut merger: Merger,
    terms: &Terms,
) -> Result<Merger, String> {
    if !terms.takes_stats {
        return Ok(merger);
    }
    let store = terms.store.clone();
    ask(predecessor, move |predecessor| {
        predecessor.merge_stats(&mut merger, &store)?;
        Ok(merger)
    })
    .await
}

/// Has a thread of its own wait for the parent.
async fn ask<T: Send + 'static>(
    predecessor: &Arc<Predecessor>,
    what: impl FnOnce(&Predecessor) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let predecessor = Arc::clone(predecessor);
    let asked = spawn_blocking(move || what(&predecessor)).await;
    asked.unwrap_or_else(|error| Err(format!("hot restart: {error}")))
}
