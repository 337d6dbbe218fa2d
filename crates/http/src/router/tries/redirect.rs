//! Redirects of hosts that are followed here: the request, its head changed as the redirect says, begins anew.
//!
//! As in Envoy only a request that was read and kept to its end is redirected, and what is not followed goes to the
//! client. How often it was and where to stays with the request, as filter state of Envoy's name.

use std::any::Any;
use std::rc::Rc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices as _;
use nuncio_contract::stats::groups::RouterStats;
use nuncio_contract::stream_info::FilterStateObject;
use nuncio_contract::url::Url;
use nuncio_upstream::WorkerHost;

use super::Tries;
use super::one_try::LiveTry;
use crate::downstream::Downstream;
use crate::exchange::Stop;
use crate::route::{RedirectPolicy, RedirectPredicate};
use crate::stream::StreamState;
use crate::worker::Worker;

const STATE: &str = "num_internal_redirects";
const SEE_OTHER: u16 = 303;

/// What is known of the redirects of a request.
#[derive(Default)]
struct Followed {
    count: u32,
    /// Routes, and those that they were asked to redirect to.
    seen: Vec<[Box<str>; 2]>,
}

impl FilterStateObject for Followed {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        Some(self.count.to_string())
    }

    fn serialize_as_json(&self) -> Option<String> {
        self.serialize_as_string()
    }
}

/// A redirect that is asked for.
struct Redirect<'a> {
    policy: &'a RedirectPolicy,
    response: &'a HeaderMap,
    status: u16,
    stats: &'a RouterStats,
}

/// Where it leads to.
struct Target<'a> {
    scheme: Vec<u8>,
    authority: &'a [u8],
    path: Vec<u8>,
}

impl<D: Downstream> Tries<'_, '_, '_, D> {
    /// Follows the response if it is a redirect that is to be followed, and can be.
    pub(super) fn redirected(
        &mut self,
        live: &mut LiveTry<'_>,
        host: &Rc<WorkerHost>,
        status: u16,
    ) -> Option<Stop> {
        let policy = self.forward.resilience.as_ref()?.redirects.as_deref()?;
        if !policy.statuses.contains(&u32::from(status)) {
            return None;
        }
        let followed = self.follow(policy, live, status);
        self.router.with_account(|account| {
            let traffic = account.traffic();
            match followed {
                Some(_) => traffic.upstream_internal_redirect_succeeded_total.inc(),
                None => traffic.upstream_internal_redirect_failed_total.inc(),
            }
        });
        let data = followed?;
        if self.begun > 1 {
            self.router.note_host(host);
            self.router.note_last_attempted(host);
            self.router.note_connection(live.up.borrow().stream());
        }
        live.up.borrow_mut().stream_mut().give_up();
        self.router.note_bytes(&live.up);
        let mut state = self.exchange().state.borrow_mut();
        std::mem::swap(&mut state.response, &mut live.response);
        state.info.set_response(status, "internal_redirect");
        Some(Stop::Anew(data))
    }

    /// Changes the head of the request; its body, if the redirect can be followed.
    fn follow(
        &mut self,
        policy: &RedirectPolicy,
        live: &LiveTry<'_>,
        status: u16,
    ) -> Option<Buffer> {
        let exchange = self.exchange();
        let is_whole = {
            let body = exchange.body.borrow();
            body.done && (body.is_absent || self.body.is_keeping())
        };
        if !is_whole {
            return None;
        }
        let redirect = Redirect {
            policy,
            response: &live.response,
            status,
            stats: &exchange.manager.stats.router,
        };
        let location = live.response.get(Known::Location)?;
        let worker = &*exchange.manager.worker;
        let becomes_get = redirect.apply(location, &mut exchange.state.borrow_mut(), worker)?;
        let data = self.body.take_all();
        Some(if becomes_get { Buffer::new() } else { data })
    }
}

impl Redirect<'_> {
    /// Changes the head; whether the request becomes a GET. None, and the head as it was, if it may not be followed;
    /// which route the log tells is another then all the same ([`Self::accepts_route`]).
    fn apply(&self, location: &[u8], state: &mut StreamState, worker: &Worker) -> Option<bool> {
        let old_path = state.request.get(Known::Path)?.to_vec();
        let Some(target) = Target::parse(location) else {
            self.stats.passthrough_internal_redirect_bad_location.inc();
            return None;
        };
        let is_plain = state.info.connection.tls.is_none();
        let from_http = is_plain || state.request.get(Known::Scheme) == Some(b"http");
        let to_http = target.scheme == b"http";
        if !self.policy.crosses_schemes && from_http != to_http {
            self.stats.passthrough_internal_redirect_unsafe_scheme.inc();
            return None;
        }
        if followed(state).count >= self.policy.most {
            let stats = self.stats;
            stats.passthrough_internal_redirect_too_many_redirects.inc();
            return None;
        }
        let before = state.request.clone();
        self.copy_headers(&mut state.request);
        state.request.set(Known::Scheme, &target.scheme);
        state.request.set(Known::Authority, target.authority);
        state.request.set(Known::Path, &target.path);
        if !self.accepts_route(state, worker, [from_http, to_http]) {
            state.request = before;
            return None;
        }
        let becomes_get = self.becomes_get(&state.request);
        if becomes_get {
            state.request.set(Known::Method, b"GET");
            state.request.remove(Known::ContentLength);
        }
        followed(state).count += 1;
        let scheme: &[u8] = if from_http { b"http" } else { b"https" };
        let host = before.get(Known::Authority).unwrap_or_default();
        let url = [scheme, b"://", host, &old_path].concat();
        state.request.set(Known::XEnvoyOriginalUrl, &url);
        Some(becomes_get)
    }

    fn becomes_get(&self, request: &HeaderMap) -> bool {
        let method = request.get(Known::Method).unwrap_or_default();
        self.status == SEE_OTHER && method != b"GET" && method != b"HEAD"
    }

    fn copy_headers(&self, request: &mut HeaderMap) {
        for name in &self.policy.copied_headers {
            request.remove(name);
            let values = self.response.get_all_named(name);
            values.for_each(|value| request.append(name, value));
        }
    }

    /// Whether there is a route for the changed head, to which the predicates let it go. As in Envoy the log tells this
    /// route from now on, whether they do or not.
    fn accepts_route(
        &self,
        state: &mut StreamState,
        worker: &Worker,
        [from_http, to_http]: [bool; 2],
    ) -> bool {
        let mut route = state.route.clone();
        route.find(&state.request, &state.info, worker.random_u64());
        let found = route.index.and_then(|index| route.table.route(index));
        let name = found.and_then(|route| route.name.clone());
        let from = std::mem::replace(&mut state.info.route_name, name.clone());
        state.info.route_metadata = found.and_then(|route| route.metadata.clone());
        let cluster = worker.cluster_of(&route);
        state.info.upstream_cluster = cluster.map(|cluster| cluster.description());
        if route.index.is_none() {
            self.stats.passthrough_internal_redirect_no_route.inc();
            return false;
        }
        let (from, name) = (
            from.as_deref().unwrap_or_default(),
            name.as_deref().unwrap_or_default(),
        );
        let mut predicates = self.policy.predicates.iter();
        let is_accepted = predicates.all(|predicate| match predicate {
            RedirectPredicate::AllowListedRoutes(names) => names.iter().any(|it| **it == *name),
            RedirectPredicate::SafeCrossScheme => !from_http || to_http,
            RedirectPredicate::FilterState { key, if_absent } => {
                // As in Envoy, an object of another kind says no.
                let object = state.info.object(key);
                object.map_or(*if_absent, |object| object.flag() == Some(true))
            }
            RedirectPredicate::PreviousRoutes => followed(state).is_first(from, name),
        });
        if !is_accepted {
            self.stats.passthrough_internal_redirect_predicate.inc();
        }
        is_accepted
    }
}

impl Followed {
    /// Whether `from` asks for `to` for the first time.
    fn is_first(&mut self, from: &str, to: &str) -> bool {
        let mut seen = self.seen.iter();
        if seen.any(|[route, target]| **route == *from && **target == *to) {
            return false;
        }
        self.seen.push([from.into(), to.into()]);
        true
    }
}

fn followed(state: &mut StreamState) -> &mut Followed {
    let objects = state.info.filter_state_mut();
    if objects.get_as::<Followed>(STATE).is_none() {
        objects.set(STATE, Box::new(Followed::default()));
    }
    objects
        .get_mut_as(STATE)
        .expect("it was set if it was not there")
}

impl<'a> Target<'a> {
    /// Reads a location; none if it is no absolute URL.
    fn parse(location: &'a [u8]) -> Option<Self> {
        let url = Url::parse(location)?;
        let scheme_end = location.iter().position(|byte| *byte == b':')?;
        let (scheme, rest) = location.split_at_checked(scheme_end)?;
        let rest = rest.strip_prefix(b"://")?;
        let is_path = |byte: &u8| matches!(byte, b'/' | b'?');
        let path = rest.iter().position(is_path).and_then(|at| rest.get(at..));
        let mut path = path.unwrap_or_default().split(|byte| *byte == b'#');
        let path = path.next().unwrap_or_default();
        let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
        Some(Target {
            scheme: scheme.to_ascii_lowercase(),
            authority: url.host_and_port,
            path: [slash, path].concat(),
        })
    }
}
