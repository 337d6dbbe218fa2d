//! Reports of load out of band (ORCA): a call to each host of a cluster that wants them, beside its requests, on which
//! the host tells of its load again and again. What comes of reports is [`load_reports`](crate::load_reports)' matter.
//!
//! As in Envoy a call begins at any time within the first period, is made anew after 1 to 30 s (by chance, growing) when
//! it fails or is silent for three periods, and never again where the host does not know it. Reports are at most
//! 64 KiB long. Connections are opened as those of health checks are, with `h2` alone by ALPN.

mod call;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::groups::{ClusterTrafficStats, LoadStreamStats};
use nuncio_contract::stream_info::Address;
use nuncio_net::tasks::spawn_seldom;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::cluster::{ClusterShared, Host};
use crate::health_checker::{Dialer, Link, Part};
use crate::load_reports::{LoadReports, OutOfBand};
use crate::retry::BackOff;
use call::{Answer, Ended};

/// How many periods a host may say nothing.
const SILENT_PERIODS: u32 = 3;
/// The waits before a call is made anew.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A cluster's calls under way; they end when this is dropped.
pub struct LoadStreams {
    task: JoinHandle<()>,
}

impl Drop for LoadStreams {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Begins the calls to the hosts of a cluster that wants their reports, on local tasks of the calling thread, the main
/// one.
pub fn begin(
    cluster: &Arc<ClusterShared>,
    services: Rc<dyn WorkerServices>,
) -> Option<LoadStreams> {
    let reports = Arc::clone(cluster.settings.lb.reports.as_ref()?);
    let wanted = reports.out_of_band.clone()?;
    let all = Rc::new(Calls {
        dialer: Dialer::new(
            Arc::clone(cluster),
            [b"h2".to_vec()].into(),
            wanted.socket_criteria.clone(),
        ),
        stats: cluster.scope().worker_group(),
        traffic: cluster.scope().worker_group(),
        cluster: Arc::clone(cluster),
        reports,
        wanted,
        services,
    });
    Some(LoadStreams {
        task: spawn_seldom(all.follow_hosts()),
    })
}

/// What the calls of a cluster share.
struct Calls {
    cluster: Arc<ClusterShared>,
    reports: Arc<LoadReports>,
    wanted: OutOfBand,
    dialer: Dialer,
    stats: Arc<LoadStreamStats>,
    traffic: Arc<ClusterTrafficStats>,
    services: Rc<dyn WorkerServices>,
}

/// The call to a host; ends when dropped.
struct Session(JoinHandle<()>);

impl Drop for Session {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Counts a call for as long as it is to go on.
struct Counted(Arc<LoadStreamStats>);

impl Counted {
    fn new(stats: &Arc<LoadStreamStats>) -> Self {
        stats.active_sessions.inc();
        Self(Arc::clone(stats))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.active_sessions.dec();
    }
}

impl Calls {
    async fn follow_hosts(self: Rc<Self>) {
        let mut changes = self.cluster.changes_of_hosts();
        let mut sessions: HashMap<usize, Session> = HashMap::new();
        let mut seen = None;
        loop {
            let hosts = self.cluster.hosts();
            if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &hosts)) {
                let mut before = std::mem::take(&mut sessions);
                for host in hosts.iter() {
                    let session = before.remove(&host.identity());
                    sessions.insert(
                        host.identity(),
                        session.unwrap_or_else(|| self.session(host)),
                    );
                }
                seen = Some(hosts);
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn session(self: &Rc<Self>, host: &Arc<Host>) -> Session {
        let counted = Counted::new(&self.stats);
        let (all, host) = (Rc::clone(self), Arc::clone(host));
        Session(spawn_seldom(async move {
            all.keep_asking(&host).await;
            drop(counted);
        }))
    }

    async fn keep_asking(&self, host: &Arc<Host>) {
        let period = u64::try_from(self.wanted.period.as_millis()).unwrap_or(u64::MAX);
        let first = self.services.random_u64() % period.max(1);
        sleep(Duration::from_millis(first)).await;
        let new_pace = || BackOff::new(AGAIN.0, Some(AGAIN.1));
        let mut pace = new_pace();
        loop {
            match self.ask(host, &mut || pace = new_pace()).await {
                Ended::Failed => self.stats.stream_failures.inc(),
                Ended::Unimplemented => return self.stats.stream_terminated.inc(),
            }
            sleep(pace.next(self.services.random_u64())).await;
        }
    }

    /// One call; tells `reported` of each report. What discovery says of the host by then counts.
    async fn ask(&self, host: &Arc<Host>, reported: &mut impl FnMut()) -> Ended {
        let hosts = self.cluster.hosts();
        let mut hosts = hosts.iter();
        let host = hosts
            .find(|one| one.identity() == host.identity())
            .unwrap_or(host);
        let patience = self.wanted.period.saturating_mul(SILENT_PERIODS);
        let Ok(Some(mut link)) = timeout(patience, self.call(host)).await else {
            return Ended::Failed;
        };
        let mut answer = Answer::new();
        loop {
            let reports = &mut || reported();
            let part = self.next_report(&mut link, &mut answer, host, reports);
            match timeout(patience, part).await {
                Ok(Ok(())) => {}
                Ok(Err(ended)) => return ended,
                Err(_) => return Ended::Failed,
            }
        }
    }

    async fn call(&self, host: &Arc<Host>) -> Option<Link> {
        let (address, not_ip) = self.wanted.address(host);
        let opened = self.dialer.open_at(host, address, not_ip).await;
        let mut link = Link::http2(&self.dialer, opened.ok()?);
        let authority = self.authority(host, &not_ip.map_or(address.into(), Address::clone));
        let headers = call::request(&authority, self.dialer.scheme(host));
        let sent = link.send(&headers, &call::body(self.wanted.period)).await;
        sent.ok().map(|()| link)
    }

    /// Reads until a report has come.
    async fn next_report(
        &self,
        link: &mut Link,
        answer: &mut Answer,
        host: &Host,
        reported: &mut impl FnMut(),
    ) -> Result<(), Ended> {
        let mut has_come = false;
        while !has_come {
            let part = link.next().await.map_err(|_| Ended::Failed)?;
            let take = |message: &[u8]| {
                has_come = true;
                self.take(host, message, reported)
            };
            if let Err(ended) = read(part, link, answer, take) {
                // Envoy closes the connection while it reads it, which its codec takes for an error of the host's.
                self.traffic.upstream_cx_protocol_error.inc();
                return Err(ended);
            }
        }
        Ok(())
    }

    /// Takes a report; false if it is none.
    fn take(&self, host: &Host, message: &[u8], reported: &mut impl FnMut()) -> bool {
        let Some(counts) = self.reports.take(host, message, self.services.now()) else {
            return false;
        };
        self.stats.reports_received.inc();
        reported();
        if !counts {
            self.stats.report_errors.inc();
        }
        true
    }

    /// As configured, else the host's name, else where it is, else the cluster's name.
    fn authority(&self, host: &Host, address: &Address) -> Box<str> {
        let configured = Some(&*self.wanted.authority);
        let names = [configured, Some(&*host.hostname)];
        let name = names.into_iter().flatten().find(|name| !name.is_empty());
        match (name, address) {
            (Some(name), _) => name.into(),
            (None, Address::Ip(ip)) => ip.to_string().into(),
            (None, _) => self.cluster.settings.name.as_ref().into(),
        }
    }
}

/// Reads a part of the answer; why the call is over, if it is.
fn read(
    part: Part,
    link: &Link,
    answer: &mut Answer,
    take: impl FnMut(&[u8]) -> bool,
) -> Result<(), Ended> {
    match part {
        Part::Head(headers, end_stream) => Answer::head(&headers, end_stream),
        Part::Trailers(trailers) => Err(Answer::trailers(&trailers)),
        Part::Data(data, end_stream) => {
            answer.data(&data, take)?;
            // What a host that is leaving still says counts.
            match end_stream || link.is_leaving() {
                true => Err(Ended::Failed),
                false => Ok(()),
            }
        }
    }
}
