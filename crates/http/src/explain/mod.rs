//! What becomes of a request, told without sending it: how it is understood, which route it takes and why the
//! others did not match, what is rewritten, and where it goes.
//!
//! Every step is done by the code that serves requests: the codec decodes the request's bytes, the connection
//! manager checks and completes its head, the route table finds its route, the router rewrites it. What is told
//! is read off before and after, so it cannot be another thing than what happens. Two things are not done: no
//! filter runs (they may answer, wait, or change headers), and chance is given by whoever asks.
//!
//! Limits: [`Listing::MOST`] routes are told, unless all are asked for.

mod asked;
mod chance;
mod changes;
mod forwarding;
mod routing;

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::matching::plain;
use nuncio_contract::stream_info::{ConnectionInfo, Protocol, ResponseFlags};
use nuncio_upstream::ClusterManager;

pub use asked::{Asked, Seen, Unaskable};
pub use changes::Change;
pub use forwarding::{ClusterTold, Forwarding, HowChosen, Step, TunnelTold};
pub use routing::{DomainTold, FilterTold, Listing, RouteTold, Routing};

use crate::connection_manager::ConnectionManagerConfig;
use crate::connection_manager::config::Terminal;
use crate::connection_manager::request;
use crate::connection_manager::upgrades::{self, Verdict};
use crate::exchange::status_of;
use crate::route::{Action, RouteTable, is_connect};
use crate::router;
use crate::stream::{RouteSnapshot, StreamState};
use chance::Chosen;

/// What becomes of a request.
pub struct Explanation {
    /// The request as it is understood.
    pub seen: Seen,
    /// The route; none if the request is answered before it is looked for.
    pub routing: Option<Routing>,
    /// What happens.
    pub outcome: Outcome,
}

/// What happens.
pub enum Outcome {
    /// The proxy answers itself.
    Answer(Answer),
    /// It goes to a cluster.
    Forward(Box<Forwarding>),
}

/// An answer of the proxy's own.
pub struct Answer {
    /// Why, in words.
    pub why: &'static str,
    /// The status.
    pub status: u16,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
    /// `%RESPONSE_FLAGS%`; empty for none.
    pub flags: String,
    /// The size of the body.
    pub body_bytes: usize,
    /// Headers that come with it, such as `location`.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// Does to `state` what is done for an answer, and tells it.
    fn tell(
        why: &'static str,
        mut reply: LocalReply,
        by_route: bool,
        state: &mut StreamState,
        (manager, services): (&ConnectionManagerConfig, &Chosen),
    ) -> Outcome {
        let (details, flags) = (reply.details.clone().into_owned(), reply.flags);
        if flags == ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR {
            // It comes behind the answer, whose mapping does not see it.
            reply.flags = ResponseFlags::NONE;
        }
        let body = router::make_reply(state, reply, by_route, manager, services);
        if let Some(proxy_status) = &manager.response.proxy_status {
            // It may change the status.
            proxy_status.tell(&mut state.response, &state.info);
        }
        let headers = state.response.iter_regular();
        Outcome::Answer(Answer {
            why,
            status: status_of(&state.response),
            details,
            flags: flags.short_names().collect::<Vec<_>>().join(","),
            body_bytes: body.len(),
            headers: headers
                .map(|header| (plain(header.name), plain(header.value)))
                .collect(),
        })
    }
}

/// Tells what becomes of a request at a connection manager.
///
/// # Errors
/// What was asked is no request at all.
pub fn explain(
    manager: &ConnectionManagerConfig,
    routes: &Arc<RouteTable>,
    clusters: &ClusterManager,
    asked: &Asked<'_>,
    listing: Listing,
) -> Result<Explanation, Unaskable> {
    let mut state = stream(routes, asked);
    let mut seen = Seen::new(asked)?;
    let services = Chosen(asked.random);
    if let Err(reply) = seen.decode(manager, asked, &mut state.request) {
        state.request.clear();
        let why = "the request cannot be read";
        return Ok(answered(seen, why, reply, &mut state, (manager, &services)));
    }
    request::take_expectation(&mut state.request, manager.proxy_100_continue);
    let peer = request::Peer {
        is_tls: asked.is_tls,
        remote: Some(&asked.remote),
        local: Some(&asked.local),
        direct_local: Some(&asked.local),
    };
    if let Err(refusal) = request::check(&mut state.request, &manager.request, &peer) {
        seen.finish(manager, &state);
        state.find_route(asked.random);
        let (why, reply) = asked::refused(refusal);
        return Ok(answered(seen, why, reply, &mut state, (manager, &services)));
    }
    for early in &manager.early_mutations {
        early.mutate(&mut state.request, &state.info, &services);
    }
    state.route.choose_scope(&state.request);
    let mutated = request::mutate(
        &mut state.request,
        &mut state.info,
        &manager.request,
        &state.route.table.internal_only_headers,
        &peer,
        &services,
    );
    if let Err(reply) = mutated {
        seen.finish(manager, &state);
        state.find_route(asked.random);
        let (why, reply) = asked::refused(request::Refusal::NoAddress(reply));
        return Ok(answered(seen, why, reply, &mut state, (manager, &services)));
    }
    state.find_route(asked.random);
    if let Some(tracing) = &manager.tracing {
        tracing.decide(manager.request.request_ids, &mut state, &services);
    }
    seen.finish(manager, &state);
    let routing = Routing::tell(manager, &state, asked.random, listing);
    let outcome = outcome(manager, clusters, &mut state, &services);
    Ok(Explanation {
        seen,
        routing: Some(routing),
        outcome,
    })
}

fn answered(
    seen: Seen,
    why: &'static str,
    reply: LocalReply,
    state: &mut StreamState,
    by: (&ConnectionManagerConfig, &Chosen),
) -> Explanation {
    Explanation {
        seen,
        routing: None,
        outcome: Answer::tell(why, reply, false, state, by),
    }
}

fn stream(routes: &Arc<RouteTable>, asked: &Asked<'_>) -> StreamState {
    let connection = ConnectionInfo {
        direct_remote_address: Some(asked.remote.clone()),
        remote_address: Some(asked.remote.clone()),
        direct_local_address: Some(asked.local.clone()),
        local_address: Some(asked.local.clone()),
        ..ConnectionInfo::default()
    };
    let table = RouteSnapshot::for_look_ups(Arc::clone(routes));
    let (wall, now) = (SystemClock.wall(), SystemClock.now());
    let mut state = StreamState::new(Rc::new(connection), wall, now, table);
    state.info.protocol = Some(Protocol::Http11);
    state
}

/// The end of the filter chain, as the router does it.
fn outcome(
    manager: &ConnectionManagerConfig,
    clusters: &ClusterManager,
    state: &mut StreamState,
    services: &Chosen,
) -> Outcome {
    let by = (manager, services);
    let table = Rc::clone(&state.route.table);
    let verdict =
        upgrades::asked(&state.request).map(|kind| manager.judge_upgrade(kind, &state.route));
    let own_chain = match verdict {
        Some(Verdict::Allowed(place)) => manager.upgrade_chain(place),
        _ => None,
    };
    let terminal = own_chain.map_or(&manager.terminal, |chain| &chain.terminal);
    let Terminal::Router(config) = terminal else {
        let why = "the process answers itself";
        return Answer::tell(why, router::no_route(), false, state, by);
    };
    let Some(index) = state.route.index else {
        return Answer::tell("no route matches", router::no_route(), false, state, by);
    };
    if verdict == Some(Verdict::Forbidden) {
        let why = match is_connect(&state.request) {
            true => "neither route nor connection manager allows CONNECT (`upgrade_configs`)",
            false => "neither route nor connection manager allows this upgrade (`upgrade_configs`)",
        };
        return Answer::tell(why, request::no_tunnel(), false, state, by);
    }
    let action = table.action(index);
    let why = match action {
        Action::Forward(forward) => {
            return match Forwarding::tell(forward, config, (manager, clusters), state, services) {
                Ok(forwarding) => Outcome::Forward(Box::new(forwarding)),
                Err((why, reply)) => Answer::tell(why, *reply, false, state, by),
            };
        }
        Action::Direct { .. } => "the route answers itself (`direct_response`)",
        Action::Redirect(_) => "the route redirects",
        Action::RedirectToHttps => "the virtual host requires TLS (`require_tls`)",
        Action::Filter => {
            "the route leaves the answer to HTTP filters (`filter_action`), and this comes if none answers"
        }
        Action::NonForwarding => {
            "the route leaves the answer to HTTP filters (`non_forwarding_action`), and this comes if none answers"
        }
    };
    if matches!(action, Action::Filter | Action::NonForwarding) {
        return Answer::tell(why, router::no_cluster(503), true, state, by);
    }
    match router::route_reply(action, state, config, services) {
        Some(reply) => Answer::tell(why, reply, true, state, by),
        None => Answer::tell(why, router::no_route(), false, state, by),
    }
}
