//! Checks by a request and its response, over HTTP and gRPC.

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::groups::HealthCheckStats;
use nuncio_contract::stream_info::{
    Address, ConnectionInfo, HostDescription, Protocol, StreamInfo,
};

use super::checker::CheckRun;
use super::flags::CheckFlags;
use super::link::{Broken, Dialer, Gone, Link, Part};
use crate::cluster::{HealthFlags, Host};
use crate::health_check::grpc::{Answer, timeout};
use crate::health_check::session::{Failure, Outcome};
use crate::health_check::settings::{Check, GrpcProbe, HttpProbe};

const FAILED: Outcome = Outcome::Failed(Failure::Network);

/// One host's connection.
pub(super) struct RequestProber {
    dialer: Rc<Dialer>,
    check: Arc<Check>,
    host: Arc<Host>,
    flags: Rc<CheckFlags>,
    stats: Arc<HealthCheckStats>,
    services: Rc<dyn WorkerServices>,
    link: Option<Link>,
}

impl RequestProber {
    pub(super) fn new(
        run: &CheckRun,
        flags: &Rc<CheckFlags>,
        services: &Rc<dyn WorkerServices>,
    ) -> Self {
        Self {
            dialer: Rc::clone(&run.dialer),
            check: Arc::clone(&run.check),
            host: flags.host(),
            flags: Rc::clone(flags),
            stats: Arc::clone(&run.stats),
            services: Rc::clone(services),
            link: None,
        }
    }

    pub(super) async fn check_http(&mut self, probe: &HttpProbe) -> Outcome {
        self.follow_host();
        let protocol = match probe.is_http2 {
            true => Protocol::Http2,
            false => Protocol::Http11,
        };
        let mut request =
            probe.request(&self.authority(&probe.host), self.dialer.scheme(&self.host));
        self.change(&mut request, &probe.headers, protocol);
        if !probe.payload.is_empty() {
            let length = u64::try_from(probe.payload.len()).unwrap_or(u64::MAX);
            request.set_integer(Known::ContentLength, length);
        }
        let Some(link) = self.open(probe.is_http2).await else {
            return FAILED;
        };
        let response = match link.send(&request, &probe.payload).await {
            Ok(()) => response(link, probe).await,
            Err(Gone) => Err(Broken::Connection),
        };
        let (headers, body) = match response {
            Ok(response) => response,
            Err(broken) => return self.broken(broken),
        };
        let verdict = probe.judge(&headers, &body, self.services.random_u64());
        let status = headers.get_str(Known::Status).unwrap_or_default();
        self.host.note_checked_status(status.parse().unwrap_or(0));
        if verdict.leaves_at_once {
            let excluded = HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL;
            self.flags.change(excluded, HealthFlags::HEALTHY);
        }
        if verdict.was_verified {
            self.stats.verify_cluster.inc();
        }
        self.keep_or_close();
        verdict.outcome
    }

    pub(super) async fn check_grpc(&mut self, probe: &GrpcProbe) -> Outcome {
        self.follow_host();
        let mut request = probe.request(&self.authority(&probe.authority));
        self.change(&mut request, &probe.headers, Protocol::Http2);
        let limit = u64::try_from(self.check.timing.timeout.as_millis()).unwrap_or(u64::MAX);
        request.set(Known::GrpcTimeout, timeout(limit).as_bytes());
        request.set(Known::Scheme, self.dialer.scheme(&self.host));
        let Some(link) = self.open(true).await else {
            return FAILED;
        };
        if link.send(&request, &probe.body()).await.is_err() {
            return self.broken(Broken::Connection);
        }
        let mut answer = Answer::default();
        loop {
            let decided = match link.next().await {
                Ok(Part::Head(headers, end_stream)) => answer.head(&headers, end_stream),
                Ok(Part::Data(data, end_stream)) => answer.data(&data, end_stream),
                Ok(Part::Trailers(trailers)) => Some(answer.trailers(&trailers)),
                Err(broken) => return self.broken(broken),
            };
            if let Some(decided) = decided {
                if !decided.at_end {
                    link.cancel();
                }
                self.keep_or_close();
                return decided.outcome;
            }
        }
    }

    /// Nothing came in time.
    pub(super) fn give_up(&mut self, is_grpc: bool) {
        let keeps = is_grpc && self.check.reuses_connection;
        if !self
            .link
            .as_mut()
            .is_some_and(|link| keeps && link.cancel())
        {
            self.link = None;
        }
    }

    /// Nothing that comes between checks counts.
    pub(super) async fn between(&mut self) -> Outcome {
        if let Some(link) = &mut self.link {
            link.ended().await;
            self.link = None;
        }
        pending().await
    }

    /// What discovery says of the host now counts from the next check on.
    fn follow_host(&mut self) {
        let now = self.flags.host();
        if self.host.is_reached_otherwise(&now) {
            self.link = None;
        }
        self.host = now;
    }

    async fn open(&mut self, is_http2: bool) -> Option<&mut Link> {
        if self.link.is_none() {
            let opened = self.dialer.open(&self.host).await;
            if is_http2 && opened.is_err() {
                self.dialer.count_http2();
            }
            let transport = opened.ok()?;
            self.link = Some(match is_http2 {
                true => Link::http2(&self.dialer, transport),
                false => Link::http1(&self.dialer, transport),
            });
        }
        self.link.as_mut()
    }

    fn broken(&mut self, broken: Broken) -> Outcome {
        match broken {
            Broken::Stream => self.keep_or_close(),
            Broken::Connection => self.link = None,
        }
        FAILED
    }

    fn keep_or_close(&mut self) {
        let reuses = self.check.reuses_connection;
        self.link = self.link.take().filter(|link| reuses && link.may_go_on());
    }

    /// The request's host: what the endpoint says, else what the checks say, else the cluster's name.
    fn authority(&self, of_checks: &str) -> Box<str> {
        let endpoint = self.host.check.as_ref().map(|check| &*check.hostname);
        let cluster = &*self.dialer.cluster.settings.name;
        let names = [endpoint.unwrap_or_default(), of_checks, cluster];
        names
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default()
            .into()
    }

    fn change(&self, request: &mut HeaderMap, mutations: &HeaderMutations, protocol: Protocol) {
        mutations.remove_from(request);
        let services = &*self.services;
        let mut info = StreamInfo::new(loopback(), services.wall(), services.now());
        info.protocol = Some(protocol);
        let host = HostDescription {
            address: self.host.shown_address(),
            hostname: self.host.hostname.clone(),
            metadata: self.host.metadata.as_deref().cloned().unwrap_or_default(),
            locality: self.host.locality.names(),
            alternatives: None,
        };
        info.upstream.choose_host(Rc::new(host));
        let context = FormatContext::new(&info, services);
        mutations.evaluate(request, &context).apply(request);
    }
}

/// A whole response: its head, and of its body what is looked at.
async fn response(link: &mut Link, probe: &HttpProbe) -> Result<(HeaderMap, Vec<u8>), Broken> {
    let (mut headers, mut body) = (HeaderMap::response(), Vec::new());
    loop {
        match link.next().await? {
            Part::Head(head, end_stream) => {
                headers = head;
                if end_stream {
                    return Ok((headers, body));
                }
            }
            Part::Data(data, end_stream) => {
                if !probe.receive.is_empty() {
                    let room = probe.response_buffer_bytes.saturating_sub(body.len());
                    body.extend(data.into_iter().take(room));
                }
                if end_stream {
                    return Ok((headers, body));
                }
            }
            Part::Trailers(_) => return Ok((headers, body)),
        }
    }
}

/// A check has no client; its ends are this machine.
fn loopback() -> Rc<ConnectionInfo> {
    let own: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    let own = || Some(Address::from(own));
    Rc::new(ConnectionInfo {
        direct_remote_address: own(),
        remote_address: own(),
        direct_local_address: own(),
        local_address: own(),
        ..ConnectionInfo::default()
    })
}
