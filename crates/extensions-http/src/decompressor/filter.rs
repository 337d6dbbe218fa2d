//! What the decompressor filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};

use super::body::{Body, Side};
use super::config::{Chain, ChainConfig, Direction};
use super::headers;
use super::stats::Stats;
use crate::compression::forbids_transform;

struct Shared {
    chain: Arc<Chain>,
    stats: Stats,
}

struct Factory(Rc<Shared>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(Rc::new(Shared {
            chain: Arc::clone(&self.0),
            stats: Stats::of(&self.0, context.scope),
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
        Box::new(DecompressorFilter {
            shared: Rc::clone(&self.0),
            request: Body::default(),
            response: Body::default(),
        })
    }
}

struct DecompressorFilter {
    shared: Rc<Shared>,
    request: Body,
    response: Body,
}

impl HttpFilter for DecompressorFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let chain = &self.shared.chain;
        if chain.response.is_on() && chain.advertises {
            headers::accept(context.request_headers, chain.library.content_encoding());
        }
        let side = self.shared.request();
        if !end_stream && begin(&chain.request, side, context.request_headers) {
            self.request.begin(side);
        }
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.request.data(self.shared.request(), data, end_stream)
    }

    fn decode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.request.trailers(self.shared.request(), trailers)
    }

    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let side = self.shared.response();
        if !end_stream && begin(&self.shared.chain.response, side, response) {
            self.response.begin(side);
        }
        HeadersStatus::Continue
    }

    fn encode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.response.data(self.shared.response(), data, end_stream)
    }

    fn encode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.response.trailers(self.shared.response(), trailers)
    }
}

impl Shared {
    fn request(&self) -> Side<'_> {
        Side {
            chain: &self.chain,
            stats: &self.stats,
            direction: &self.stats.request,
            trailers: MapKind::RequestTrailers,
        }
    }

    fn response(&self) -> Side<'_> {
        Side {
            direction: &self.stats.response,
            trailers: MapKind::ResponseTrailers,
            ..self.request()
        }
    }
}

/// Whether a body is decompressed; its head says so then.
fn begin(direction: &Direction, side: Side<'_>, head: &mut HeaderMap) -> bool {
    let is_allowed = || direction.ignores_no_transform || !forbids_transform(head);
    let coding = side.chain.library.content_encoding();
    if !direction.is_on() || !is_allowed() || !headers::is_in(head, coding) {
        side.direction.not_decompressed.inc();
        return false;
    }
    headers::take_coding(head);
    true
}
