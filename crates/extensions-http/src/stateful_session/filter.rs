//! What the stateful session filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, PerRoute,
};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::{Address, ResponseFlags, WantedHost};

use super::config::{ChainConfig, OfRoute, Session, State};
use super::{cookie, envelope};
use nuncio_config::base64;
use nuncio_contract::cookies;

stat_group! {
    /// Where requests went, at `http.<stat_prefix>.stateful_session.<stat_prefix>.`, where the chain has a prefix.
    pub struct StatefulSessionStats("") {
        counters {
            routed,
            failed_open,
            failed_closed,
            no_session,
        }
    }
}

struct Worker {
    chain: Arc<Session>,
    stats: Option<Arc<StatefulSessionStats>>,
}

struct Factory(Rc<Worker>);

struct Stream {
    worker: Rc<Worker>,
    found: Found,
}

/// What is known of the stream's session.
enum Found {
    /// The filter has no part in the stream.
    Nothing,
    /// There is none to be kept.
    NoSession,
    /// The host that the client asks for, if any.
    Host(Option<Vec<u8>>),
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let prefix = &self.0.stat_prefix;
        let scope = (!prefix.is_empty())
            .then(|| context.scope.scope(&format!("stateful_session.{prefix}")))
            .flatten();
        let stats = scope.map(|scope| {
            scope.register::<StatefulSessionStats>();
            scope.worker_group()
        });
        Box::new(Factory(Rc::new(Worker {
            chain: Arc::clone(&self.0),
            stats,
        })))
    }
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
        Box::new(Stream {
            worker: Rc::clone(&self.0),
            found: Found::Nothing,
        })
    }
}

impl Worker {
    /// The session in force, and whether it is the chain's; none where the route has none.
    fn session<'a>(&'a self, route: &PerRoute<'a>) -> Option<(&'a Session, bool)> {
        match route.most_specific::<OfRoute>() {
            None => Some((&self.chain, true)),
            Some(OfRoute::Session(session)) => Some((session, false)),
            Some(OfRoute::Disabled) => None,
        }
    }
}

impl HttpFilter for Stream {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let Some((session, _)) = self.worker.session(&context.route) else {
            return HeadersStatus::Continue;
        };
        self.found = match &session.state {
            Some(State::Envelope(name)) => {
                Found::Host(envelope::open(context.request_headers, name))
            }
            Some(state) => state.find(context.request_headers, context.services),
            None => Found::NoSession,
        };
        if let Found::Host(Some(address)) = &self.found {
            context.stream_info.upstream.wanted_host = Some(Box::new(WantedHost {
                address: String::from_utf8_lossy(address).into(),
                status_without_it: session.status_without_host,
            }));
        }
        HeadersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        let Some((session, is_chain)) = self.worker.session(&context.route) else {
            return HeadersStatus::Continue;
        };
        let stats = self.worker.stats.as_deref().filter(|_| is_chain);
        let upstream = &context.stream_info.upstream;
        let host = upstream.host().map(|host| text_of(&host.address));
        if let (Found::Host(_), Some(State::Envelope(name)), Some(host)) =
            (&self.found, &session.state, &host)
        {
            envelope::close(response, name, host);
        }
        let counted = match (&self.found, &session.state, host) {
            (Found::Nothing, ..) => None,
            (Found::NoSession, ..) | (_, None, _) => upstream
                .host()
                .and_then(|_| stats.map(|stats| &stats.no_session)),
            (Found::Host(asked), Some(_), Some(host))
                if asked.as_deref() == Some(host.as_bytes()) =>
            {
                stats.map(|stats| &stats.routed)
            }
            (Found::Host(_), Some(state), Some(host)) => {
                state.tell(&host, response, context.services);
                let is_open = session.status_without_host.is_none();
                stats.filter(|_| is_open).map(|stats| &stats.failed_open)
            }
            (Found::Host(_), Some(_), None) => {
                let flags = context.stream_info.response_flags;
                let is_closed = session.status_without_host.is_some()
                    && flags.contains(ResponseFlags::NO_HEALTHY_UPSTREAM);
                stats
                    .filter(|_| is_closed)
                    .map(|stats| &stats.failed_closed)
            }
        };
        if let Some(counter) = counted {
            counter.inc();
        }
        HeadersStatus::Continue
    }
}

impl State {
    fn find(&self, request: &HeaderMap, services: &dyn WorkerServices) -> Found {
        match self {
            State::Cookie(session) => {
                if !session.is_for(request.get(Known::Path).unwrap_or_default()) {
                    return Found::NoSession;
                }
                let value = cookies::find(request, &session.name);
                Found::Host(value.and_then(|value| cookie::address(value, now_s(services))))
            }
            State::Envelope(_) => Found::NoSession,
            State::Header(name) => Found::Host(
                request
                    .get_all_named(name)
                    .next()
                    .and_then(base64::decode_padded),
            ),
        }
    }

    /// Tells the client of its host.
    fn tell(&self, host: &str, response: &mut HeaderMap, services: &dyn WorkerServices) {
        match self {
            State::Cookie(session) => {
                let value = cookie::value(host, session.ttl_s, now_s(services));
                let mut header = session.name.to_vec();
                header.extend_from_slice(format!("=\"{value}\"{}", session.attributes).as_bytes());
                response.append(Known::SetCookie, &header);
            }
            // Whoever answers, it is told already.
            State::Envelope(_) => {}
            State::Header(name) => response.set(name, base64::encode(host.as_bytes()).as_bytes()),
        }
    }
}

fn now_s(services: &dyn WorkerServices) -> u64 {
    let since = services.wall().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// An address as Envoy writes it.
fn text_of(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Pipe(path) => path.to_string(),
        Address::Internal(internal) => {
            format!("envoy://{}/{}", internal.listener, internal.endpoint_id)
        }
    }
}
