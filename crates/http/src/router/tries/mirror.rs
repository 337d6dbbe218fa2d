//! Copies of requests to other clusters: sent beside the request, and whatever comes of them is thrown away.
//!
//! A copy gets the body as it comes. One that lags behind by more than the connection's buffer limit (1 MiB) is given
//! up, where Envoy would hold the client back. What ends before its request is complete takes its copies with it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::call_notes::CallNotes;
use nuncio_contract::call_span::CallSpan;
use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::header_steps::{Of, Step};
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, MapKind};
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};
use nuncio_net::tasks::spawn_seldom;
use nuncio_upstream::cluster::ResourcePriority;
use nuncio_upstream::mirror::{MirrorHost, MirrorTarget};
use nuncio_upstream::outlier_detection::Outcome;
use nuncio_upstream::{
    Acquired, BodyEvent, PickContext, UpstreamError, UpstreamErrorKind, UpstreamStream,
    WorkerCluster,
};

use super::mirror_log::CopyLog;
use crate::downstream::Downstream;
use crate::exchange::{Account, Exchange, RequestBody};
use crate::route::{Forward, Mirror, without_port};
use crate::router::failure::{flags_of, status_of_failure};
use crate::router::outliers;
use crate::worker::Worker;

/// The copies of one request.
#[derive(Default)]
pub(super) struct Copies(Vec<Rc<Shared>>);

/// What a copy has in common with its request.
#[derive(Default)]
struct Shared {
    data: RefCell<Buffer>,
    trailers: RefCell<Option<Box<HeaderMap>>>,
    is_done: Cell<bool>,
    is_given_up: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Shared {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A copy to be sent.
struct Copy {
    shared: Rc<Shared>,
    cluster: Rc<WorkerCluster>,
    request: HeaderMap,
    is_bare: bool,
    timeout: Option<Duration>,
    account: Account,
    worker: Rc<Worker>,
    log: Option<Box<CopyLog>>,
    span: Option<CallSpan>,
}

/// A copy of the request as it was before it had a host.
pub(super) struct Waiting<'f> {
    mirror: Mirrored<'f>,
    cluster: Rc<WorkerCluster>,
    request: HeaderMap,
    shared: Rc<Shared>,
}

impl Waiting<'_> {
    /// Changes its head, now that the host of the request itself is known, and sends it.
    pub(super) fn send<D: Downstream>(
        mut self,
        exchange: &Exchange<'_, D>,
        timeout: Option<Duration>,
        dynamic_stats: bool,
    ) {
        let worker = &exchange.manager.worker;
        let span = match self.mirror.changes() {
            Some(changes) => {
                let info = &exchange.state.borrow().info;
                let span = begin_span(info, &changes, &self.cluster);
                rewrite(&mut self.request, changes, span.as_ref(), (info, &**worker));
                span
            }
            None => None,
        };
        let cluster = Rc::clone(&self.cluster);
        let account = Account::new(cluster, &self.request, dynamic_stats, None);
        let router = exchange.manager.router_parts(exchange.upgrade_filters());
        let log = router.logs.as_ref();
        let log = log.map(|logs| CopyLog::new(logs, self.cluster.description(), worker));
        let copy = Copy {
            shared: self.shared,
            cluster: self.cluster,
            request: self.request,
            is_bare: exchange.body.borrow().is_absent,
            timeout,
            account,
            worker: Rc::clone(worker),
            log,
            span,
        };
        copy.send();
    }
}

/// The mirrors that a request is to be copied to.
pub(super) fn chosen<'f>(
    forward: &'f Forward,
    cluster: &WorkerCluster,
    request: &HeaderMap,
    services: &dyn WorkerServices,
) -> Vec<Mirrored<'f>> {
    let of_cluster = cluster.settings().http.resilience.as_ref();
    let of_cluster = of_cluster.and_then(|it| it.mirrors.as_ref());
    let of_route = (forward.resilience.as_ref()).map_or(&[][..], |it| &it.mirrors);
    if of_cluster.is_none() && of_route.is_empty() {
        return Vec::new();
    }
    if request.get(Known::Method) == Some(b"CONNECT") {
        return Vec::new();
    }
    let random = || services.random_u64();
    match of_cluster {
        Some(mirrors) => (0..mirrors.len())
            .filter(|place| mirrors.get(*place).is_some_and(|it| it.chooses(random())))
            .map(|place| Mirrored::OfCluster(Arc::clone(mirrors), place))
            .collect(),
        None => {
            let chosen = of_route.iter().filter(|it| it.chooses(random()));
            chosen.map(Mirrored::OfRoute).collect()
        }
    }
}

/// A policy by which a request is copied.
pub(super) enum Mirrored<'f> {
    OfRoute(&'f Mirror),
    /// The one at this place, which outlives its cluster.
    OfCluster(Arc<[NamedMirror]>, usize),
}

type NamedMirror = nuncio_upstream::mirror::Mirror<Box<str>>;

impl Mirrored<'_> {
    /// The cluster that gets the copy.
    fn find(&self, request: &HeaderMap, worker: &Worker) -> Option<Rc<WorkerCluster>> {
        let by_name = |name: &str| worker.manager.find(name);
        let by_header = |name: &HeaderName| by_name(std::str::from_utf8(request.get(name)?).ok()?);
        let id = match self {
            Self::OfRoute(mirror) => match &mirror.target {
                MirrorTarget::Named(id) => Some(*id),
                MirrorTarget::Header(name) => by_header(name),
            },
            Self::OfCluster(mirrors, place) => match &mirrors.get(*place)?.target {
                MirrorTarget::Named(name) => by_name(name),
                MirrorTarget::Header(name) => by_header(name),
            },
        };
        worker.clusters.get(id?)
    }

    fn changes(&self) -> Option<Changes<'_>> {
        match self {
            Self::OfRoute(mirror) => Some(Changes::of(mirror)),
            Self::OfCluster(mirrors, place) => Some(Changes::of(mirrors.get(*place)?)),
        }
    }
}

impl Copies {
    /// Begins the copies of a request, to be sent once it has a host itself.
    pub(super) fn make<'f, D: Downstream>(
        mirrors: Vec<Mirrored<'f>>,
        exchange: &Exchange<'_, D>,
    ) -> (Self, Vec<Waiting<'f>>) {
        let request = &exchange.state.borrow().request;
        let waiting: Vec<_> = mirrors
            .into_iter()
            .filter_map(|mirror| {
                let cluster = mirror.find(request, &exchange.manager.worker)?;
                Some(Waiting {
                    mirror,
                    cluster,
                    request: request.clone(),
                    shared: Rc::default(),
                })
            })
            .collect();
        let shared = waiting.iter().map(|copy| Rc::clone(&copy.shared)).collect();
        (Copies(shared), waiting)
    }

    /// Gives them what has come of the body, all of which is new.
    pub(super) fn take(&self, body: &RequestBody, limit_bytes: u64) {
        for shared in &self.0 {
            let mut data = shared.data.borrow_mut();
            data.extend(body.data.readable());
            if u64::try_from(data.len()).unwrap_or(u64::MAX) > limit_bytes {
                shared.is_given_up.set(true);
            }
            if body.done {
                *shared.trailers.borrow_mut() = body.trailers.clone();
                shared.is_done.set(true);
            }
            drop(data);
            shared.wake();
        }
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        for shared in self.0.iter().filter(|shared| !shared.is_done.get()) {
            shared.is_given_up.set(true);
            shared.wake();
        }
    }
}

/// What a policy makes of a copy.
struct Changes<'m> {
    host: &'m MirrorHost,
    steps: &'m [Step],
    trace_sampled: Option<bool>,
}

impl<'m> Changes<'m> {
    fn of<C>(mirror: &'m nuncio_upstream::mirror::Mirror<C>) -> Self {
        Changes {
            host: &mirror.host,
            steps: &mirror.changes,
            trace_sampled: mirror.trace_sampled,
        }
    }
}

/// Begins the span of a copy, if its request has one.
fn begin_span(
    info: &StreamInfo,
    changes: &Changes<'_>,
    cluster: &WorkerCluster,
) -> Option<CallSpan> {
    info.trace.as_ref()?;
    let mut span = CallSpan::http(info, "mirror")?;
    if let Some(is_sampled) = changes.trace_sampled {
        span.set_sampled(is_sampled);
    }
    let notes = span.notes()?;
    *notes.cluster.borrow_mut() = Some(cluster.description());
    Some(span)
}

fn rewrite(
    request: &mut HeaderMap,
    changes: Changes<'_>,
    span: Option<&CallSpan>,
    (info, services): (&StreamInfo, &dyn WorkerServices),
) {
    for step in changes.steps {
        step.run(Of::Request, request, &FormatContext::new(info, services));
    }
    match changes.host {
        MirrorHost::Kept => {}
        MirrorHost::Literal(host) => request.set(Known::Authority, host),
        MirrorHost::WithSuffix => {
            let host = request.get(Known::Authority).unwrap_or_default();
            let name = without_port(host);
            let port = host.get(name.len()..).unwrap_or_default();
            let host = [name, b"-shadow", port].concat();
            request.set(Known::Authority, &host);
        }
    }
    if let Some(span) = span {
        span.inject(request);
    }
    request.set(Known::XEnvoyInternal, b"true");
    if let Some(own) = nuncio_net::machine::address() {
        request.append_joined(Known::XForwardedFor, own.to_string().as_bytes());
    }
}

impl Copy {
    /// Sends it, on its own from now on.
    fn send(self) {
        self.worker.own_requests().rq_total.inc();
        spawn_seldom(self.exchange());
    }

    async fn exchange(mut self) {
        if self.cluster.turns_away(|| self.worker.random_u64()) {
            self.account.charge(503);
            self.note_failure(UpstreamErrorKind::Overflow);
            return self.end_span();
        }
        let result = self.try_exchange().await;
        if let Err(error) = &result {
            self.note_failure(error.kind);
            if let Some(host) = &self.account.host {
                outliers::report_failure(host, error);
            }
            if error.kind == UpstreamErrorKind::Overflow {
                self.account.host = None;
            }
            self.account.charge(status_of_failure(error.kind));
        }
        self.note_host();
        if let Some(log) = self.log.take() {
            log.end(&self.request, result.as_ref().err(), &self.worker);
        }
        self.end_span();
    }

    fn notes(&self) -> Option<Rc<CallNotes>> {
        self.span.as_ref()?.notes()
    }

    /// Notes that it ended before an answer came.
    fn note_failure(&self, kind: UpstreamErrorKind) {
        if let Some(notes) = self.notes() {
            notes.status.set(Some(status_of_failure(kind)));
            notes.flags.set(flags_of(kind));
        }
    }

    /// Notes that its answer broke off.
    fn note_break(&self, kind: UpstreamErrorKind) {
        if let Some(notes) = self.notes() {
            notes.flags.set(flags_of(kind));
            notes.was_reset.set(true);
        }
    }

    fn note_host(&self) {
        if let (Some(notes), Some(host)) = (self.notes(), &self.account.host) {
            let address = host.description().address.clone();
            *notes.host.borrow_mut() = Some(address);
        }
    }

    /// A copy that was given up has not ended, and its span says so.
    fn end_span(&mut self) {
        if let Some(span) = self.span.take()
            && !self.shared.is_given_up.get()
        {
            span.end();
        }
    }

    async fn try_exchange(&mut self) -> Result<(), UpstreamError> {
        let clusters = &self.worker.clusters;
        let context = PickContext {
            attempt: 1,
            ..PickContext::default()
        };
        let host = clusters.choose_host(&self.cluster, &context)?;
        self.account.host = Some(Rc::clone(&host));
        if let Some(log) = &mut self.log {
            log.begin(host.description());
        }
        let ready = match host.new_stream(ResourcePriority::Default, None)? {
            Acquired::Ready(ready) => ready,
            Acquired::Pending(pending) => pending.await?,
        };
        self.account.report(Outcome::Connected);
        let mut up = Box::new(ready.begin());
        if let Some(log) = &mut self.log {
            log.connected(&up, &self.request, &self.worker);
        }
        up.write_head(&self.request, self.is_bare);
        let mut progress = Progress::default();
        let result = poll_fn(|cx| self.poll(cx, &mut up, &mut progress)).await;
        if let Some(log) = &mut self.log {
            log.gather(&up, progress.status, progress.body_bytes);
            if let Some(kind) = progress.broken {
                log.flag(kind);
            }
            log.head = progress.head.take().unwrap_or_else(HeaderMap::response);
        }
        result
    }

    fn poll(
        &self,
        cx: &mut Context<'_>,
        up: &mut UpstreamStream,
        progress: &mut Progress,
    ) -> Poll<Result<(), UpstreamError>> {
        self.shared.waker.set(Some(cx.waker().clone()));
        if self.shared.is_given_up.get() {
            return Poll::Ready(Ok(()));
        }
        let is_sent = self.poll_upload(cx, up, progress).is_ready();
        if is_sent && progress.sent_at.is_none() {
            progress.sent_at = Some(self.worker.now());
            progress.timer = self.timeout.map(|timeout| self.worker.sleep(timeout));
        }
        if let Poll::Ready(done) = self.poll_response(cx, up, progress) {
            return Poll::Ready(done);
        }
        if let Some(timer) = &mut progress.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            self.account.timed_out();
            if let Some(notes) = self.notes() {
                notes.status.set(notes.status.get().or(Some(504)));
                notes.flags.set(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT);
                notes.was_reset.set(progress.has_head);
            }
            if !progress.has_head {
                self.account.charge_timeout();
                self.account.report_timeout();
            }
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn poll_upload(
        &self,
        cx: &mut Context<'_>,
        up: &mut UpstreamStream,
        progress: &mut Progress,
    ) -> Poll<()> {
        if self.is_bare || progress.is_ended {
            return up.poll_send_off(cx);
        }
        let mut data = self.shared.data.borrow_mut();
        let trailers = self.shared.trailers.borrow();
        let is_last = self.shared.is_done.get() && trailers.is_none();
        let waited = data.len();
        let written = up.poll_write_data(cx, &mut data, is_last);
        progress.body_bytes.0 += (waited - data.len()) as u64;
        ready!(written);
        if !self.shared.is_done.get() {
            return Poll::Pending;
        }
        if let Some(trailers) = &*trailers {
            up.write_trailers(trailers);
        }
        progress.is_ended = true;
        up.poll_send_off(cx)
    }

    /// Reads the response to its end and drops it.
    fn poll_response(
        &self,
        cx: &mut Context<'_>,
        up: &mut UpstreamStream,
        progress: &mut Progress,
    ) -> Poll<Result<(), UpstreamError>> {
        let mut headers = HeaderMap::response();
        while !progress.has_head {
            let head = ready!(up.poll_read_head(cx, &mut headers))?;
            if !head.is_informational() {
                progress.has_head = true;
                self.account.charge_response(head.status, &headers);
                if let Some(host) = &self.account.host {
                    outliers::report_head(host, head.status, &self.request, &headers);
                }
                if head.status < 500 {
                    self.account.succeeded();
                }
                progress.status = Some(head.status);
                if let Some(notes) = self.notes() {
                    notes.status.set(Some(head.status));
                }
                progress.head = Some(std::mem::replace(&mut headers, HeaderMap::response()));
            }
        }
        let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
        while !up.is_response_complete() {
            let mut dropped = Buffer::default();
            let event = ready!(up.poll_read_body(cx, &mut dropped, &mut trailers));
            progress.body_bytes.1 += dropped.len() as u64;
            match event {
                Ok(BodyEvent::Data) => {}
                Ok(_) => break,
                Err(error) => {
                    progress.broken = Some(error.kind);
                    self.note_break(error.kind);
                    self.account.report(Outcome::Failed);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        if let Some(sent_at) = progress.sent_at {
            self.account
                .took(self.worker.now().saturating_duration_since(sent_at));
        }
        Poll::Ready(Ok(()))
    }
}

/// How far a copy is.
#[derive(Default)]
struct Progress {
    is_ended: bool,
    has_head: bool,
    status: Option<u16>,
    head: Option<HeaderMap>,
    /// What ended the response within its body. Counters take it for one that came.
    broken: Option<UpstreamErrorKind>,
    /// Bytes of bodies that were sent and received.
    body_bytes: (u64, u64),
    sent_at: Option<std::time::Instant>,
    timer: Option<LocalFuture<()>>,
}
