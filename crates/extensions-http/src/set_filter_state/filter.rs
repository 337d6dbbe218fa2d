//! What the filter does to a stream.

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest,
};

use super::config::{ChainConfig, Values};

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(self.clone())
    }
}

impl HttpFilterFactory for ChainConfig {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(self.clone())
    }
}

impl HttpFilter for ChainConfig {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
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
