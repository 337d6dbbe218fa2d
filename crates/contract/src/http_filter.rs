//! The interface of HTTP filters, the engine's side and the rooms' side.
//!
//! A filter is made in three steps, each once for what it serves: the room parses the message into an
//! [`HttpFilterConfig`] (once at load, shared by all workers), which makes an [`HttpFilterFactory`] for each
//! worker (where its stats cells live), which makes an [`HttpFilter`] for each stream.
//!
//! Calls are synchronous and say what comes next: go on, stop and wait for more of the body, answer, or wait
//! for a future. While a filter waits, the engine reads nothing more from the peer than one buffer, so that
//! back-pressure reaches the socket. Bodies that no filter asked for ([`Interest`]) go straight through.
//! After `on_destroy` no call comes any more; a future that is still pending is dropped.
//!
//! A filter that spreads a body over time takes its chunks ([`DataStatus::Later`]) and is asked for them whenever the
//! stream is polled. One that asks others about a stream step by step holds the head in the same way
//! ([`HeadersStatus::Later`]), while the body already comes to it.
//!
//! Follows Envoy's `StreamDecoderFilter` and `StreamEncoderFilter`; the differences: no call-backs into the
//! engine from outside a call (a late answer is a future's output), and one buffer a direction.

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::buffer::Buffer;
use crate::cors::CorsPolicy;
use crate::formatter::FormatContext;
use crate::head_limits::MaxHead;
use crate::headers::HeaderMap;
use crate::level_config::LevelConfig;
use crate::local_reply::LocalReply;
use crate::on_demand::ClusterSource;
use crate::rate_limit::RouteRateLimits;
use crate::services::{LocalFuture, WorkerServices};
use crate::stats::Scope;
use crate::stream_info::StreamInfo;

/// The parsed configuration of a filter in a chain: immutable, shared by the workers.
pub trait HttpFilterConfig: Send + Sync {
    /// Makes the worker's factory; counters are taken from `context.scope`.
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory>;
}

/// What a factory may take from its worker.
pub struct FilterWorkerContext<'a> {
    /// The connection manager's scope, `http.<stat_prefix>.`.
    pub scope: &'a Scope,
    /// The scope of all stats.
    pub root: &'a Scope,
    /// The filter's name in the chain.
    pub name: &'a str,
    /// `node.cluster`.
    pub service_cluster: &'a str,
    /// Whether the chain is between the router and a host.
    pub is_upstream: bool,
    /// How much a request's head may have.
    pub max_request_head: MaxHead,
}

/// Makes a filter for each stream of one worker.
pub trait HttpFilterFactory {
    /// Which events the filter wants; asked once a worker.
    fn interest(&self) -> Interest;
    /// A filter for one stream.
    fn create(&self) -> Box<dyn HttpFilter>;
}

/// The events that a filter wants to see. Headers are cheap; a wanted body is handed over chunk by chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// `decode_headers`.
    pub request_headers: bool,
    /// `decode_data` and `decode_trailers`.
    pub request_body: bool,
    /// `encode_headers`.
    pub response_headers: bool,
    /// `encode_data` and `encode_trailers`.
    pub response_body: bool,
    /// `begin`.
    pub begin: bool,
    /// `on_log`.
    pub log: bool,
}

/// What a filter sees of its stream during a call.
pub struct FilterContext<'a> {
    /// The request's headers, pseudo-headers included.
    pub request_headers: &'a mut HeaderMap,
    /// What is known of the stream.
    pub stream_info: &'a mut StreamInfo,
    /// The filter's own configuration on the route, virtual host and so on.
    pub route: PerRoute<'a>,
    /// What is held back of the body so far in the direction of the call.
    pub held_body: &'a [u8],
    /// The largest body that may be held back in this direction; a filter may change it.
    pub buffer_limit_bytes: &'a mut u64,
    /// Set where the filter has changed what the route depends on: it is looked for again after the call.
    pub route_is_stale: &'a Cell<bool>,
    /// The response's head, in calls with its body and trailers; it may be changed as long as the filter holds it.
    pub response: Option<&'a mut HeaderMap>,
    /// Time and chance.
    pub services: &'a dyn WorkerServices,
}

/// Where a stream is going, for filters that ask.
pub trait Destination {
    /// The name of the cluster that the route forwards to; none where it does not forward.
    fn cluster_name(&self) -> Option<&[u8]>;

    /// Whether there is a route, whatever it does.
    fn has_route(&self) -> bool {
        false
    }

    /// Whom to ask for more routes where there is none for the request, and by which name; none where nobody has more.
    fn more_routes(&self, _request: &HeaderMap) -> Option<(Arc<ClusterSource>, Box<str>)> {
        None
    }

    /// The policies in the `cors` fields of the route and of its virtual host; none where it does not forward.
    fn cors_policies(&self) -> [Option<&CorsPolicy>; 2] {
        [None; 2]
    }

    /// The `rate_limits` of the route and of its virtual host; none where it does not forward.
    fn rate_limits(&self) -> RouteRateLimits<'_> {
        RouteRateLimits::default()
    }
}

/// Nowhere yet.
struct Nowhere;

impl Destination for Nowhere {
    fn cluster_name(&self) -> Option<&[u8]> {
        None
    }
}

fn downcast<T: 'static>(config: &dyn LevelConfig) -> Option<&T> {
    let any: &dyn Any = config;
    any.downcast_ref()
}

/// What the route has for a filter: its configurations on the way to the route, from the least specific (route
/// configuration) to the most specific (weighted cluster), and where the stream is going.
#[derive(Clone, Copy)]
pub struct PerRoute<'a> {
    levels: &'a [Option<&'a Arc<dyn LevelConfig>>],
    destination: &'a dyn Destination,
}

impl<'a> PerRoute<'a> {
    /// No configuration at any level, and no route.
    pub const NONE: PerRoute<'static> = PerRoute {
        levels: &[],
        destination: &Nowhere,
    };

    /// The levels from the least to the most specific one.
    pub fn new(
        levels: &'a [Option<&'a Arc<dyn LevelConfig>>],
        destination: &'a dyn Destination,
    ) -> Self {
        PerRoute {
            levels,
            destination,
        }
    }

    /// The name of the cluster that the route forwards to; none where it does not forward.
    pub fn cluster_name(&self) -> Option<&'a [u8]> {
        self.destination.cluster_name()
    }

    /// Whether there is a route, whatever it does.
    pub fn has_route(&self) -> bool {
        self.destination.has_route()
    }

    /// Whom to ask for more routes where there is none for the request, and by which name.
    pub fn more_routes(&self, request: &HeaderMap) -> Option<(Arc<ClusterSource>, Box<str>)> {
        self.destination.more_routes(request)
    }

    /// The policies in the `cors` fields of the route and of its virtual host.
    pub fn cors_policies(&self) -> [Option<&'a CorsPolicy>; 2] {
        self.destination.cors_policies()
    }

    /// The `rate_limits` of the route and of its virtual host.
    pub fn rate_limits(&self) -> RouteRateLimits<'a> {
        self.destination.rate_limits()
    }

    /// The most specific configuration.
    pub fn most_specific<T: 'static>(&self) -> Option<&'a T> {
        self.levels
            .iter()
            .rev()
            .flatten()
            .find_map(|config| downcast(&***config))
    }

    /// Every level's configuration, least specific first.
    pub fn all<T: 'static>(&self) -> impl DoubleEndedIterator<Item = &'a T> + use<'a, T> {
        self.levels
            .iter()
            .flatten()
            .filter_map(|config| downcast(&***config))
    }
}

/// What comes after `decode_headers` or `encode_headers`.
pub enum HeadersStatus {
    /// The next filter's turn.
    Continue,
    /// Hold the headers here; the filter lets go from a later `*_data` or `*_trailers` call.
    Stop,
    /// Hold the headers here until `poll_decode_late` or `poll_encode_late` says [`Then::Head`]. The filter takes all
    /// chunks that come before that ([`DataStatus::Later`]).
    Later,
    /// Hold the stream here until the future is done.
    Wait(LocalFuture<Resume>),
    /// Hold the stream here until the future is done, then make this call again.
    Again(LocalFuture<()>),
    /// Answer; filters behind this one see nothing.
    Reply(Box<LocalReply>),
    /// The next filter's turn, with a body behind a head that was all there was; no other head may have one.
    AddBody(Box<AddedBody>),
}

/// A body that a filter adds to a head that was all there was.
pub struct AddedBody {
    /// The bytes.
    pub data: Buffer,
    /// The trailers behind them.
    pub trailers: Option<Box<HeaderMap>>,
}

/// What comes after `decode_data` or `encode_data`.
pub enum DataStatus {
    /// Pass on what is held back and this chunk, headers first where they are held too.
    Continue,
    /// The same of the last chunk, and these trailers behind it, which there were not.
    AddTrailers(Box<HeaderMap>),
    /// Hold the chunk back with the rest, up to the buffer limit (413 for requests, 500 for responses).
    StopAndBuffer,
    /// Hold the stream here until the future is done; the chunk is held back.
    Wait(LocalFuture<Resume>),
    /// Hold the stream here until the future is done, then make this call again, with the chunk as it was left.
    Again(LocalFuture<()>),
    /// The filter has taken the chunk, and gives it back by `poll_decode_late` or `poll_encode_late` when it likes.
    /// Meanwhile more of the body comes, as much as may be held back.
    Later,
    /// Answer.
    Reply(Box<LocalReply>),
}

/// What comes after `decode_trailers` or `encode_trailers`.
pub enum TrailersStatus {
    /// Pass on all that is held back, then the trailers.
    Continue,
    /// Pass on all that is held back, then these bytes, then the trailers.
    Append(Buffer),
    /// Hold everything until the future is done.
    Wait(LocalFuture<Resume>),
    /// Hold everything until the future is done, then make this call again.
    Again(LocalFuture<()>),
    /// Call again once the filter has given back all that it took, which may be nothing ([`Then::Nothing`]).
    Later,
    /// Answer.
    Reply(Box<LocalReply>),
}

/// What a filter gives back of a body that it took.
pub struct Late {
    /// The bytes.
    pub data: Buffer,
    /// How many of the bytes that it took they stand for.
    pub taken_bytes: usize,
    /// What is behind them.
    pub then: Then,
}

/// What is behind bytes that come late.
pub enum Then {
    /// The filter has more.
    More,
    /// The head that it held goes on, before any bytes; the filter has more.
    Head {
        /// Whether the head is all there is. Where the peer has more, the filter keeps it.
        end_stream: bool,
    },
    /// An answer in the place of all of it.
    Reply(Box<LocalReply>),
    /// The filter has nothing more; the body goes on, or its trailers follow.
    Nothing,
    /// The end of the body.
    End,
    /// The end of the body, with these trailers behind it, which there were not.
    Trailers(Box<HeaderMap>),
}

/// The outcome of a wait.
pub enum Resume {
    /// Go on behind the filter that waited.
    Continue,
    /// Change the stream by what was waited for, and go on or answer.
    Then(Box<Applied>),
    /// Answer.
    Reply(Box<LocalReply>),
    /// Look the route up in the table of now, and make the call again.
    Reroute,
}

/// What a wait changes of its stream; called once, as the filter's calls are. Its answer, if it comes to one.
pub struct Applied(pub Box<Apply>);

type Apply = dyn FnOnce(&mut FilterContext<'_>) -> Option<Box<LocalReply>>;

/// A filter of one stream.
pub trait HttpFilter {
    /// The stream begins; its filters begin in the order of the chain, before anything comes to any of them.
    fn begin(&mut self, _info: &mut StreamInfo) {}
    /// The request's head has come. `end_stream`: no body follows.
    fn decode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        HeadersStatus::Continue
    }
    /// A chunk of the request's body, which the filter may change.
    fn decode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        _data: &mut Buffer,
        _end_stream: bool,
    ) -> DataStatus {
        DataStatus::Continue
    }
    /// The request's trailers; the body has ended.
    fn decode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        TrailersStatus::Continue
    }
    /// What there is to give back of the request's body; called whenever the stream is polled while there is some.
    fn poll_decode_late(
        &mut self,
        _context: &mut FilterContext<'_>,
        _cx: &mut Context<'_>,
    ) -> Poll<Late> {
        Poll::Pending
    }
    /// The response's head is on its way down.
    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        HeadersStatus::Continue
    }
    /// The head of the response that this filter held goes on now; the last chance to change it.
    fn release_response(&mut self, _response: &mut HeaderMap) {}
    /// A chunk of the response's body, which the filter may change.
    fn encode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        _data: &mut Buffer,
        _end_stream: bool,
    ) -> DataStatus {
        DataStatus::Continue
    }
    /// The response's trailers.
    fn encode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        TrailersStatus::Continue
    }
    /// What there is to give back of the response's body; called whenever the stream is polled while there is some. The
    /// head may be changed as long as the filter holds it.
    fn poll_encode_late(
        &mut self,
        _context: &mut FilterContext<'_>,
        _response: &mut HeaderMap,
        _cx: &mut Context<'_>,
    ) -> Poll<Late> {
        Poll::Pending
    }
    /// The stream is over and was logged; only `on_destroy` comes after this.
    fn on_log(&mut self, _context: &FormatContext<'_>) {}
    /// The stream is over, however it ended; nothing is called after this.
    fn on_destroy(&mut self) {}
}
