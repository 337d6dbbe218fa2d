//! What the custom response filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::match_tree::{MatchData, Outcome};

use super::config::{ChainConfig, Policies, Policy};

struct Worker {
    chain: Arc<Policies>,
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let chain = Arc::clone(&self.0);
        Box::new(Shared(Rc::new(Worker { chain })))
    }
}

impl HttpFilterFactory for Shared {
    fn interest(&self) -> Interest {
        Interest {
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(self.clone())
    }
}

impl HttpFilter for Shared {
    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        let data = MatchData::of_response(context.request_headers, response, context.stream_info);
        let levels = context.route.all::<Policies>().rev();
        let found = levels
            .chain([&*self.0.chain])
            .find_map(|policies| policies.find(&data));
        match found {
            Some(policy) => HeadersStatus::Reply(Box::new(policy.answer(context, response))),
            None => HeadersStatus::Continue,
        }
    }
}

impl Policies {
    fn find(&self, data: &MatchData<'_>) -> Option<&Policy> {
        match self.0.as_ref()?.find(data) {
            Outcome::Action(policy) => Some(policy),
            Outcome::Nothing | Outcome::Undecided => None,
        }
    }
}

impl Policy {
    /// The answer in place of `response`.
    fn answer(&self, context: &FilterContext<'_>, response: &HeaderMap) -> LocalReply {
        let own_status = response
            .get_str(Known::Status)
            .and_then(|text| text.parse().ok());
        let status = self.status.or(own_status).unwrap_or(200);
        let mut body = self.body.clone();
        if let Some(format) = &self.format {
            body.clear();
            let context = FormatContext {
                request_headers: Some(context.request_headers),
                response_headers: Some(response),
                local_reply_body: &self.body,
                ..FormatContext::new(context.stream_info, context.services)
            };
            format.format(&context, &mut body);
        }
        let mut reply = LocalReply::new(status, body, "");
        reply.mutations.clone_from(&self.headers);
        reply
    }
}
