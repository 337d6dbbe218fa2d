//! What moves a call: tries at hosts, the request up and the answer down, both at once, and the time for all of it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::call_notes::CallNotes;
use nuncio_contract::calls::{CallEvent, CallOptions, CallRetries};
use nuncio_contract::clock::Clock;
use nuncio_contract::grpc::{percent_encoded, status_of_http};
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::{FilterState, ResponseFlags};
use nuncio_upstream::cluster::ResourcePriority;
use nuncio_upstream::retry::{RetryOn, RetryPolicy};
use nuncio_upstream::{
    Acquired, BodyEvent, PickContext, UpstreamError, UpstreamErrorKind, UpstreamStream,
    WorkerCluster, WorkerHost,
};

use super::WorkerCalls;
use super::call::Shared;
use super::upload::Upload;
use crate::exchange::{Account, RetryCount};
use crate::route::is_grpc;
use crate::router::{
    Met, Retries, Verdict, Waited, details_of_failure, flags_of, report_failure, report_head,
    status_of_failure, text_of_failure,
};

/// A wait for another try.
type Again = (Duration, Waited);

/// Why a call has no answer of a host.
enum Ended {
    Failed(UpstreamError),
    TooLate,
}

impl Ended {
    /// As logs say it.
    fn flags(&self) -> ResponseFlags {
        match self {
            Ended::Failed(error) => flags_of(error.kind),
            Ended::TooLate => ResponseFlags::UPSTREAM_REQUEST_TIMEOUT,
        }
    }
}

/// One call.
pub(super) struct Driver {
    calls: Rc<WorkerCalls>,
    shared: Rc<Shared>,
    head: HeaderMap,
    timeout: Option<Duration>,
    /// The time for one try.
    per_try: Option<Duration>,
    retries: RefCell<Option<Box<Retries>>>,
    account: RefCell<Account>,
    tries: Cell<u32>,
    /// Whether a try has had a connection.
    was_sent: Cell<bool>,
    request_ended_at: Cell<Option<Instant>>,
    /// For a span.
    notes: Option<Rc<CallNotes>>,
}

impl Driver {
    pub(super) fn new(
        calls: Rc<WorkerCalls>,
        cluster: Rc<WorkerCluster>,
        shared: Rc<Shared>,
        head: HeaderMap,
        options: CallOptions,
        notes: Option<Rc<CallNotes>>,
    ) -> Self {
        if let Some(notes) = &notes {
            *notes.cluster.borrow_mut() = Some(cluster.description());
        }
        let policy = match &options.retries {
            Some(own) => Some(Arc::new(policy_of(own))),
            None => {
                let resilience = cluster.settings().http.resilience.as_ref();
                resilience.and_then(|it| it.retry_policy.clone())
            }
        };
        let retries = Retries::of(&head, policy.as_ref(), &calls.config);
        let keeps = retries.as_ref().is_some_and(|it| it.are_possible());
        shared.outgoing.borrow_mut().keep(keeps);
        Driver {
            account: RefCell::new(Account::new(cluster, &head, true, None)),
            retries: RefCell::new(retries),
            timeout: options.timeout,
            per_try: per_try(&options),
            tries: Cell::new(0),
            was_sent: Cell::new(false),
            request_ended_at: Cell::new(None),
            notes,
            calls,
            shared,
            head,
        }
    }

    /// Moves the call to its end.
    pub(super) async fn run(self) {
        match self.in_time().await {
            Ok(()) => {}
            Err(ended) if self.shared.has_begun.get() => {
                self.note(|notes| {
                    notes.was_reset.set(true);
                    notes.flags.set(ended.flags());
                });
                self.shared.give(CallEvent::Reset);
            }
            Err(Ended::TooLate) => {
                self.note_failure(504, Ended::TooLate.flags());
                self.shared
                    .own_details
                    .replace(Some("response_timeout".into()));
                self.answer(504, "upstream request timeout", false);
            }
            Err(Ended::Failed(error)) => {
                let status = status_of_failure(error.kind);
                self.note_failure(status, flags_of(error.kind));
                let details = details_of_failure(&error);
                self.shared.own_details.replace(Some(details.into()));
                let text = text_of_failure(error.kind, self.tries.get() > 1);
                let is_overflow = error.kind == UpstreamErrorKind::Overflow;
                self.answer(status, &text, is_overflow);
            }
        }
    }

    /// Notes something for the span, if there is one.
    fn note(&self, note: impl FnOnce(&CallNotes)) {
        if let Some(notes) = &self.notes {
            note(notes);
        }
    }

    /// Notes that no host has answered.
    fn note_failure(&self, status: u16, flags: ResponseFlags) {
        self.note(|notes| {
            notes.status.set(Some(status));
            notes.flags.set(notes.flags.get() | flags);
            if self.account.borrow().host.is_none() {
                notes.host.take();
            }
        });
    }

    /// All tries, as long as there is time once the request is complete.
    async fn in_time(&self) -> Result<(), Ended> {
        let mut tries = pin!(self.tries());
        let mut timer = None;
        poll_fn(|cx| {
            if self.request_ended_at.get().is_none() && self.shared.outgoing.borrow().is_complete {
                self.request_ended_at.set(Some(self.calls.now()));
                timer = self
                    .timeout
                    .map(|timeout| Box::pin(tokio::time::sleep(timeout)));
            }
            if let Poll::Ready(done) = tries.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            match timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => {
                    self.count_timeout();
                    Poll::Ready(Err(Ended::TooLate))
                }
                _ => Poll::Pending,
            }
        })
        .await
    }

    fn count_timeout(&self) {
        let account = self.account.borrow();
        account.timed_out();
        if !self.shared.has_begun.get() {
            account.charge_timeout();
            if self.was_sent.get() {
                account.report_timeout();
            }
        }
    }

    async fn tries(&self) -> Result<(), Ended> {
        loop {
            self.tries.set(self.tries.get().saturating_add(1));
            let again = match self.try_in_time().await {
                Ok(None) => return Ok(()),
                Ok(Some(again)) => again,
                Err(Ended::Failed(error)) => self.failed(&error).ok_or(Ended::Failed(error))?,
                Err(Ended::TooLate) => self.took_too_long().ok_or(Ended::TooLate)?,
            };
            self.wait(again).await;
        }
    }

    /// One try, as long as it may take until its answer begins.
    async fn try_in_time(&self) -> Result<Option<Again>, Ended> {
        let mut one = pin!(self.one_try());
        let mut timer = self.per_try.map(|time| Box::pin(tokio::time::sleep(time)));
        poll_fn(|cx| {
            if let Poll::Ready(done) = one.as_mut().poll(cx) {
                return Poll::Ready(done.map_err(Ended::Failed));
            }
            if self.shared.has_begun.get() {
                timer = None;
            }
            match timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => Poll::Ready(Err(Ended::TooLate)),
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// One try; a wait if another one is to follow.
    async fn one_try(&self) -> Result<Option<Again>, UpstreamError> {
        let host = self.pick_host()?;
        self.account.borrow_mut().host = Some(Rc::clone(&host));
        self.note(|notes| {
            *notes.host.borrow_mut() = Some(host.description().address.clone());
        });
        let ready = match self.new_stream(&host)? {
            Acquired::Ready(ready) => ready,
            Acquired::Pending(pending) => pending.await?,
        };
        self.was_sent.set(true);
        self.account.borrow().began();
        let mut up = Box::new(ready.begin());
        let mut upload = self.begin_request(&mut up);
        let mut response = HeaderMap::response();
        let status = loop {
            let head = poll_fn(|cx| {
                upload.go_on(cx, &mut up, &self.shared);
                up.poll_read_head(cx, &mut response)
            })
            .await?;
            if !head.is_informational() {
                break head.status;
            }
            response.reset(MapKind::Response);
        };
        report_head(&host, status, &self.head, &response);
        if let Some(again) = self.try_after(status, &response) {
            host.counters().rq_error.inc();
            let account = self.account.borrow();
            account.cluster.responses().count_retried(status);
            return Ok(Some(again));
        }
        self.pass_head(&up, response, status);
        pin!(self.pass_body(&mut up, &mut upload)).await?;
        Ok(None)
    }

    fn pick_host(&self) -> Result<Rc<WorkerHost>, UpstreamError> {
        let cluster = Rc::clone(&self.account.borrow().cluster);
        let clusters = &*self.calls.clusters;
        if self.tries.get() <= 1 && cluster.turns_away(|| self.calls.random_u64()) {
            return Err(UpstreamError::new(UpstreamErrorKind::Overflow));
        }
        let context = PickContext {
            attempt: self.tries.get(),
            ..PickContext::default()
        };
        match &mut *self.retries.borrow_mut() {
            Some(retries) if self.tries.get() > 1 => {
                retries.pick_host((clusters, &cluster), &context)
            }
            _ => clusters.choose_host(&cluster, &context),
        }
    }

    fn new_stream(&self, host: &Rc<WorkerHost>) -> Result<Acquired, UpstreamError> {
        let account = self.account.borrow();
        let auto = account.cluster.settings().http.auto_names.as_deref();
        let name = auto.and_then(|auto| auto.choose(&self.head, &mut FilterState::default()));
        match name {
            None => host.new_stream(ResourcePriority::Default, None),
            Some(name) => host.new_stream_named(ResourcePriority::Default, name, None),
        }
    }

    fn begin_request(&self, up: &mut UpstreamStream) -> Upload {
        let is_bare = {
            let outgoing = self.shared.outgoing.borrow();
            outgoing.is_complete
                && outgoing.rest(0).is_empty()
                && outgoing.can_be_sent_again()
                && !is_grpc(&self.head)
        };
        up.write_head(&self.head, is_bare);
        match is_bare {
            true => Upload::of_head(),
            false => Upload::default(),
        }
    }

    /// The answer's head goes to the owner.
    fn pass_head(&self, up: &UpstreamStream, mut response: HeaderMap, status: u16) {
        self.note(|notes| notes.status.set(Some(status)));
        let account = self.account.borrow();
        account.charge_response(status, &response);
        if status < 500 {
            account.succeeded();
        }
        if let Some(took_ms) = self.took_ms() {
            response.set_integer(Known::XEnvoyUpstreamServiceTime, took_ms);
        }
        response.remove(Known::KeepAlive);
        let end_stream = up.is_response_complete();
        if end_stream {
            self.count_time(&account);
        }
        self.shared.give(CallEvent::Head {
            headers: response,
            end_stream,
        });
    }

    async fn pass_body(
        &self,
        up: &mut UpstreamStream,
        upload: &mut Upload,
    ) -> Result<(), UpstreamError> {
        while !up.is_response_complete() {
            let mut data = Buffer::new();
            let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
            let event = poll_fn(|cx| {
                upload.go_on(cx, up, &self.shared);
                match self.shared.is_full() {
                    true => Poll::Pending,
                    false => up.poll_read_body(cx, &mut data, &mut trailers),
                }
            })
            .await?;
            let end_stream = event != BodyEvent::Data;
            if end_stream {
                self.count_time(&self.account.borrow());
            }
            self.shared.give(match event {
                BodyEvent::Trailers => CallEvent::Trailers(trailers),
                _ => CallEvent::Data { data, end_stream },
            });
            if end_stream {
                break;
            }
        }
        Ok(())
    }

    fn took(&self) -> Option<Duration> {
        let ended_at = self.request_ended_at.get()?;
        Some(self.calls.now().saturating_duration_since(ended_at))
    }

    fn took_ms(&self) -> Option<u64> {
        u64::try_from(self.took()?.as_millis()).ok()
    }

    fn count_time(&self, account: &Account) {
        if let Some(took) = self.took() {
            account.took(took);
        }
    }

    /// A try has failed; a wait if another one is to follow.
    fn failed(&self, error: &UpstreamError) -> Option<Again> {
        let host = self.account.borrow().host.clone();
        if let Some(host) = &host {
            report_failure(host, error);
        }
        if self.shared.has_begun.get() {
            return None;
        }
        let met = {
            let mut retries = self.retries.borrow_mut();
            let retries = retries.as_mut();
            retries.map_or(Met::Nothing, |retries| {
                if let Some(host) = &host {
                    let cluster = &self.account.borrow().cluster;
                    let clusters = (&*self.calls.clusters, &**cluster);
                    retries.tried(clusters, self.tries.get(), host);
                }
                retries.meets_failure(Some(error.kind), self.was_sent.get())
            })
        };
        let again = self.decide(met);
        if again.is_some() {
            if let Some(host) = &host {
                host.counters().rq_error.inc();
            }
            return again;
        }
        if error.kind == UpstreamErrorKind::Overflow {
            self.account.borrow_mut().host = None;
        }
        let account = self.account.borrow();
        account.charge_failure(status_of_failure(error.kind));
        None
    }

    /// A try has taken too long; a wait if another one is to follow.
    fn took_too_long(&self) -> Option<Again> {
        let account = self.account.borrow();
        account.try_timed_out(false);
        account.report_timeout();
        drop(account);
        let was_sent = self.was_sent.get();
        let met = match &*self.retries.borrow() {
            Some(retries) => retries.meets_failure(None, was_sent),
            None => Met::Nothing,
        };
        let again = self.decide(met);
        let account = self.account.borrow();
        match (&again, &account.host) {
            (Some(_), Some(host)) => host.counters().rq_error.inc(),
            (Some(_), None) => {}
            (None, _) => account.charge_timeout(),
        }
        again
    }

    /// A wait if another try is to follow an answer with this head.
    fn try_after(&self, status: u16, response: &HeaderMap) -> Option<Again> {
        let met = match &*self.retries.borrow() {
            None => return None,
            Some(retries) => {
                retries.meets_response(status, response, &self.head, &*self.calls.clock)
            }
        };
        self.decide(met)
    }

    /// Decides on another try, and counts what was decided.
    fn decide(&self, met: Met) -> Option<Again> {
        let mut retries = self.retries.borrow_mut();
        let retries = retries.as_mut()?;
        let account = self.account.borrow();
        if met != Met::Nothing && !self.shared.outgoing.borrow().can_be_sent_again() {
            account.traffic().retry_or_shadow_abandoned.inc();
            return None;
        }
        let (config, priority) = (&self.calls.config, ResourcePriority::Default);
        match retries.decide(met, &account.cluster, priority, config, &*self.calls) {
            Verdict::Yes(wait, waited) => return Some((wait, waited)),
            Verdict::No if self.tries.get() > 1 => account.count_retry(RetryCount::Success),
            Verdict::No | Verdict::Off => {}
            Verdict::LimitExceeded => {
                account.count_retry(RetryCount::LimitExceeded);
                self.note(|notes| {
                    notes
                        .flags
                        .set(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
                });
            }
            Verdict::Overflow => account.count_retry(RetryCount::Overflow),
        }
        None
    }

    async fn wait(&self, (wait, waited): Again) {
        tokio::time::sleep(wait).await;
        let account = self.account.borrow();
        account.count_retry(RetryCount::Begun);
        let traffic = account.traffic();
        match waited {
            Waited::NotAtAll => {}
            Waited::Exponentially => traffic.upstream_rq_retry_backoff_exponential.inc(),
            Waited::AsAsked => traffic.upstream_rq_retry_backoff_ratelimited.inc(),
        }
    }

    /// Our own answer in the place of a host's.
    fn answer(&self, status: u16, text: &str, is_overflow: bool) {
        let mut headers = HeaderMap::response();
        if is_grpc(&self.head) {
            headers.set(Known::Status, b"200");
            headers.set(Known::ContentType, b"application/grpc");
            let grpc_status = u64::from(status_of_http(status));
            headers.set_integer(Known::GrpcStatus, grpc_status);
            headers.set(Known::GrpcMessage, &percent_encoded(text.as_bytes()));
            return self.shared.give(CallEvent::Head {
                headers,
                end_stream: true,
            });
        }
        headers.set_integer(Known::Status, u64::from(status));
        let length = u64::try_from(text.len()).unwrap_or(0);
        headers.set_integer(Known::ContentLength, length);
        headers.set(Known::ContentType, b"text/plain");
        if is_overflow {
            headers.set(Known::XEnvoyOverloaded, b"true");
        }
        self.shared.give(CallEvent::Head {
            headers,
            end_stream: false,
        });
        let mut data = Buffer::new();
        data.extend(text.as_bytes());
        self.shared.give(CallEvent::Data {
            data,
            end_stream: true,
        });
    }
}

/// The times between tries where a policy does not say them.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// A policy as routes have it.
fn policy_of(own: &CallRetries) -> RetryPolicy {
    let (base, max) = own.back_off.unwrap_or(BACK_OFF);
    RetryPolicy {
        retry_on: RetryOn::of_policy(own.retry_on.as_bytes()),
        num_retries: own.num_retries,
        back_off_base: Some(base),
        back_off_max: Some(max),
        ..RetryPolicy::default()
    }
}

/// The time for one try: as in Envoy the longest time between tries, if that is less than there is for all.
pub(super) fn per_try(options: &CallOptions) -> Option<Duration> {
    let (_, max) = options.retries.as_ref()?.back_off.unwrap_or(BACK_OFF);
    options
        .timeout
        .is_none_or(|timeout| max < timeout)
        .then_some(max)
}
