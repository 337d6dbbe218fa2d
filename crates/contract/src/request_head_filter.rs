//! Filters that look at the head of a request and keep nothing of a stream: one call to write, the rest follows.
//!
//! What implements [`RequestHeadFilter`] is factory and filter in one; each stream has a clone of it, so that what it
//! holds lies behind an `Rc` or an `Arc`.

use crate::http_filter::{FilterContext, HeadersStatus, HttpFilter, HttpFilterFactory, Interest};

/// A filter that wants nothing but heads of requests.
pub trait RequestHeadFilter: Clone + 'static {
    /// The request's head has come.
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus;
}

impl<F: RequestHeadFilter> HttpFilterFactory for F {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(OfStream(self.clone()))
    }
}

/// The filter of one stream.
struct OfStream<F>(F);

impl<F: RequestHeadFilter> HttpFilter for OfStream<F> {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        self.0.on_request(context)
    }
}
