//! What the custom response filter does to a stream.

use std::borrow::Cow;
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

use super::config::{ChainConfig, Details, Local, Policies, Policy};
use super::redirect::{self, Before, CustomResponseStats, Redirect};
use crate::level_stats::{Counted, LevelStats};

struct Worker {
    chain: Arc<Policies>,
    stats: Rc<Counted<CustomResponseStats>>,
    levels: LevelStats<CustomResponseStats>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let scope = self.0.redirects.then(|| context.scope.clone());
        if let Some(scope) = &scope {
            scope.register::<CustomResponseStats>();
        }
        Box::new(Factory(Rc::new(Worker {
            chain: Arc::clone(&self.0),
            stats: Counted::new(scope),
            levels: LevelStats::new(context.root),
        })))
    }
}

struct Factory(Rc<Worker>);

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            worker: Rc::clone(&self.0),
            has_seen_request: false,
            turned: None,
        })
    }
}

struct Filter {
    worker: Rc<Worker>,
    /// Whether the request came here; our own answers to those that did not are not redirected.
    has_seen_request: bool,
    turned: Option<Box<Turned>>,
}

/// A redirect whose route is looked for.
struct Turned {
    policy: Arc<Redirect>,
    before: Before,
    stats: Rc<Counted<CustomResponseStats>>,
}

impl HttpFilter for Filter {
    fn decode_headers(&mut self, _: &mut FilterContext<'_>, _end_stream: bool) -> HeadersStatus {
        self.has_seen_request = true;
        HeadersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        if let Some(turned) = self.turned.take() {
            return turned.go(context, response);
        }
        if redirect::is_redirected(context.stream_info) {
            redirect::finish(context, response);
            return HeadersStatus::Continue;
        }
        let data = MatchData::of_response(context.request_headers, response, context.stream_info);
        let levels = context.route.all::<Policies>().rev();
        let of_level = levels
            .filter_map(|level| Some((level.find(&data)?, Some(level))))
            .next();
        let of_chain = || Some((self.worker.chain.find(&data)?, None));
        match of_level.or_else(of_chain) {
            Some((Policy::Local(policy), _)) => {
                HeadersStatus::Reply(Box::new(policy.answer(context, response)))
            }
            Some((Policy::Redirect(policy), level)) => {
                let (policy, stats) = (Arc::clone(policy), self.worker.stats_of(level));
                self.redirect(policy, stats, context)
            }
            None => HeadersStatus::Continue,
        }
    }
}

impl Filter {
    /// Has a route looked for where the policy leads to, if the request may go there; the call comes again then.
    fn redirect(
        &mut self,
        policy: Arc<Redirect>,
        stats: Rc<Counted<CustomResponseStats>>,
        context: &mut FilterContext<'_>,
    ) -> HeadersStatus {
        if !self.has_seen_request {
            return HeadersStatus::Continue;
        }
        let Some(before) = policy.turn(context) else {
            stats.cells.custom_response_invalid_uri.inc();
            return HeadersStatus::Continue;
        };
        self.turned = Some(Box::new(Turned {
            policy,
            before,
            stats,
        }));
        HeadersStatus::Again(Box::pin(std::future::ready(())))
    }
}

impl Turned {
    /// Goes where the route leads to, if there is one.
    fn go(self, context: &mut FilterContext<'_>, response: &HeaderMap) -> HeadersStatus {
        if !context.route.has_route() {
            self.before.restore(context.request_headers);
            self.stats.cells.custom_response_redirect_no_route.inc();
            return HeadersStatus::Continue;
        }
        self.policy.follow(context, response);
        if context.stream_info.downstream_timing.last_rx_byte.is_none() {
            // Too early to begin anew; that the head is another all the same is Envoy's way.
            return HeadersStatus::Continue;
        }
        HeadersStatus::Reply(Box::new(LocalReply::anew()))
    }
}

impl Worker {
    /// The counters of a level, which are those of the whole process, or else the chain's.
    fn stats_of(&self, level: Option<&Policies>) -> Rc<Counted<CustomResponseStats>> {
        match level {
            Some(level) => self.levels.of(&level.alive, |root| Some(root.clone())),
            None => Rc::clone(&self.stats),
        }
    }
}

impl Policies {
    fn find(&self, data: &MatchData<'_>) -> Option<&Policy> {
        match self.tree.as_ref()?.find(data) {
            Outcome::Action(policy) => Some(policy),
            Outcome::Nothing | Outcome::Undecided => None,
        }
    }
}

impl Local {
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
        let details = match &self.details {
            Details::Nothing => Cow::Borrowed(""),
            Details::Given(details) => Cow::Owned(details.to_string()),
            Details::Preserved => {
                let details = &context.stream_info.response_code_details;
                details.clone().unwrap_or_default()
            }
        };
        let mut reply = LocalReply::new(status, body, details);
        reply.mutations.clone_from(&self.headers);
        reply
    }
}
