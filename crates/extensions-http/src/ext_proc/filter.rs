//! What the external processing filter does to a stream.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc::status;
use nuncio_contract::grpc_client::GrpcEnd;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Late, PerRoute, Then, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_service_messages::ext_proc::{Answer, PROCESS, Part, ProcessingRequest};

use super::answers::{Head, restore_length, way_of};
use super::attributes::{self, Seen};
use super::config::{ChainConfig, Level, LevelOverrides, Namespaces, Settings};
use super::fail::Failure;
use super::modes::{BodyMode, Modes};
use super::observe::Observer;
use super::session::{Heard, Session};
use super::side::{Side, Trailers, Way};
use super::stats::WorkerStats;
use super::told;

/// A worker's part of the filter.
pub(super) struct Worker {
    pub(super) settings: Arc<Settings>,
    pub(super) stats: WorkerStats,
}

struct Factory(Rc<Worker>);

/// What holds for a stream, by the chain and its route.
#[derive(Default)]
pub(super) struct Effective {
    pub(super) modes: Modes,
    pub(super) namespaces: Namespaces,
    pub(super) passes_on_error: bool,
}

/// A stream's.
pub(super) struct Filter {
    pub(super) worker: Rc<Worker>,
    pub(super) effective: Effective,
    has_begun: bool,
    pub(super) session: Session,
    pub(super) observer: Option<Observer>,
    pub(super) request: Side,
    pub(super) response: Side,
    /// What came before anything else was asked.
    early: VecDeque<Heard>,
    /// A failure that has still to be told.
    failed: Option<Failure>,
    is_protocol_told: bool,
    /// How much of a body may be kept.
    pub(super) limit_bytes: usize,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: WorkerStats::new(context, &self.0.stat_prefix),
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        // A route, or the processor, may want what the chain does not.
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            worker: Rc::clone(&self.0),
            effective: Effective::default(),
            has_begun: false,
            session: Session::default(),
            observer: None,
            request: Side::default(),
            response: Side::default(),
            early: VecDeque::new(),
            failed: None,
            is_protocol_told: false,
            limit_bytes: 0,
        })
    }
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        self.begin(&context.route);
        self.take_own_head(Way::Request, context, None, end_stream)
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.take_data(Way::Request, context, data, end_stream)
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.take_own_trailers(Way::Request, context, trailers)
    }

    fn poll_decode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        self.poll(Way::Request, context, None, cx)
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        self.begin(&context.route);
        self.take_own_head(Way::Response, context, Some(response), end_stream)
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.take_data(Way::Response, context, data, end_stream)
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.take_own_trailers(Way::Response, context, trailers)
    }

    fn poll_encode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        self.poll(Way::Response, context, Some(response), cx)
    }

    fn on_destroy(&mut self) {
        self.session.close(&self.worker.stats.cells);
        if let Some(observer) = self.observer.take() {
            observer.finish();
        }
    }
}

impl Filter {
    pub(super) fn side(&self, way: Way) -> &Side {
        match way {
            Way::Request => &self.request,
            Way::Response => &self.response,
        }
    }

    pub(super) fn side_mut(&mut self, way: Way) -> &mut Side {
        match way {
            Way::Request => &mut self.request,
            Way::Response => &mut self.response,
        }
    }

    fn begin(&mut self, route: &PerRoute<'_>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let settings = &self.worker.settings;
        let mut effective = Effective {
            modes: settings.modes,
            namespaces: settings.namespaces.clone(),
            passes_on_error: settings.passes_on_error,
        };
        let mut is_disabled = false;
        for level in route.all::<Level>() {
            match level {
                Level::Disabled => is_disabled = true,
                Level::Overrides(overrides) => {
                    is_disabled = false;
                    effective.override_by(overrides);
                }
            }
        }
        self.request.modes = effective.modes.request;
        self.response.modes = effective.modes.response;
        self.effective = effective;
        if is_disabled {
            self.give_up();
        }
    }

    /// A head has come.
    fn take_own_head(
        &mut self,
        way: Way,
        context: &mut FilterContext<'_>,
        head: Head<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let side = self.side_mut(way);
        side.is_bare = end_stream;
        if side.is_over {
            return HeadersStatus::Continue;
        }
        if self.worker.settings.observes.is_some() {
            self.observe_head(way, context, head.as_deref(), end_stream);
            if !self.side(way).modes.head {
                self.remove_length(way, head.unwrap_or(&mut *context.request_headers));
            }
            return HeadersStatus::Continue;
        }
        let limit = usize::try_from(*context.buffer_limit_bytes).unwrap_or(usize::MAX);
        self.limit_bytes = limit;
        if self.side(way).modes.body == BodyMode::Buffered {
            // What is too much is told by the first byte of it.
            *context.buffer_limit_bytes = context.buffer_limit_bytes.saturating_add(1);
        }
        self.hear_early();
        if let Err(failure) = self.take_early(context) {
            if let Some(reply) = self.fail(failure, context) {
                return HeadersStatus::Reply(reply);
            }
            return HeadersStatus::Continue;
        }
        if self.side(way).is_over {
            return HeadersStatus::Continue;
        }
        if !self.side(way).modes.head {
            let headers = head.unwrap_or(&mut *context.request_headers);
            self.remove_length(way, headers);
            self.side_mut(way).keep_to_length(headers);
            return HeadersStatus::Continue;
        }
        let headers = head.as_deref().unwrap_or(&*context.request_headers);
        let part = told::head(way, headers, &self.worker.settings.headers, end_stream);
        let told = self.tell_with(way, part, context, head.as_deref());
        self.remove_length(way, head.unwrap_or(&mut *context.request_headers));
        let side = self.side_mut(way);
        side.holds_head = true;
        side.awaits_head = true;
        side.is_kept = true;
        match told {
            Ok(()) if self.side(way).modes.body != BodyMode::FullDuplex => {
                self.await_answer(way, context);
            }
            Ok(()) => {}
            Err(failure) => self.failed = Some(failure),
        }
        HeadersStatus::Later
    }

    fn take_data(
        &mut self,
        way: Way,
        context: &FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if self.worker.settings.observes.is_some() {
            self.observe_data(way, context, data, end_stream);
            return DataStatus::Continue;
        }
        let bytes = data.len();
        let side = self.side_mut(way);
        side.came_all |= end_stream;
        if !side.is_kept && !side.shows_body() {
            return match side.length_left {
                None => DataStatus::Continue,
                Some(_) => self.pass_by_length(way, bytes, end_stream),
            };
        }
        side.is_kept = true;
        side.came.append(std::mem::take(data));
        if self.failed.is_none()
            && let Err(failure) = self.tell_more(way, context, true)
        {
            self.failed = Some(failure);
        }
        DataStatus::Later
    }

    /// The rest of a body whose length the processor has said.
    fn pass_by_length(&mut self, way: Way, bytes: usize, end_stream: bool) -> DataStatus {
        match self.side_mut(way).count(bytes, end_stream) {
            true => DataStatus::Continue,
            false => DataStatus::Reply(Failure::bad_length().reply(&self.worker)),
        }
    }

    fn take_own_trailers(
        &mut self,
        way: Way,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        if self.worker.settings.observes.is_some() {
            self.observe_trailers(way, context, trailers);
            return TrailersStatus::Continue;
        }
        let side = self.side(way);
        match &side.trailers {
            Trailers::None => {}
            Trailers::Settled(mutation) => {
                let changed = match mutation {
                    Some(mutation) => self.changing_trailers(None).apply(mutation, trailers),
                    None => Ok(()),
                };
                return match changed {
                    Ok(()) => TrailersStatus::Continue,
                    Err(failure) => TrailersStatus::Reply(failure.reply(&self.worker)),
                };
            }
            Trailers::Came(_) | Trailers::Told => return TrailersStatus::Later,
        }
        if !side.is_kept && !side.shows_body() && (side.is_over || !side.modes.trailers) {
            return TrailersStatus::Continue;
        }
        let list = told::headers(trailers, &self.worker.settings.headers);
        let side = self.side_mut(way);
        side.trailers = Trailers::Came(list);
        side.is_kept = true;
        if self.failed.is_none()
            && let Err(failure) = self.tell_more(way, context, true)
        {
            self.failed = Some(failure);
        }
        TrailersStatus::Later
    }

    fn poll(
        &mut self,
        way: Way,
        context: &mut FilterContext<'_>,
        mut head: Head<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        loop {
            let done = match self.failed.take() {
                Some(failure) => Err(failure),
                None => match self.poll_step(way, context, head.as_deref_mut(), cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Step::Late(late)) => return Poll::Ready(late),
                    Poll::Ready(Step::Done(done)) => done,
                },
            };
            let Err(failure) = done else { continue };
            if failure.is_too_large {
                self.side_mut(way).give_up();
                let reply = Failure::too_large_reply(way == Way::Request);
                return Poll::Ready(reply_late(reply));
            }
            if let Some(reply) = self.fail(failure, context) {
                return Poll::Ready(reply_late(reply));
            }
            self.restore_lengths(way, context, head.as_deref_mut());
        }
    }

    /// The next thing that happens.
    fn poll_step(
        &mut self,
        way: Way,
        context: &mut FilterContext<'_>,
        head: Head<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Step> {
        self.settle_duplex();
        if self.side(way).lets_head_go {
            let headers = head.as_deref().unwrap_or(&*context.request_headers);
            self.side_mut(way).keep_to_length(headers);
        }
        if let Some(late) = self.side_mut(way).next() {
            let is_last = matches!(late.then, Then::End);
            let is_true = self.side_mut(way).count(late.data.len(), is_last);
            return Poll::Ready(match is_true {
                true => Step::Late(late),
                false => Step::Done(Err(Failure::bad_length())),
            });
        }
        if let Some(message) = self.side_mut(way).inbox.pop_front() {
            let done = self.take_answer(way, *message, context, head);
            return Poll::Ready(Step::Done(done));
        }
        let heard = match self.early.pop_front() {
            Some(heard) => Poll::Ready(heard),
            None => self.session.poll(cx),
        };
        match heard {
            Poll::Ready(Heard::End(end)) => {
                let done = self.take_end(&end);
                if done.is_ok() {
                    self.restore_lengths(way, context, head);
                    cx.waker().wake_by_ref();
                }
                return Poll::Ready(Step::Done(done));
            }
            Poll::Ready(Heard::Message(message)) => {
                if let Some(timeout) = message.override_message_timeout {
                    self.take_more_time(timeout, context);
                    return Poll::Ready(Step::Done(Ok(())));
                }
                let other = way_of(&message).filter(|of| *of != way);
                if let Some(Answer::Immediate(immediate)) = message.answer {
                    let metadata = message.dynamic_metadata;
                    return Poll::Ready(match self.take_immediate(immediate, metadata, context) {
                        Ok(reply) => Step::Late(reply_late(self.answer_with(reply, context))),
                        Err(failure) => Step::Done(Err(failure)),
                    });
                }
                let done = match other {
                    Some(other) if self.side(other).is_kept => {
                        self.side_mut(other).inbox.push_back(message);
                        cx.waker().wake_by_ref();
                        Ok(())
                    }
                    _ => self.take_answer(way_of(&message).unwrap_or(way), *message, context, head),
                };
                return Poll::Ready(Step::Done(done));
            }
            Poll::Pending => {}
        }
        for side in [&mut self.request, &mut self.response] {
            if let Some(timer) = &mut side.timer
                && timer.as_mut().poll(cx).is_ready()
            {
                side.timer = None;
                self.worker.stats.cells.message_timeouts.inc();
                return Poll::Ready(Step::Done(Err(Failure::timeout())));
            }
        }
        Poll::Pending
    }

    /// The processor has ended its stream.
    fn take_end(&mut self, end: &GrpcEnd) -> Result<(), Failure> {
        let stats = &self.worker.stats.cells;
        stats.server_half_closed.inc();
        if end.status != status::OK {
            stats.streams_failed.inc();
            self.session.ended();
            return Err(Failure::ended(end));
        }
        stats.streams_closed.inc();
        self.session.ended();
        if self.is_body_lost() {
            return Err(Failure::of_processor("ext_proc_error_body_not_returned"));
        }
        self.give_up();
        Ok(())
    }

    /// Whether some of a body is with the processor alone.
    fn is_body_lost(&self) -> bool {
        self.request.is_body_lost() || self.response.is_body_lost()
    }

    /// What a failure comes to: an answer, or that the stream goes on without the processor.
    fn fail(
        &mut self,
        failure: Failure,
        context: &mut FilterContext<'_>,
    ) -> Option<Box<LocalReply>> {
        let stats = &self.worker.stats.cells;
        if failure.may_pass && self.effective.passes_on_error && !self.is_body_lost() {
            stats.failure_mode_allowed.inc();
            if failure.is_end {
                // Envoy closes what has ended, and counts both once more.
                stats.server_half_closed.inc();
                stats.streams_closed.inc();
            }
            self.session.close(stats);
            self.give_up();
            return None;
        }
        let reply = failure.reply(&self.worker);
        Some(self.answer_with(reply, context))
    }

    /// The client gets an answer, which the processor does not see.
    fn answer_with(
        &mut self,
        reply: Box<LocalReply>,
        context: &mut FilterContext<'_>,
    ) -> Box<LocalReply> {
        let stats = &self.worker.stats.cells;
        stats.immediate_responses_sent.inc();
        self.session.close(stats);
        self.give_up();
        // Where a response has begun it is all that tells why it ends.
        context.stream_info.response_code_details = Some(reply.details.clone());
        reply
    }

    /// Nothing is told any more.
    fn give_up(&mut self) {
        self.request.give_up();
        self.response.give_up();
    }

    /// A length that the processor has said does not hold for a body that goes on as it came.
    fn restore_lengths(&mut self, way: Way, context: &mut FilterContext<'_>, head: Head<'_>) {
        let headers = head.unwrap_or(&mut *context.request_headers);
        let side = self.side_mut(way);
        if side.lets_head_go {
            restore_length(side, headers);
        }
    }

    /// Listens without waiting, before something is told.
    fn hear_early(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(heard) = self.session.poll(&mut cx) {
            let is_end = matches!(heard, Heard::End(_));
            self.early.push_back(heard);
            if is_end {
                break;
            }
        }
    }

    /// Nothing was asked, so that there is nothing to be answered.
    fn take_early(&mut self, context: &mut FilterContext<'_>) -> Result<(), Failure> {
        if self.request.awaits() || self.response.awaits() || self.request.is_kept {
            return Ok(());
        }
        while let Some(heard) = self.early.pop_front() {
            match heard {
                Heard::End(end) => self.take_end(&end)?,
                Heard::Message(message) if message.override_message_timeout.is_some() => {
                    self.worker
                        .stats
                        .cells
                        .override_message_timeout_ignored
                        .inc();
                }
                Heard::Message(message) => {
                    let way = way_of(&message).unwrap_or(Way::Request);
                    self.take_answer(way, *message, context, None)?;
                }
            }
        }
        Ok(())
    }

    /// A message to the processor, whose stream begins with the first.
    pub(super) fn tell_with(
        &mut self,
        way: Way,
        part: Part,
        context: &FilterContext<'_>,
        response: Option<&HeaderMap>,
    ) -> Result<(), Failure> {
        if matches!(self.session, Session::New) {
            self.session = self.open(context)?;
        }
        let mut message = self.message(way, part, context, response);
        if !std::mem::replace(&mut self.is_protocol_told, true) {
            let settings = &self.worker.settings;
            message.protocol_config = Some(told::protocol(settings, self.effective.modes));
        }
        self.session.send(&message, &self.worker.stats.cells);
        Ok(())
    }

    pub(super) fn message(
        &self,
        way: Way,
        part: Part,
        context: &FilterContext<'_>,
        response: Option<&HeaderMap>,
    ) -> ProcessingRequest {
        let settings = &self.worker.settings;
        let namespaces = &self.effective.namespaces.told;
        let is_head = matches!(part, Part::RequestHeaders(_) | Part::ResponseHeaders(_));
        let mut message = told::message(part, settings, namespaces, context.stream_info);
        if is_head {
            let seen = Seen {
                info: context.stream_info,
                request: context.request_headers,
                response,
            };
            let list = match way {
                Way::Request => &settings.request_attributes,
                Way::Response => &settings.response_attributes,
            };
            message.attributes = attributes::told(list, &seen);
        }
        message
    }

    pub(super) fn open(&self, context: &FilterContext<'_>) -> Result<Session, Failure> {
        let stats = &self.worker.stats.cells;
        let mut of = FormatContext::new(context.stream_info, context.services);
        of.request_headers = Some(context.request_headers);
        let levels = || context.route.all::<Level>().rev();
        let overrides = || {
            levels().filter_map(|level| match level {
                Level::Overrides(overrides) => Some(&**overrides),
                Level::Disabled => None,
            })
        };
        let own = overrides().find_map(|it| it.target.as_ref());
        let target = own.unwrap_or(&self.worker.settings.target);
        let more = overrides().find(|it| !it.metadata.is_empty());
        let calls = context.services.calls();
        let begun = match &calls {
            None => Err(GrpcEnd::new(status::UNAVAILABLE, "Cluster not available")),
            Some(calls) => match more {
                None => target.stream(&**calls, PROCESS, Some(&of)),
                Some(more) => target.stream_with(&**calls, PROCESS, &more.metadata, Some(&of)),
            },
        };
        match (begun, calls) {
            (Ok(stream), Some(calls)) => {
                stats.streams_started.inc();
                Ok(Session::open(stream, calls))
            }
            (Err(end), _) => {
                stats.streams_failed.inc();
                stats.server_half_closed.inc();
                Err(Failure::ended(&end))
            }
            (Ok(_), None) => Err(Failure::spurious()),
        }
    }

    /// An answer is due within the time for it.
    pub(super) fn await_answer(&mut self, way: Way, context: &FilterContext<'_>) {
        let timeout = self.worker.settings.message_timeout;
        let side = self.side_mut(way);
        side.took_more_time = false;
        side.timer = Some(context.services.sleep(timeout));
    }
}

impl Effective {
    fn override_by(&mut self, overrides: &LevelOverrides) {
        if let Some(modes) = overrides.modes {
            self.modes = modes;
        }
        if let Some(told) = &overrides.told {
            self.namespaces.told = Arc::clone(told);
        }
        if let Some(taken) = &overrides.taken {
            self.namespaces.taken = Arc::clone(taken);
        }
        if let Some(passes) = overrides.passes_on_error {
            self.passes_on_error = passes;
        }
    }
}

/// What a turn of the filter came to.
enum Step {
    /// The engine gets this.
    Late(Late),
    /// Something was done.
    Done(Result<(), Failure>),
}

fn reply_late(reply: Box<LocalReply>) -> Late {
    Late {
        data: Buffer::default(),
        taken_bytes: 0,
        then: Then::Reply(reply),
    }
}
