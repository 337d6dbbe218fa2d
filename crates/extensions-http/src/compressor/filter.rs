//! What the compressor filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, PerRoute, TrailersStatus,
};
use nuncio_contract::stream_info::StreamInfo;

use super::body::{Body, failure};
use super::config::{Chain, ChainConfig, EtagRule, Level, Response};
use super::headers::{self, Head};
use super::negotiation::{self, Question, Reason};
use super::stats::Stats;
use crate::compression::CompressorLibrary;

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
            begin: true,
            request_headers: true,
            request_body: self.0.chain.request.is_some(),
            response_headers: true,
            response_body: true,
            log: false,
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(CompressorFilter {
            shared: Rc::clone(&self.0),
            accept_encoding: None,
            request: Body::default(),
            response: Body::default(),
        })
    }
}

struct CompressorFilter {
    shared: Rc<Shared>,
    /// As it was when the request came here.
    accept_encoding: Option<Box<[u8]>>,
    request: Body,
    response: Body,
}

impl HttpFilter for CompressorFilter {
    fn begin(&mut self, info: &mut StreamInfo) {
        negotiation::register(info, &self.shared.chain);
    }

    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let request = &mut *context.request_headers;
        self.accept_encoding = request.get(Known::AcceptEncoding).map(Box::from);
        let chain = &*self.shared.chain;
        let route = OnRoute::of(chain, context.route);
        if route.compresses_responses && route.removes_accept_encoding {
            request.remove(Known::AcceptEncoding);
        }
        let stats = &self.shared.stats.request;
        let is_compressed = chain.request.as_ref().is_some_and(|direction| {
            let head = Head {
                headers: request,
                direction,
                stats,
            };
            !end_stream
                && direction.is_on()
                && !head.is_upgrade()
                && head.is_long_enough()
                && head.has_right_type()
                && !head.is_encoded()
                && !head.is_transferred_encoded(route.library.content_encoding())
        });
        if !is_compressed {
            stats.not_compressed.inc();
            return HeadersStatus::Continue;
        }
        headers::announce(request, route.library.content_encoding());
        stats.compressed.inc();
        self.request.begin(route.library)
    }

    fn decode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.request
            .data(&self.shared.stats.request, data, end_stream)
    }

    fn decode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.request.trailers(&self.shared.stats.request)
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let shared = Rc::clone(&self.shared);
        let route = OnRoute::of(&shared.chain, context.route);
        let is_compressed = match shared.chain.response.tells_status {
            false => self.judge(context, &route, response, end_stream),
            true => self.judge_and_tell(context, &route, response, end_stream),
        };
        if !is_compressed {
            shared.stats.response.not_compressed.inc();
            return HeadersStatus::Continue;
        }
        shared.stats.response.compressed.inc();
        self.response.begin(route.library)
    }

    fn encode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.response
            .data(&self.shared.stats.response, data, end_stream)
    }

    fn encode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.response.trailers(&self.shared.stats.response)
    }
}

/// What the route makes of the chain's config.
struct OnRoute<'a> {
    compresses_responses: bool,
    removes_accept_encoding: bool,
    library: &'a CompressorLibrary,
}

impl<'a> OnRoute<'a> {
    fn of(chain: &'a Chain, route: PerRoute<'a>) -> Self {
        let level = route.most_specific::<Level>();
        let is_on = level.and_then(|level| level.enabled);
        let removes = level.and_then(|level| level.removes_accept_encoding);
        let library = level.and_then(|level| level.library.as_ref());
        OnRoute {
            compresses_responses: is_on.unwrap_or_else(|| chain.response.direction.is_on()),
            removes_accept_encoding: removes.unwrap_or(chain.response.removes_accept_encoding),
            library: library.unwrap_or(&chain.library),
        }
    }
}

impl CompressorFilter {
    fn head<'a>(&'a self, response: &'a HeaderMap) -> Head<'a> {
        Head {
            headers: response,
            direction: &self.shared.chain.response.direction,
            stats: &self.shared.stats.response,
        }
    }

    /// Whether the response is compressed; its head says so then.
    fn judge(
        &self,
        context: &mut FilterContext<'_>,
        route: &OnRoute<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> bool {
        let rules = &self.shared.chain.response;
        let coding = route.library.content_encoding();
        let head = self.head(response);
        let is_wanted = route.compresses_responses && head.is_long_enough();
        let is_compressible = is_wanted
            && !head.is_upgrade()
            && head.has_right_type()
            && !head.forbids_transform()
            && self.allows_etag(response)
            && !head.is_encoded()
            && rules.allow_status(response);
        let is_compressed = !end_stream
            && is_wanted
            && self.is_accepted(context, coding, response)
            && is_compressible
            && !head.is_transferred_encoded(coding);
        if is_compressed {
            headers::change_etag(response, rules.etag);
            headers::announce(response, coding);
        }
        if is_compressible {
            headers::add_vary(response);
        }
        is_compressed
    }

    /// The same in another order, and the head tells why not.
    fn judge_and_tell(
        &self,
        context: &mut FilterContext<'_>,
        route: &OnRoute<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> bool {
        let rules = &self.shared.chain.response;
        let coding = route.library.content_encoding();
        let head = self.head(response);
        let is_candidate = route.compresses_responses
            && !head.is_upgrade()
            && !head.forbids_transform()
            && !head.is_encoded();
        let is_compressible = is_candidate
            && head.is_long_enough()
            && head.has_right_type()
            && rules.allow_etag(response)
            && rules.allow_status(response);
        if is_compressible {
            headers::add_vary(response);
        }
        let head = self.head(response);
        if end_stream || !is_candidate || head.is_transferred_encoded(coding) {
            return false;
        }
        let refusal = if !head.is_long_enough() {
            Some("ContentLengthTooSmall")
        } else if !head.has_right_type() {
            Some("ContentTypeNotAllowed")
        } else if !self.allows_etag(response) {
            Some("EtagNotAllowed")
        } else if !rules.allow_status(response) {
            Some("StatusCodeNotAllowed")
        } else {
            None
        };
        if let Some(refusal) = refusal {
            tell(response, &format!("{coding};{refusal}"));
            return false;
        }
        if !self.is_accepted(context, coding, response) {
            return false;
        }
        let length = response.get_str(Known::ContentLength).unwrap_or_default();
        let told = format!("{coding};Compressed;OriginalLength={length}");
        headers::change_etag(response, rules.etag);
        headers::announce(response, coding);
        tell(response, &told);
        true
    }

    /// The same as the rules, and counted.
    fn allows_etag(&self, response: &HeaderMap) -> bool {
        let is_allowed = self.shared.chain.response.allow_etag(response);
        if !is_allowed {
            self.shared.stats.accepted.not_compressed_etag.inc();
        }
        is_allowed
    }

    /// Whether this filter's coding is the one that the client gets; counts why.
    fn is_accepted(
        &self,
        context: &mut FilterContext<'_>,
        coding: &'static str,
        response: &HeaderMap,
    ) -> bool {
        let stats = &self.shared.stats.accepted;
        let Some(accept_encoding) = &self.accept_encoding else {
            stats.no_accept_header.inc();
            return false;
        };
        let content_type = response.get(Known::ContentType);
        let question = Question {
            accept_encoding,
            content_type: content_type.map(headers::bare_type),
            asker: &self.shared.chain,
            own_coding: coding,
        };
        let decision = negotiation::decide(context.stream_info, &question);
        let is_chosen = decision.coding == coding;
        let counter = match (decision.reason, is_chosen) {
            (Reason::Named, true) => &stats.header_compressor_used,
            (Reason::Named, false) => &stats.header_compressor_overshadowed,
            (Reason::Identity, _) => &stats.header_identity,
            (Reason::Wildcard, _) => &stats.header_wildcard,
            (Reason::NotValid, _) => &stats.header_not_valid,
        };
        counter.inc();
        is_chosen
    }
}

impl Body {
    fn begin(&mut self, library: &CompressorLibrary) -> HeadersStatus {
        match library.begin() {
            Ok(compressor) => {
                self.0 = Some(compressor);
                HeadersStatus::Continue
            }
            Err(_) => HeadersStatus::Reply(Box::new(failure())),
        }
    }
}

impl Response {
    fn allow_etag(&self, response: &HeaderMap) -> bool {
        self.etag != EtagRule::LeaveAlone || !response.contains(Known::Etag)
    }

    fn allow_status(&self, response: &HeaderMap) -> bool {
        let status = response.get_str(Known::Status);
        let status = status.and_then(|status| status.parse().ok());
        status.is_none_or(|status| !self.uncompressible_statuses.contains(&status))
    }
}

fn tell(response: &mut HeaderMap, status: &str) {
    response.append(Known::XEnvoyCompressionStatus, status.as_bytes());
}
