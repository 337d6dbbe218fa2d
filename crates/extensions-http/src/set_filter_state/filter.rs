//! What the filter does to a stream.

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::request_head_filter::RequestHeadFilter;

use super::config::{ChainConfig, Values};

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(self.clone())
    }
}

impl RequestHeadFilter for ChainConfig {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        self.0.set(context);
        let route = context.route;
        for level in route.all::<Values>() {
            level.set(context);
        }
        HeadersStatus::Continue
    }
}

impl Values {
    fn set(&self, context: &mut FilterContext<'_>) {
        for value in &self.values {
            let format = FormatContext {
                request_headers: Some(context.request_headers),
                ..FormatContext::new(context.stream_info, context.services)
            };
            if let Some(object) = value.make(&format) {
                let state = context.stream_info.filter_state_mut();
                state.set(&value.name, object);
            }
        }
        if self.clears_route {
            context.route_is_stale.set(true);
        }
    }
}
