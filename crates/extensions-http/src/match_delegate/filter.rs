//! What the match delegate filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Late, TrailersStatus,
};
use nuncio_contract::match_tree::{MatchData, MatchTree};
use nuncio_contract::stream_info::StreamInfo;

use super::config::{ChainConfig, InnerConfig, LevelTree};
use crate::composite::{CompositeFilter, CompositeWorker};
use crate::delegation::{Action, Decision, Delegated, Factories, interest};

struct Shared {
    tree: Option<Arc<MatchTree<Action>>>,
    inner: InnerWorker,
    interest: Interest,
}

enum InnerWorker {
    Filter(Rc<[Box<dyn HttpFilterFactory>]>),
    Composite(Rc<CompositeWorker>),
}

struct Factory(Rc<Shared>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let (inner, wanted) = match &self.inner {
            InnerConfig::Filter(filter) => {
                let factories = Factories::new(context).of(&[Arc::clone(filter)]);
                let wanted = interest(&factories);
                (InnerWorker::Filter(factories), wanted)
            }
            InnerConfig::Composite(config) => {
                let worker = CompositeWorker::new(config, context);
                (InnerWorker::Composite(worker), CompositeWorker::INTEREST)
            }
        };
        Box::new(Factory(Rc::new(Shared {
            tree: self.tree.clone(),
            inner,
            interest: Interest {
                request_headers: true,
                response_headers: true,
                request_body: wanted.request_body || self.asks_of_trailers,
                response_body: wanted.response_body || self.asks_of_trailers,
                begin: wanted.begin,
                log: wanted.log,
            },
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        self.0.interest
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        let shared = &self.0;
        Box::new(MatchDelegate {
            decision: Decision::by(shared.tree.as_ref()),
            is_skipped: false,
            has_request: false,
            inner: match &shared.inner {
                InnerWorker::Filter(factories) => Inner::Filter(Delegated::create(factories)),
                InnerWorker::Composite(worker) => Inner::Composite(CompositeFilter::new(worker)),
            },
        })
    }
}

enum Inner {
    Filter(Delegated),
    Composite(CompositeFilter),
}

impl Inner {
    fn filter(&mut self) -> &mut dyn HttpFilter {
        match self {
            Inner::Filter(filter) => filter,
            Inner::Composite(filter) => filter,
        }
    }
}

struct MatchDelegate {
    decision: Decision,
    is_skipped: bool,
    /// Whether the head of the request came by, which an earlier answer prevents.
    has_request: bool,
    inner: Inner,
}

impl MatchDelegate {
    /// What the tree has found, if it has just now; as in Envoy, without a tree the filter is skipped.
    fn act(&mut self, found: Option<Action>, context: &mut FilterContext<'_>) {
        match (found, &mut self.inner) {
            (None, _) => self.is_skipped |= !self.decision.has_tree(),
            (Some(Action::Skip), _) => self.is_skipped = true,
            (Some(Action::Execute(action)), Inner::Composite(filter)) => {
                filter.on_match(&action, context);
            }
            // As in Envoy, other filters are not told.
            (Some(Action::Execute(_)), Inner::Filter(_)) => {}
        }
    }

    /// The filter, if the stream does not skip it.
    fn running(&mut self) -> Option<&mut dyn HttpFilter> {
        (!self.is_skipped).then(|| self.inner.filter())
    }
}

impl HttpFilter for MatchDelegate {
    fn begin(&mut self, info: &mut StreamInfo) {
        self.inner.filter().begin(info);
    }

    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        if let Some(LevelTree(tree)) = context.route.most_specific() {
            self.decision.rest_with(tree);
        }
        self.has_request = true;
        let data = MatchData::of_request(context.request_headers, context.stream_info);
        let found = self.decision.ask(&data);
        self.act(found, context);
        match self.running() {
            Some(filter) => filter.decode_headers(context, end_stream),
            None => HeadersStatus::Continue,
        }
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        match self.running() {
            Some(filter) => filter.decode_data(context, data, end_stream),
            None => DataStatus::Continue,
        }
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let data = MatchData {
            request_trailers: Some(trailers),
            ..MatchData::of_request(context.request_headers, context.stream_info)
        };
        let found = self.decision.ask(&data);
        self.act(found, context);
        match self.running() {
            Some(filter) => filter.decode_trailers(context, trailers),
            None => TrailersStatus::Continue,
        }
    }

    fn poll_decode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        self.inner.filter().poll_decode_late(context, cx)
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let (request, info) = (&*context.request_headers, &*context.stream_info);
        let data = MatchData {
            request: self.has_request.then_some(request),
            ..MatchData::of_response(request, response, info)
        };
        let found = self.decision.ask(&data);
        self.act(found, context);
        match self.running() {
            Some(filter) => filter.encode_headers(context, response, end_stream),
            None => HeadersStatus::Continue,
        }
    }

    fn release_response(&mut self, response: &mut HeaderMap) {
        self.inner.filter().release_response(response);
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        match self.running() {
            Some(filter) => filter.encode_data(context, data, end_stream),
            None => DataStatus::Continue,
        }
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let request = &*context.request_headers;
        let data = MatchData {
            request: self.has_request.then_some(request),
            response_trailers: Some(trailers),
            ..MatchData::of_request(request, context.stream_info)
        };
        let found = self.decision.ask(&data);
        self.act(found, context);
        match self.running() {
            Some(filter) => filter.encode_trailers(context, trailers),
            None => TrailersStatus::Continue,
        }
    }

    fn poll_encode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        self.inner.filter().poll_encode_late(context, response, cx)
    }

    fn on_log(&mut self, context: &FormatContext<'_>) {
        // As in Envoy, also where the filter was skipped.
        self.inner.filter().on_log(context);
    }

    fn on_destroy(&mut self) {
        self.inner.filter().on_destroy();
    }
}
