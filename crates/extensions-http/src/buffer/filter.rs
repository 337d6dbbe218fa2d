//! What the buffer filter does to a stream.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};

use super::config::Limit;

impl HttpFilterConfig for Limit {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(*self)
    }
}

impl HttpFilterFactory for Limit {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(BufferFilter {
            chain_limit: *self,
            holds: false,
        })
    }
}

struct BufferFilter {
    chain_limit: Limit,
    holds: bool,
}

impl HttpFilter for BufferFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let limit = context
            .route
            .most_specific::<Limit>()
            .copied()
            .unwrap_or(self.chain_limit);
        let Limit::Bytes(bytes) = limit else {
            return HeadersStatus::Continue;
        };
        if end_stream {
            return HeadersStatus::Continue;
        }
        *context.buffer_limit_bytes = bytes;
        self.holds = true;
        HeadersStatus::Stop
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if !self.holds {
            return DataStatus::Continue;
        }
        if !end_stream {
            return DataStatus::StopAndBuffer;
        }
        let body_bytes = context.held_body.len() + data.len();
        if u64::try_from(body_bytes).is_ok_and(|bytes| bytes > *context.buffer_limit_bytes) {
            return DataStatus::StopAndBuffer;
        }
        add_content_length(context.request_headers, body_bytes);
        self.holds = false;
        DataStatus::Continue
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        if self.holds {
            add_content_length(context.request_headers, context.held_body.len());
            self.holds = false;
        }
        TrailersStatus::Continue
    }
}

/// A request whose length is known now need not be chunked any more.
fn add_content_length(headers: &mut HeaderMap, body_bytes: usize) {
    if !headers.contains(Known::ContentLength) {
        headers.remove(Known::TransferEncoding);
        headers.set_integer(
            Known::ContentLength,
            u64::try_from(body_bytes).unwrap_or(u64::MAX),
        );
    }
}
