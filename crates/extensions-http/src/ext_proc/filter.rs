//! What the external processing filter does to a stream.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Late, PerRoute, TrailersStatus,
};

use super::answers::Head;
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
    pub(super) early: VecDeque<Heard>,
    /// A failure that has still to be told.
    pub(super) failed: Option<Failure>,
    pub(super) is_protocol_told: bool,
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
            return match side.length_left {
                Some(1..) => TrailersStatus::Reply(Failure::bad_length().reply(&self.worker)),
                _ => TrailersStatus::Continue,
            };
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

    /// Nothing is told any more.
    pub(super) fn give_up(&mut self) {
        self.request.give_up();
        self.response.give_up();
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
