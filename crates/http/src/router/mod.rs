//! The router: ends the filter chain by sending the request to a cluster, or by answering from the route.
//!
//! Follows Envoy's router filter. Limits: the route's timeout (15 s by default), counted from the end of the
//! request.

mod attempt;
mod failure;
mod finalize;
mod forward;
mod host_wishes;
mod late;
mod late_host;
mod maintenance;
mod outliers;
mod reply;
mod strict_headers;
mod tries;
mod try_count;
mod try_log;
mod tunnel;
mod up;
mod wishes;

pub(crate) use reply::make_reply;

pub(crate) use failure::{
    details_of_failure, flags_of, status_of_failure, text_of_failure, timed_out,
};
pub(crate) use finalize::{for_levels, mutate_request, rewrite_host, rewrite_path};
pub(crate) use outliers::{report_failure, report_head};
pub(crate) use tries::{Met, Retries, Verdict, Waited};
pub(crate) use tunnel::path_refusal;
pub(crate) use wishes::{
    grpc_timeout, milliseconds, set_grpc_timeout, take_late_wishes, take_wishes,
};

use std::pin::pin;

use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::local_reply::{ContentType, LocalReply};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::ResponseFlags;

use crate::config::router::RouterConfig;
use crate::downstream::Downstream;
use crate::exchange::{Exchange, Stop};
use crate::route::{Action, Redirect, https_location, own_location};
use crate::stream::StreamState;

/// The router of one stream.
pub struct Router<'e, 'a, D> {
    /// The stream.
    pub exchange: &'e Exchange<'a, D>,
    /// The router's config.
    pub config: &'e RouterConfig,
}

impl<D: Downstream> Router<'_, '_, D> {
    /// From the request's head to the complete response.
    pub async fn run(&self) -> Result<(), Stop> {
        let stats = &self.exchange.manager.stats.router;
        stats.rq_total.inc();
        let (table, index) = {
            let route = &self.exchange.state.borrow().route;
            (std::rc::Rc::clone(&route.table), route.index)
        };
        let Some(index) = index else {
            stats.no_route.inc();
            return Err(Stop::Reply(Box::new(no_route())));
        };
        match table.action(index) {
            Action::Forward(forward) => pin!(self.forward(forward)).await,
            action => Err(self.answer(action)),
        }
    }

    /// What the route answers itself.
    #[cold]
    fn answer(&self, action: &Action) -> Stop {
        if matches!(action, Action::Filter | Action::NonForwarding) {
            self.exchange.manager.stats.router.no_cluster.inc();
            return Stop::RouteReply(Box::new(no_cluster(503)));
        }
        let mut state = self.exchange.state.borrow_mut();
        let services = &*self.exchange.manager.worker;
        match route_reply(action, &mut state, self.config, services) {
            Some(reply) => {
                let stats = &self.exchange.manager.stats.router;
                stats.rq_direct_response.inc();
                Stop::RouteReply(Box::new(reply))
            }
            None => Stop::Reply(Box::new(no_route())),
        }
    }
}

/// The answer where there is no route, or one that leaves the answer to filters and none gave it.
pub(crate) fn no_route() -> LocalReply {
    LocalReply::new(404, b"".as_slice(), "route_not_found")
        .with_flags(ResponseFlags::NO_ROUTE_FOUND)
}

/// The answer where there is no such cluster.
pub(crate) fn no_cluster(status: u16) -> LocalReply {
    LocalReply::new(status, b"".as_slice(), "cluster_not_found")
        .with_flags(ResponseFlags::NO_CLUSTER_FOUND)
}

/// The route's own answer; none where it has none.
pub(crate) fn route_reply(
    action: &Action,
    state: &mut StreamState,
    config: &RouterConfig,
    services: &dyn WorkerServices,
) -> Option<LocalReply> {
    match action {
        Action::Direct {
            status,
            body,
            format,
        } => {
            let (body, content_type) = match format {
                None => (body.to_vec(), None),
                Some(format) => format.word(body, (&state.request, &state.info), services),
            };
            let mut reply = LocalReply::new(*status, body, "direct_response");
            reply.content_type = content_type.map(|kind| Box::new(ContentType(kind.into())));
            if matches!(status, 201 | 300..=399) {
                let location = own_location(&state.request);
                reply = reply.with_header(HeaderName::from(Known::Location), location);
            }
            Some(reply)
        }
        Action::Redirect(redirect) => Some(redirected(redirect, state, config, services)),
        Action::RedirectToHttps => Some(moved(301, https_location(&state.request))),
        Action::Forward(_) | Action::NonForwarding | Action::Filter => None,
    }
}

fn redirected(
    redirect: &Redirect,
    state: &mut StreamState,
    config: &RouterConfig,
    services: &dyn WorkerServices,
) -> LocalReply {
    let matched_len = state.matched_len();
    let path = state.request.get(Known::Path).unwrap_or_default();
    if let Some(new) = redirect.rewritten_path(path, matched_len) {
        if !config.suppress_envoy_headers {
            let old = path.to_vec();
            state.request.set(Known::XEnvoyOriginalPath, &old);
        }
        state.request.set(Known::Path, &new);
    }
    if !state.request.contains(Known::Path) {
        // CONNECT, which cannot be sent elsewhere.
        return LocalReply::new(redirect.status, b"".as_slice(), "direct_response");
    }
    let format = redirect.path_format();
    let formatted = format.and_then(|format| finalize::formatted(format, state, services));
    let location = redirect.location(&state.request, formatted.as_deref());
    moved(redirect.status, location)
}

fn moved(status: u16, location: Vec<u8>) -> LocalReply {
    LocalReply::new(status, b"".as_slice(), "direct_response")
        .with_header(HeaderName::from(Known::Location), location)
}
