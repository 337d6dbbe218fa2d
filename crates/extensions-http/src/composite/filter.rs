//! What the composite filter does to a stream.

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
use nuncio_contract::match_tree::MatchData;
use nuncio_contract::stat_group;

use super::config::{ChainConfig, CompositeConfig, LevelTree};
use super::matched;
use crate::delegation::{Action, Decision, Delegated, Execute, Factories, Filters};

stat_group! {
    /// Filters that ran, at `http.<prefix>.composite.`.
    pub struct CompositeStats("composite.") {
        counters {
            filter_delegation_error,
            filter_delegation_success,
        }
    }
}

/// A worker's part of the filter.
pub(crate) struct CompositeWorker {
    config: Arc<CompositeConfig>,
    stats: Arc<CompositeStats>,
    name: Box<str>,
    factories: Factories,
}

impl CompositeWorker {
    pub(crate) fn new(
        config: &Arc<CompositeConfig>,
        context: &FilterWorkerContext<'_>,
    ) -> Rc<Self> {
        Rc::new(CompositeWorker {
            config: Arc::clone(config),
            stats: context.scope.worker_group(),
            name: context.name.into(),
            factories: Factories::new(context),
        })
    }

    /// What it wants to see: everything, as nobody knows before what it will run.
    pub(crate) const INTEREST: Interest = Interest {
        request_headers: true,
        request_body: true,
        response_headers: true,
        response_body: true,
        begin: false,
        log: true,
    };
}

struct Factory(Rc<CompositeWorker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(CompositeWorker::new(&self.0, context)))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        CompositeWorker::INTEREST
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(CompositeFilter::new(&self.0))
    }
}

/// The filter of a stream.
pub(crate) struct CompositeFilter {
    worker: Rc<CompositeWorker>,
    decision: Decision,
    has_looked_at_route: bool,
    delegated: Option<Delegated>,
}

impl CompositeFilter {
    pub(crate) fn new(worker: &Rc<CompositeWorker>) -> Self {
        CompositeFilter {
            worker: Rc::clone(worker),
            decision: Decision::by(worker.config.tree.as_ref()),
            has_looked_at_route: false,
            delegated: None,
        }
    }

    /// A tree around the filter has decided; one of the filter's own outweighs it.
    pub(crate) fn on_match(&mut self, action: &Arc<Execute>, context: &mut FilterContext<'_>) {
        self.look_at_route(context);
        if !self.decision.has_tree() {
            self.execute(action, context);
        }
    }

    fn look_at_route(&mut self, context: &FilterContext<'_>) {
        if !self.has_looked_at_route {
            self.has_looked_at_route = true;
            if let Some(LevelTree(tree)) = context.route.most_specific() {
                self.decision.rest_with(tree);
            }
        }
    }

    /// As in Envoy, an action to skip does nothing here.
    fn act(&mut self, found: Option<Action>, context: &mut FilterContext<'_>) {
        if let Some(Action::Execute(action)) = found {
            self.execute(&action, context);
        }
    }

    fn execute(&mut self, action: &Arc<Execute>, context: &mut FilterContext<'_>) {
        let sample = action.sample.as_ref();
        if sample.is_some_and(|sample| !sample.chooses(context.services.random_u64())) {
            return;
        }
        let worker = &self.worker;
        let filters = match &action.filters {
            Filters::These(filters) => filters,
            Filters::Named(name) => match worker.config.named.get(name) {
                Some(filters) => filters,
                None => return,
            },
        };
        let factories = worker.factories.of_action(action, filters);
        let mut delegated = Delegated::create(&factories);
        delegated.begin(context.stream_info);
        worker.stats.filter_delegation_success.inc();
        matched::leave(context.stream_info, &worker.name, &action.name);
        self.delegated = Some(delegated);
    }
}

impl HttpFilter for CompositeFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        self.look_at_route(context);
        let data = MatchData::of_request(context.request_headers, context.stream_info);
        let found = self.decision.ask(&data);
        self.act(found, context);
        match &mut self.delegated {
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
        match &mut self.delegated {
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
        match &mut self.delegated {
            Some(filter) => filter.decode_trailers(context, trailers),
            None => TrailersStatus::Continue,
        }
    }

    fn poll_decode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        match &mut self.delegated {
            Some(filter) => filter.poll_decode_late(context, cx),
            None => Poll::Pending,
        }
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let (request, info) = (&*context.request_headers, &*context.stream_info);
        let data = MatchData::of_response(request, response, info);
        let found = self.decision.ask(&data);
        self.act(found, context);
        match &mut self.delegated {
            Some(filter) => filter.encode_headers(context, response, end_stream),
            None => HeadersStatus::Continue,
        }
    }

    fn release_response(&mut self, response: &mut HeaderMap) {
        if let Some(filter) = &mut self.delegated {
            filter.release_response(response);
        }
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        match &mut self.delegated {
            Some(filter) => filter.encode_data(context, data, end_stream),
            None => DataStatus::Continue,
        }
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        match &mut self.delegated {
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
        match &mut self.delegated {
            Some(filter) => filter.poll_encode_late(context, response, cx),
            None => Poll::Pending,
        }
    }

    fn on_log(&mut self, context: &FormatContext<'_>) {
        if let Some(filter) = &mut self.delegated {
            filter.on_log(context);
        }
    }

    fn on_destroy(&mut self) {
        if let Some(filter) = &mut self.delegated {
            filter.on_destroy();
        }
    }
}
