//! LRS (`load_stats_config`): a server is told every so often what load clusters have, by locality.
//!
//! The server says which clusters, and how often ([`LoadStatsResponse`](Wanted)); [`report`] says what came since the
//! last report. A stream that ends is opened again after 5 s, as in Envoy.
//!
//! Left out: loads that hosts report themselves (`lrs_report_endpoint_metrics` is refused). Different from Envoy:
//! clusters stand in a report in the order in which they came to be. Only the start reads `load_stats_config`.

mod report;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::resources::{first_error, unpack};
use nuncio_config::tree::{Message, Value};
use nuncio_config::wire::discovery::{RawAny, open};
use nuncio_contract::config_source::ServerSource;
use nuncio_contract::grpc::status;
use nuncio_contract::grpc_client::{GrpcEvent, GrpcStream};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;
use nuncio_upstream::ClusterManager;

use crate::bootstrap::Surroundings;
use crate::log;
use report::Tracked;

const METHOD: &str = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats";
const RESPONSE: &str = "envoy.service.load_stats.v3.LoadStatsResponse";
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The shortest time between reports.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

stat_group! {
    /// Messages from and to the server, as Envoy counts them.
    pub struct LoadReporterStats("load_reporter.") {
        counters {
            errors,
            requests,
            responses,
            retries,
        }
    }
}

/// What the server wants to know.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    clusters: Vec<String>,
    all_clusters: bool,
    hosts_too: bool,
    interval: Duration,
}

/// Who tells.
pub(crate) struct LoadReporter {
    server: Arc<ServerSource>,
    node: Vec<u8>,
    services: Rc<dyn WorkerServices>,
    manager: Arc<ClusterManager>,
    stats: Arc<LoadReporterStats>,
    wanted: Option<Wanted>,
    tracked: HashMap<Box<str>, Tracked>,
}

impl LoadReporter {
    /// Nobody is told yet.
    pub(crate) fn new(
        around: &Surroundings<'_>,
        server: Arc<ServerSource>,
        node: Vec<u8>,
        services: &Rc<dyn WorkerServices>,
    ) -> Self {
        LoadReporter {
            server,
            node: report::able_node(node),
            services: Rc::clone(services),
            manager: Arc::clone(around.manager),
            stats: around.stats.root().worker_group(),
            wanted: None,
            tracked: HashMap::new(),
        }
    }

    /// Tells, for ever.
    pub(crate) async fn run(mut self) {
        loop {
            let calls = self.services.calls();
            let stream =
                calls.and_then(|calls| self.server.target.stream(&*calls, METHOD, None).ok());
            let failed = match stream {
                Some(stream) => self.one_stream(stream).await,
                None => {
                    log::warning("upstream", "Unable to establish new stream");
                    true
                }
            };
            self.stats.errors.add(u64::from(failed));
            let text = format!(
                "Load reporter stats stream/connection will retry in {} ms.",
                RETRY_AFTER.as_millis()
            );
            log::info("upstream", &text);
            self.services.sleep(RETRY_AFTER).await;
            self.stats.retries.inc();
        }
    }

    /// Whether the stream ended badly.
    async fn one_stream(&mut self, mut stream: GrpcStream) -> bool {
        let mut report_at = self.report(&mut stream);
        loop {
            tokio::select! {
                event = stream.next() => match event {
                    GrpcEvent::Head(_) => {}
                    GrpcEvent::Message(message) => {
                        if self.take(&message) {
                            report_at = self.begin_period();
                        }
                    }
                    GrpcEvent::End(end) => {
                        let text = format!(
                            "StreamLoadStats gRPC config stream closed: {}, {}",
                            end.status, end.message
                        );
                        log::warning("upstream", &text);
                        return end.status != status::OK;
                    }
                },
                () = self.sleep_until(report_at) => report_at = self.report(&mut stream),
            }
        }
    }

    /// Takes what the server says; false if it is nothing.
    fn take(&mut self, message: &[u8]) -> bool {
        match read(message) {
            Ok(wanted) => {
                self.stats.requests.inc();
                self.wanted = Some(wanted);
                true
            }
            Err(why) => {
                self.stats.errors.inc();
                log::warning("upstream", &format!("no LoadStatsResponse: {why}"));
                false
            }
        }
    }

    /// Sends a report; when the next one is due.
    fn report(&mut self, stream: &mut GrpcStream) -> Option<Instant> {
        let now = self.services.now();
        let hosts_too = self.wanted.as_ref().is_some_and(|wanted| wanted.hosts_too);
        let clusters = self.manager.clusters();
        let told = clusters.iter().filter_map(|cluster| {
            let tracked = self.tracked.get_mut(&*cluster.settings.name)?;
            tracked.report(cluster, hosts_too, now)
        });
        let message = report::message(&self.node, told.collect());
        stream.send(&message);
        self.stats.responses.inc();
        self.begin_period()
    }

    /// Begins to track what is wanted and was not tracked; when it is to be reported.
    fn begin_period(&mut self) -> Option<Instant> {
        let wanted = self.wanted.as_ref()?;
        let now = self.services.now();
        let mut before = std::mem::take(&mut self.tracked);
        for cluster in self.manager.clusters() {
            let name = &cluster.settings.name;
            if wanted.all_clusters || wanted.clusters.iter().any(|one| **one == **name) {
                let tracked = before.remove(name);
                let tracked = tracked.unwrap_or_else(|| Tracked::new(&cluster, now));
                self.tracked.insert(name.clone(), tracked);
            }
        }
        Some(now + wanted.interval)
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

fn read(bytes: &[u8]) -> Result<Wanted, String> {
    let raw = RawAny {
        type_url: format!("type.googleapis.com/{RESPONSE}"),
        value: bytes.to_vec(),
    };
    let (mut unknown, mut found) = (Vec::new(), Diagnostics::default());
    let message =
        open(&raw, &mut unknown, &mut found).and_then(|any| unpack(RESPONSE, &any, &mut found));
    let message = message.ok_or_else(|| first_error(&found))?;
    let is_set = |name: &str| matches!(message.find(&[name]), Some(Value::Bool(true)));
    Ok(Wanted {
        clusters: names(&message),
        all_clusters: is_set("send_all_clusters"),
        hosts_too: is_set("report_endpoint_granularity"),
        interval: interval(&message).max(SHORTEST_INTERVAL),
    })
}

fn names(message: &Message) -> Vec<String> {
    let names = message.find(&["clusters"]).and_then(Value::as_list);
    let names = names.unwrap_or_default().iter();
    names
        .filter_map(|item| Some(item.value.as_str()?.to_owned()))
        .collect()
}

fn interval(message: &Message) -> Duration {
    match message.find(&["load_reporting_interval"]) {
        Some(Value::Duration(seconds, nanos)) => Duration::new(
            u64::try_from(*seconds).unwrap_or(0),
            u32::try_from(*nanos).unwrap_or(0),
        ),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_wants_is_read_from_its_message() {
        let message = [10, 1, b'a', 10, 1, b'b', 18, 4, 8, 2, 16, 5, 24, 1];
        let wanted = Wanted {
            clusters: vec!["a".into(), "b".into()],
            all_clusters: false,
            hosts_too: true,
            interval: Duration::new(2, 5),
        };
        assert_eq!(read(&message), Ok(wanted));
        let all = read(&[32, 1]).expect("it is a message");
        assert!(all.all_clusters && all.interval == SHORTEST_INTERVAL);
        assert!(read(&[10]).is_err());
    }
}
