//! A filter whose configuration comes from elsewhere (`config_discovery`): runs the filter of now for each stream that
//! begins, and answers with 500 while there is none.
//!
//! It asks for all events, since it does not know what its next configuration wants, and hands on those that the filter
//! of a stream asked for.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::discovered::Discovered;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::head_limits::MaxHead;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Late, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};

/// The place of an HTTP filter's configuration.
pub type DiscoveredHttpFilter = Discovered<dyn HttpFilterConfig>;

/// The filter in a chain.
pub(crate) struct DiscoveredFilter(pub(crate) Arc<DiscoveredHttpFilter>);

impl HttpFilterConfig for DiscoveredFilter {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory {
            place: Arc::clone(&self.0),
            scope: context.scope.clone(),
            root: context.root.clone(),
            name: context.name.into(),
            service_cluster: context.service_cluster.into(),
            max_request_head: context.max_request_head,
            current: RefCell::default(),
        })
    }
}

struct Factory {
    place: Arc<DiscoveredHttpFilter>,
    scope: Scope,
    root: Scope,
    name: Box<str>,
    service_cluster: Box<str>,
    max_request_head: MaxHead,
    /// Made of the configuration after so many changes.
    current: RefCell<(u64, Option<Rc<dyn HttpFilterFactory>>)>,
}

impl Factory {
    fn of_now(&self) -> Option<Rc<dyn HttpFilterFactory>> {
        let changes = self.place.changes();
        let mut current = self.current.borrow_mut();
        if current.0 != changes {
            let context = FilterWorkerContext {
                scope: &self.scope,
                root: &self.root,
                name: &self.name,
                service_cluster: &self.service_cluster,
                is_upstream: false,
                max_request_head: self.max_request_head,
            };
            let config = self.place.current();
            let factory = config.map(|config| Rc::from(config.for_worker(&context)));
            *current = (changes, factory);
        }
        current.1.clone()
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            response_body: true,
            begin: true,
            log: true,
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        match self.of_now() {
            Some(factory) => Box::new(Found {
                interest: factory.interest(),
                filter: factory.create(),
            }),
            None => Box::new(Missing),
        }
    }
}

/// There is no configuration.
struct Missing;

impl HttpFilter for Missing {
    fn decode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        HeadersStatus::Reply(Box::new(LocalReply {
            flags: ResponseFlags::NO_FILTER_CONFIG_FOUND,
            ..LocalReply::new(500, b"".as_slice(), "")
        }))
    }
}

/// The filter of a stream.
struct Found {
    interest: Interest,
    filter: Box<dyn HttpFilter>,
}

impl HttpFilter for Found {
    fn begin(&mut self, info: &mut StreamInfo) {
        if self.interest.begin {
            self.filter.begin(info);
        }
    }

    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        match self.interest.request_headers {
            true => self.filter.decode_headers(context, end_stream),
            false => HeadersStatus::Continue,
        }
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        match self.interest.request_body {
            true => self.filter.decode_data(context, data, end_stream),
            false => DataStatus::Continue,
        }
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        match self.interest.request_body {
            true => self.filter.decode_trailers(context, trailers),
            false => TrailersStatus::Continue,
        }
    }

    fn poll_decode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        self.filter.poll_decode_late(context, cx)
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        match self.interest.response_headers {
            true => self.filter.encode_headers(context, response, end_stream),
            false => HeadersStatus::Continue,
        }
    }

    fn release_response(&mut self, response: &mut HeaderMap) {
        self.filter.release_response(response);
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        match self.interest.response_body {
            true => self.filter.encode_data(context, data, end_stream),
            false => DataStatus::Continue,
        }
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        match self.interest.response_body {
            true => self.filter.encode_trailers(context, trailers),
            false => TrailersStatus::Continue,
        }
    }

    fn poll_encode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        self.filter.poll_encode_late(context, response, cx)
    }

    fn on_log(&mut self, context: &FormatContext<'_>) {
        if self.interest.log {
            self.filter.on_log(context);
        }
    }

    fn on_destroy(&mut self) {
        self.filter.on_destroy();
    }
}
