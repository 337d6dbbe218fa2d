//! What the CDN-Loop filter does to a stream.

use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::request_head_filter::RequestHeadFilter;

use super::config::ChainConfig;
use super::parser;

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(self.clone())
    }
}

impl RequestHeadFilter for ChainConfig {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        // Several headers of this name have been joined when they came.
        if let Some(header) = context.request_headers.get(Known::CdnLoop) {
            let Some(count) = parser::count(header, self.id.as_bytes()) else {
                return refuse(
                    400,
                    "Invalid CDN-Loop header in request.",
                    "invalid_cdn_loop_header",
                );
            };
            if u32::try_from(count).unwrap_or(u32::MAX) > self.most_occurrences {
                return refuse(
                    502,
                    "The server has detected a loop between CDNs.",
                    "cdn_loop_detected",
                );
            }
        }
        let headers = &mut *context.request_headers;
        headers.append_joined(Known::CdnLoop, self.id.as_bytes());
        HeadersStatus::Continue
    }
}

fn refuse(status: u16, text: &'static str, details: &'static str) -> HeadersStatus {
    let reply = LocalReply::new(status, text.as_bytes(), details);
    HeadersStatus::Reply(Box::new(reply))
}
