//! HDS (`hds_config`): a server says which hosts this proxy is to check, and is told every so often how they are.
//!
//! [`specifier`] makes clusters of what the server says; nobody but the checks uses them. [`report`] says how their
//! hosts are. A stream that ends is opened again after a pause of 1 s to 30 s, as in Envoy, unless `retry_policy` of the
//! service says otherwise; what was to be checked is checked on.
//!
//! Different from Envoy: a cluster that a later message changes is checked anew as a whole, and reports go on after a
//! stream was opened again though the server says the same as before. Only the start reads `hds_config`, no reload.

mod report;
mod specifier;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_contract::config_source::ServerSource;
use nuncio_contract::grpc_client::{GrpcEvent, GrpcStream};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;

use crate::bootstrap::Surroundings;
use crate::log;
use specifier::{Checked, Maker};

const METHOD: &str = "/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck";
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

stat_group! {
    /// Messages from and to the server, as Envoy counts them.
    pub struct HdsStats("hds_delegate.") {
        counters {
            errors,
            requests,
            responses,
            updates,
        }
    }
}

/// Who asks, and what is checked.
pub(crate) struct Delegate {
    server: Arc<ServerSource>,
    node: Vec<u8>,
    services: Rc<dyn WorkerServices>,
    stats: Arc<HdsStats>,
    maker: Maker,
    checked: Vec<Checked>,
    /// What the server has said last.
    said: Vec<u8>,
    interval: Duration,
}

impl Delegate {
    /// Nothing is checked yet.
    pub(crate) fn new(
        around: &Surroundings<'_>,
        server: Arc<ServerSource>,
        node: Vec<u8>,
        services: &Rc<dyn WorkerServices>,
    ) -> Self {
        Delegate {
            server,
            node,
            services: Rc::clone(services),
            stats: around.stats.root().worker_group(),
            maker: Maker::new(around, services),
            checked: Vec::new(),
            said: Vec::new(),
            interval: Duration::ZERO,
        }
    }

    /// Asks and reports, for ever.
    pub(crate) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let calls = self.services.calls();
            let stream =
                calls.and_then(|calls| self.server.target.stream(&*calls, METHOD, None).ok());
            match stream {
                Some(stream) => {
                    pause = FIRST_PAUSE;
                    self.one_stream(stream).await;
                }
                None => log::warning("upstream", "HDS: unable to establish new stream"),
            }
            self.stats.errors.inc();
            let share = self.services.random_u64() % u64::try_from(pause.as_millis()).unwrap_or(1);
            pause = (pause * 2).min(LONGEST_PAUSE);
            let share = Duration::from_millis(share);
            let text = format!(
                "HdsDelegate stream/connection failure, will retry in {} ms.",
                share.as_millis()
            );
            log::warning("upstream", &text);
            self.services.sleep(share).await;
        }
    }

    async fn one_stream(&mut self, mut stream: GrpcStream) {
        stream.send(&report::first_request(&self.node));
        self.stats.responses.inc();
        self.said.clear();
        let mut report_at: Option<Instant> = None;
        loop {
            tokio::select! {
                event = stream.next() => match event {
                    GrpcEvent::Head(_) => {}
                    GrpcEvent::Message(message) => {
                        if self.take(message) {
                            report_at = Some(self.services.now() + self.interval);
                        }
                    }
                    GrpcEvent::End(end) => {
                        let text = format!("StreamHealthCheck gRPC config stream closed: {}, {}", end.status, end.message);
                        return log::warning("upstream", &text);
                    }
                },
                () = self.sleep_until(report_at) => {
                    stream.send(&report::of(&self.checked));
                    self.stats.responses.inc();
                    report_at = Some(self.services.now() + self.interval);
                }
            }
        }
    }

    /// Takes what the server says; whether reports begin anew by it.
    fn take(&mut self, message: Vec<u8>) -> bool {
        self.stats.requests.inc();
        if message == self.said {
            return false;
        }
        let begins = self.said.is_empty();
        match specifier::read(&message) {
            Ok(specifier) => {
                let before = std::mem::replace(&mut self.interval, specifier.interval());
                let known = std::mem::take(&mut self.checked);
                self.checked = self.maker.make(&specifier, known, &self.stats);
                self.said = message;
                self.stats.updates.inc();
                begins || before != self.interval
            }
            Err(why) => {
                self.stats.errors.inc();
                let text = format!("Unable to validate health check specifier: {why}");
                log::warning("upstream", &text);
                false
            }
        }
    }

    async fn sleep_until(&self, moment: Option<Instant>) {
        match moment {
            Some(moment) => {
                let rest = moment.saturating_duration_since(self.services.now());
                self.services.sleep(rest).await;
            }
            None => std::future::pending().await,
        }
    }
}
