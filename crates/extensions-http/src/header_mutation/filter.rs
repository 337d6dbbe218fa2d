//! What the header mutation filter does to a stream.

use std::sync::Arc;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest,
};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::StreamInfo;

use super::config::{ChainConfig, Compiled};

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory {
            own: Arc::clone(&self.own),
            most_specific_wins: self.most_specific_wins,
        })
    }
}

#[derive(Clone)]
struct Factory {
    own: Arc<Compiled>,
    most_specific_wins: bool,
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(self.clone())
    }
}

impl Factory {
    /// The chain's own changes first, then the levels', in the order that lets the wanted one have the last
    /// word: the most specific one if the config says so, else the least specific one.
    fn each_level<'a>(&'a self, context: &FilterContext<'a>, mut run: impl FnMut(&'a Compiled)) {
        run(&self.own);
        let levels = context.route.all::<Compiled>();
        if self.most_specific_wins {
            levels.for_each(run);
        } else {
            levels.rev().for_each(run);
        }
    }
}

/// Makes one change of a request.
pub(crate) fn change_request(
    step: &HeaderMutations,
    request: &mut HeaderMap,
    info: &StreamInfo,
    services: &dyn WorkerServices,
) {
    step.remove_from(request);
    let mut formats = FormatContext::new(info, services);
    formats.request_headers = Some(request);
    let values = step.evaluate(request, &formats);
    values.apply(request);
}

impl HttpFilter for Factory {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let mut steps: Vec<&HeaderMutations> = Vec::new();
        self.each_level(context, |level| steps.extend(level.request.iter()));
        for step in steps {
            change_request(
                step,
                context.request_headers,
                context.stream_info,
                context.services,
            );
        }
        HeadersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        let mut steps: Vec<&HeaderMutations> = Vec::new();
        self.each_level(context, |level| steps.extend(level.response.iter()));
        for step in steps {
            step.remove_from(response);
            let mut formats = FormatContext::new(context.stream_info, context.services);
            formats.request_headers = Some(context.request_headers);
            formats.response_headers = Some(response);
            let values = step.evaluate(response, &formats);
            values.apply(response);
        }
        HeadersStatus::Continue
    }
}
