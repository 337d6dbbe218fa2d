//! Reports of a sink on their way to the main thread, where calls can be made.
//!
//! Limit: no report is taken while 64 MiB of them wait there; it is lost.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_sink::{ByteSink, Reporter};
use nuncio_http::worker::Worker;
use nuncio_net::tasks::spawn_seldom;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Bytes that may wait.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// The side of the thread that tells.
pub(super) struct ToReporter {
    reports: UnboundedSender<Vec<u8>>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl ToReporter {
    /// Starts the side of the main thread, which ends with this one.
    pub(super) fn start(mut reporter: Reporter, worker: &Rc<Worker>) -> Self {
        let (reports, mut received) = unbounded_channel::<Vec<u8>>();
        let waiting_bytes = Arc::<AtomicUsize>::default();
        let (waiting, worker) = (Arc::clone(&waiting_bytes), Rc::clone(worker));
        spawn_seldom(async move {
            while let Some(report) = received.recv().await {
                waiting.fetch_sub(report.len(), Relaxed);
                if let Some(calls) = worker.calls() {
                    reporter(report, &calls);
                }
            }
        });
        Self {
            reports,
            waiting_bytes,
        }
    }
}

impl ByteSink for ToReporter {
    fn send(&mut self, bytes: Vec<u8>) {
        if self.waiting_bytes.load(Relaxed) <= MAX_WAITING_BYTES {
            self.waiting_bytes.fetch_add(bytes.len(), Relaxed);
            let _lost_at_the_end_of_the_process = self.reports.send(bytes);
        }
    }
}
