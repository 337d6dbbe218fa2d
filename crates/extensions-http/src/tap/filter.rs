//! What the tap filter does to a stream: it looks on.

use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;

use super::config::{ChainConfig, Settings};
use super::trace::{Direction, Heads, Trace};

stat_group! {
    /// Streams, at `http.<stat_prefix>.`.
    pub struct TapStats("tap.") {
        counters {
            rq_sampled_out,
            rq_tapped,
        }
    }
}

#[derive(Clone)]
struct Shared {
    settings: Arc<Settings>,
    stats: Arc<TapStats>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<TapStats>();
        Box::new(Shared {
            settings: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
        })
    }
}

impl HttpFilterFactory for Shared {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            response_body: true,
            begin: false,
            log: true,
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(TapFilter {
            shared: self.clone(),
            tapped: Tapped::Undecided,
        })
    }
}

struct TapFilter {
    shared: Shared,
    tapped: Tapped,
}

enum Tapped {
    Undecided,
    SampledOut,
    Yes(Box<Trace>),
}

impl Shared {
    /// Whether a stream is among those that are looked at, and its trace.
    fn decide(&self, services: &dyn WorkerServices) -> Tapped {
        if let Some(sampling) = &self.settings.sampling
            && !sampling.share().chooses(services.random_u64())
        {
            self.stats.rq_sampled_out.inc();
            return Tapped::SampledOut;
        }
        let settings = Arc::clone(&self.settings);
        Tapped::Yes(Box::new(Trace::new(settings, services.random_u64())))
    }
}

impl TapFilter {
    fn trace(&mut self, services: &dyn WorkerServices) -> Option<&mut Trace> {
        if matches!(self.tapped, Tapped::Undecided) {
            self.tapped = self.shared.decide(services);
        }
        match &mut self.tapped {
            Tapped::Yes(trace) => Some(trace),
            Tapped::Undecided | Tapped::SampledOut => None,
        }
    }
}

impl HttpFilter for TapFilter {
    fn decode_headers(&mut self, context: &mut FilterContext<'_>, _: bool) -> HeadersStatus {
        let times = self.shared.settings.records_times;
        if let Some(trace) = self.trace(context.services) {
            trace.request.received = times.then(|| context.services.wall());
            let head = &*context.request_headers;
            trace.head(Direction::Request, head, Heads::default());
        }
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        _: bool,
    ) -> DataStatus {
        if let Some(trace) = self.trace(context.services) {
            trace.data(Direction::Request, data.readable());
        }
        DataStatus::Continue
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        if let Some(trace) = self.trace(context.services) {
            let heads = Heads {
                request: Some(&*context.request_headers),
                response: None,
            };
            trace.trailers(Direction::Request, trailers, heads);
        }
        TrailersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _: bool,
    ) -> HeadersStatus {
        let times = self.shared.settings.records_times;
        if let Some(trace) = self.trace(context.services) {
            trace.response.received = times.then(|| context.services.wall());
            let heads = Heads {
                request: Some(&*context.request_headers),
                response: None,
            };
            trace.head(Direction::Response, response, heads);
        }
        HeadersStatus::Continue
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        _: bool,
    ) -> DataStatus {
        if let Some(trace) = self.trace(context.services) {
            trace.data(Direction::Response, data.readable());
        }
        DataStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        if let Some(trace) = self.trace(context.services) {
            let heads = Heads {
                request: Some(&*context.request_headers),
                response: context.response.as_deref(),
            };
            trace.trailers(Direction::Response, trailers, heads);
        }
        TrailersStatus::Continue
    }

    fn on_log(&mut self, context: &FormatContext<'_>) {
        let stats = Arc::clone(&self.shared.stats);
        let Some(trace) = self.trace(context.services) else {
            return;
        };
        let heads = Heads {
            request: context.request_headers,
            response: context.response_headers,
        };
        let info = context.stream_info;
        let (down, up) = (&info.connection, &info.upstream);
        let downstream = [down.local_address.as_ref(), down.remote_address.as_ref()];
        let upstream = [up.local_address.as_ref(), up.remote_address.as_ref()];
        trace.end(heads, downstream, upstream);
        if trace.matches() {
            stats.rq_tapped.inc();
        }
    }
}
