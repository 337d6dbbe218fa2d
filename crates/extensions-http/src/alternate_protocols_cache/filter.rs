//! What the filter of `alt-svc` does to a stream.

use nuncio_contract::alternate_protocols::{Origin, parse};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest,
};

use super::config::ChainConfig;

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(*self)
    }
}

impl HttpFilterFactory for ChainConfig {
    fn interest(&self) -> Interest {
        Interest {
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(*self)
    }
}

impl HttpFilter for ChainConfig {
    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        note(context, response);
        HeadersStatus::Continue
    }
}

/// Notes what the host says, if there is a cache for it.
fn note(context: &FilterContext<'_>, response: &HeaderMap) {
    let upstream = &context.stream_info.upstream;
    let Some(host) = upstream.host() else {
        return;
    };
    let Some(known) = &host.alternatives else {
        return;
    };
    let mut all = Vec::new();
    for value in response.get_all(Known::AltSvc) {
        let Some(mut alternatives) = str::from_utf8(value).ok().and_then(parse) else {
            return;
        };
        all.append(&mut alternatives);
    }
    if all.is_empty() {
        return;
    }
    let told = upstream.tls.as_ref().map(|tls| &tls.server_name);
    let told = told.filter(|name| !name.is_empty());
    let origin = Origin::new(told.unwrap_or(&host.hostname), known.port);
    known.cache.learn(&origin, &all, context.services.now());
}
