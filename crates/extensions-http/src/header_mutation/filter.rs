//! What the header mutation filter does to a stream.

use std::sync::Arc;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::header_steps::{Of, Step};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::StreamInfo;

use super::config::{ChainConfig, Compiled};
use super::steps::QueryStep;
use crate::query::Parameters;

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
            // For trailers, which any route may have changed.
            request_body: true,
            response_headers: true,
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            factory: self.clone(),
            response: None,
        })
    }
}

struct Filter {
    factory: Factory,
    /// The head of the response, for values of trailers.
    response: Option<Box<HeaderMap>>,
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
    step: &Step,
    request: &mut HeaderMap,
    info: &StreamInfo,
    services: &dyn WorkerServices,
) {
    step.run(Of::Request, request, &FormatContext::new(info, services));
}

/// What values are made of beside what is changed.
fn others<'a>(context: &'a FilterContext<'_>) -> FormatContext<'a> {
    FormatContext {
        request_headers: Some(context.request_headers),
        ..FormatContext::new(context.stream_info, context.services)
    }
}

/// Changes the query parameters of a request.
fn change_query(steps: &[QueryStep], context: &mut FilterContext<'_>) {
    let Some(mut parameters) = Parameters::of(context.request_headers) else {
        return;
    };
    let mut formats = FormatContext::new(context.stream_info, context.services);
    formats.request_headers = Some(context.request_headers);
    for step in steps {
        step.run(&mut parameters, &formats);
    }
    parameters.write(context.request_headers);
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let mut levels: Vec<&Compiled> = Vec::new();
        self.factory.each_level(context, |level| levels.push(level));
        for level in levels {
            for step in &*level.request {
                change_request(
                    step,
                    context.request_headers,
                    context.stream_info,
                    context.services,
                );
            }
            if !level.query.is_empty() {
                change_query(&level.query, context);
            }
        }
        HeadersStatus::Continue
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let mut steps: Vec<&Step> = Vec::new();
        self.factory
            .each_level(context, |level| steps.extend(level.request_trailers.iter()));
        let others = others(context);
        for step in steps {
            step.run(Of::RequestTrailers, trailers, &others);
        }
        TrailersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        let mut steps: Vec<&Step> = Vec::new();
        let mut changes_trailers = false;
        self.factory.each_level(context, |level| {
            changes_trailers |= !level.response_trailers.is_empty();
            steps.extend(level.response.iter());
        });
        let others = others(context);
        for step in steps {
            step.run(Of::Response, response, &others);
        }
        if changes_trailers {
            self.response = Some(Box::new(response.clone()));
        }
        HeadersStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let mut steps: Vec<&Step> = Vec::new();
        self.factory.each_level(context, |level| {
            steps.extend(level.response_trailers.iter())
        });
        let others = FormatContext {
            response_headers: self.response.as_deref(),
            ..others(context)
        };
        for step in steps {
            step.run(Of::ResponseTrailers, trailers, &others);
        }
        TrailersStatus::Continue
    }
}
