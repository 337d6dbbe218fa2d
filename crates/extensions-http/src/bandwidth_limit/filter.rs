//! What the bandwidth limit filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Late, PerRoute, TrailersStatus,
};

use super::config::{ChainConfig, Limit, TrailerNames};
use super::limiter::Limiter;
use super::stats::BandwidthLimitStats;
use crate::level_stats::{Counted, LevelStats};
use crate::pacing::late;

struct Worker {
    chain: Arc<Limit>,
    stats: Rc<Counted<BandwidthLimitStats>>,
    levels: LevelStats<BandwidthLimitStats>,
}

struct Factory(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let scope = self.0.scope(context.root);
        if let Some(scope) = &scope {
            scope.register::<BandwidthLimitStats>();
        }
        Box::new(Factory(Rc::new(Worker {
            chain: Arc::clone(&self.0),
            stats: Counted::new(scope),
            levels: LevelStats::new(context.root),
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(BandwidthLimitFilter {
            worker: Rc::clone(&self.0),
            request: None,
            response: None,
        })
    }
}

struct BandwidthLimitFilter {
    worker: Rc<Worker>,
    request: Option<Box<Limiter>>,
    response: Option<Box<Limiter>>,
}

impl HttpFilter for BandwidthLimitFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        if self.worker.limit(context.route).limits_requests() {
            let stats = self.worker.stats(context.route);
            stats.cells.request_enabled.inc();
            let limiter = Limiter::new(stats, BandwidthLimitStats::of_requests);
            self.request = Some(Box::new(limiter));
        }
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        take(&mut self.request, context, data, end_stream)
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        match &mut self.request {
            Some(limiter) if limiter.has_more() => return TrailersStatus::Later,
            Some(limiter) => {
                limiter.finish(context.services.now());
            }
            None => {}
        }
        TrailersStatus::Continue
    }

    fn poll_decode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        let Some(limiter) = &mut self.request else {
            return Poll::Pending;
        };
        let limit = self.worker.limit(context.route);
        let portion = ready!(limiter.poll(limit, context.services, cx));
        if portion.is_last {
            limiter.finish(context.services.now());
        }
        Poll::Ready(late(portion, None))
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        if self.worker.limit(context.route).limits_responses() {
            let stats = self.worker.stats(context.route);
            stats.cells.response_enabled.inc();
            let limiter = Limiter::new(stats, BandwidthLimitStats::of_responses);
            self.response = Some(Box::new(limiter));
        }
        HeadersStatus::Continue
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        take(&mut self.response, context, data, end_stream)
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        if self
            .response
            .as_ref()
            .is_some_and(|limiter| limiter.has_more())
        {
            return TrailersStatus::Later;
        }
        self.finish_response(context.route, context.services.now(), Some(trailers));
        TrailersStatus::Continue
    }

    fn poll_encode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        _response: &mut HeaderMap,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        let Some(limiter) = &mut self.response else {
            return Poll::Pending;
        };
        let limit = self.worker.limit(context.route);
        let portion = ready!(limiter.poll(limit, context.services, cx));
        if !portion.is_last {
            return Poll::Ready(late(portion, None));
        }
        let mut trailers = limit
            .trailers
            .is_some()
            .then(|| Box::new(HeaderMap::new(MapKind::ResponseTrailers)));
        self.finish_response(
            context.route,
            context.services.now(),
            trailers.as_deref_mut(),
        );
        Poll::Ready(late(portion, trailers))
    }

    fn on_destroy(&mut self) {
        for limiter in [&mut self.request, &mut self.response]
            .into_iter()
            .flatten()
        {
            limiter.give_up();
        }
    }
}

impl Worker {
    fn limit<'a>(&'a self, route: PerRoute<'a>) -> &'a Limit {
        route.most_specific::<Limit>().unwrap_or(&self.chain)
    }

    fn stats(&self, route: PerRoute<'_>) -> Rc<Counted<BandwidthLimitStats>> {
        match route.most_specific::<Limit>() {
            None => Rc::clone(&self.stats),
            Some(own) => self.levels.of(&own.alive, |root| own.scope(root)),
        }
    }
}

fn take(
    limiter: &mut Option<Box<Limiter>>,
    context: &FilterContext<'_>,
    data: &mut Buffer,
    end_stream: bool,
) -> DataStatus {
    match limiter {
        None => DataStatus::Continue,
        Some(limiter) => {
            limiter.take(data, end_stream, context.services.now());
            DataStatus::Later
        }
    }
}

impl BandwidthLimitFilter {
    /// The last byte of the response goes; its trailers tell how long it took.
    fn finish_response(
        &mut self,
        route: PerRoute<'_>,
        now: Instant,
        trailers: Option<&mut HeaderMap>,
    ) {
        let Some(response) = &mut self.response else {
            return;
        };
        if !response.finish(now) {
            return;
        }
        let limit = self.worker.limit(route);
        if let (Some(names), Some(trailers)) = (&limit.trailers, trailers) {
            let request = self.request.as_deref();
            names.tell(request, response, trailers);
        }
    }
}

impl TrailerNames {
    /// Times of less than a millisecond are not told.
    fn tell(&self, request: Option<&Limiter>, response: &Limiter, trailers: &mut HeaderMap) {
        let took = |limiter: &Limiter| (limiter.took, limiter.delayed);
        let (request_took, request_delayed) = request.map(took).unwrap_or_default();
        let (response_took, response_delayed) = took(response);
        let mut tell = |name, time: Duration| {
            let time_ms = time.as_millis();
            if time_ms > 0 {
                trailers.set(name, time_ms.to_string().as_bytes());
            }
        };
        tell(&self.request, request_took);
        tell(&self.request_by_filter, request_delayed);
        tell(&self.response, response_took);
        tell(&self.response_by_filter, response_delayed);
    }
}
