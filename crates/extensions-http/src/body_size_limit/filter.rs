//! What the body size limit does to a stream.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest,
};
use nuncio_contract::local_reply::{Basis, LocalReply};

use super::config::Limit;

impl HttpFilterConfig for Limit {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(*self)
    }
}

impl HttpFilterFactory for Limit {
    fn interest(&self) -> Interest {
        let limits = self.0.is_some();
        Interest {
            request_headers: limits,
            request_body: limits,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            most_bytes: self.0.unwrap_or(u64::MAX),
            seen_bytes: 0,
        })
    }
}

struct Filter {
    most_bytes: u64,
    seen_bytes: u64,
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        if end_stream {
            return HeadersStatus::Continue;
        }
        let announced = context.request_headers.get(Known::ContentLength);
        let announced = announced.and_then(|it| std::str::from_utf8(it).ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > self.most_bytes) {
            return HeadersStatus::Reply(Box::new(refusal("content length too large")));
        }
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        _end_stream: bool,
    ) -> DataStatus {
        let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.seen_bytes = self.seen_bytes.saturating_add(bytes);
        if self.seen_bytes > self.most_bytes {
            let refusal = refusal("request too long").on(Basis::Part);
            return DataStatus::Reply(Box::new(refusal));
        }
        DataStatus::Continue
    }
}

fn refusal(text: &'static str) -> LocalReply {
    LocalReply::new(413, text.as_bytes(), "request_payload_too_large")
}
