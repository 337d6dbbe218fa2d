//! The route table, compiled once from `RouteConfiguration`: domains by hash, paths and the rest as ready-made
//! matchers. A look-up allocates nothing and yields indices into the table, so that a stream can keep what it
//! matched without touching a count that other workers share.
//!
//! Follows Envoy's order: exact domains, then the longest suffix wildcard, then the longest prefix wildcard,
//! then `*`; inside a virtual host the first route that matches.

mod compile;
mod counted;
mod domain;
mod explain;
mod forward;
mod host_matcher;
mod internal_redirect;
mod matcher;
mod mirror;
mod path_index;
mod per_filter;
mod redirect;
mod resilience;
mod run;
mod scopes;
mod tracing;
mod upgrades;
mod weight;

pub use compile::RouteCompiler;
pub use domain::{DomainKind, DomainMatch};
pub use explain::{LookUp, Tried};
pub use forward::{ClusterChoice, Forward, HostRewritten, SourceOfCluster};
pub use internal_redirect::{RedirectPolicy, RedirectPredicate};
pub use mirror::Mirror;
pub use per_filter::{PerFilter, PerFilterConfigs};
pub use redirect::{Redirect, https_location, own_location};
pub use resilience::{Resilience, StreamLimits, StreamTimes};

pub use upgrades::RouteUpgrades;

pub(crate) use counted::{Counted, RequestStats};
pub(crate) use domain::without_port;
pub(crate) use matcher::{is_connect, is_connect_udp, is_grpc};
pub(crate) use scopes::{RouteScope, Scopes, key as scope_key};

use std::sync::Arc;

use counted::VirtualCluster;
use domain::DomainTable;
use matcher::RouteMatcher;
use nuncio_contract::cors::CorsPolicy;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::on_demand::ClusterSource;
use nuncio_contract::rate_limit::RateLimitPolicy;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::{Metadata, StreamInfo};
use run::Order;

use crate::body_format::BodyFormat;
use crate::config::route::TlsRequirement;
use crate::spans::RouteSpans;
pub(crate) use tracing::{Decorator, Sampling};

/// A compiled route table.
pub struct RouteTable {
    /// Its name in the config.
    pub name: Box<str>,
    domains: DomainTable,
    virtual_hosts: Box<[VirtualHost]>,
    level: Level,
    most_specific_header_mutations_wins: bool,
    ignore_port: bool,
    /// Where the host name is looked for instead of `:authority`.
    host_header: Option<HeaderName>,
    /// Where requests are counted apart.
    counted: Box<[Box<str>]>,
    /// What any of its levels adds to a request's way.
    pub(crate) adds: Additions,
    /// Headers that only internal clients may set.
    pub internal_only_headers: Box<[HeaderName]>,
    /// The tables of which a request has one, in place of this one.
    pub(crate) scopes: Option<Box<Scopes>>,
    /// Whom to ask for what is not here.
    pub(crate) more: Option<More>,
}

/// Whom to ask where a request has no route.
pub(crate) enum More {
    /// For the virtual host of the request.
    Hosts(Arc<ClusterSource>),
    /// For the routes of the scope of this name, which have not come.
    OfScope(Arc<ClusterSource>, Box<str>),
}

/// The routes of some domains.
pub struct VirtualHost {
    /// Its name in the config.
    pub name: Box<str>,
    routes: Box<[Route]>,
    order: Order,
    require_tls: TlsRequirement,
    level: Level,
    /// With the one for all others at the end, where there are any.
    virtual_clusters: Box<[VirtualCluster]>,
    /// The policy in the deprecated `cors` field.
    pub(crate) cors: Option<Box<CorsPolicy>>,
    /// What filters limit requests by; none if nothing is said of it.
    pub(crate) rate_limits: Option<Box<RateLimitPolicy>>,
    /// For the access log.
    pub(crate) metadata: Option<Arc<Metadata>>,
    /// `include_request_attempt_count`.
    pub include_request_attempt_count: bool,
    /// `include_attempt_count_in_response`.
    pub include_attempt_count_in_response: bool,
    /// `include_is_timeout_retry_header`.
    pub include_is_timeout_retry_header: bool,
}

/// A route.
pub struct Route {
    /// Its name in the config, where it has one.
    pub name: Option<Arc<str>>,
    matcher: RouteMatcher,
    /// What is done with a matching request.
    pub action: Action,
    level: Level,
    /// For the access log.
    pub(crate) metadata: Option<Arc<Metadata>>,
    /// What its requests are counted under apart.
    stat_prefix: Box<str>,
    /// Where its requests are counted apart.
    counted: Option<usize>,
    /// Which of its requests are traced, where it has its own word on that.
    pub(crate) sampling: Option<Box<Sampling>>,
    /// What its requests do.
    pub(crate) decorator: Option<Box<Decorator>>,
    /// What their spans are to say.
    pub(crate) spans: Option<Box<RouteSpans>>,
}

/// What a level (route configuration, virtual host, route, weighted cluster) adds to a request's way.
#[derive(Default)]
pub struct Level {
    /// Mutations of the request's headers.
    pub request: HeaderMutations,
    /// The host that the request then gets; of weighted clusters alone.
    pub host: Option<Box<[u8]>>,
    /// Mutations of the response's headers.
    pub response: HeaderMutations,
    /// The filters' own configurations.
    pub filters: PerFilterConfigs,
}

/// Which parts the levels of a table fill, so that most streams need not visit them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Additions {
    pub(crate) request_mutations: bool,
    pub(crate) response_mutations: bool,
    pub(crate) filters: bool,
}

impl Additions {
    fn of<'a>(levels: impl Iterator<Item = &'a Level>) -> Self {
        levels.fold(Self::default(), |adds, level| Self {
            request_mutations: adds.request_mutations
                || !level.request.is_empty()
                || level.host.is_some(),
            response_mutations: adds.response_mutations || !level.response.is_empty(),
            filters: adds.filters || !level.filters.is_empty(),
        })
    }
}

/// What is done with a matching request.
pub enum Action {
    /// Sent to a cluster.
    Forward(Box<Forward>),
    /// Answered with another location.
    Redirect(Box<Redirect>),
    /// Answered from the config.
    Direct {
        /// HTTP status.
        status: u16,
        /// Body, which may be empty.
        body: Box<[u8]>,
        /// What words the body.
        format: Option<Box<BodyFormat>>,
    },
    /// Left to filters; 404 if none answers.
    NonForwarding,
    /// `filter_action`: left to filters; 503, as for a cluster that is unknown, if none answers.
    Filter,
    /// `require_tls`: the same location over https.
    RedirectToHttps,
}

/// A route that was found: indices into its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteIndex {
    virtual_host: u32,
    route: RoutePlace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RoutePlace {
    Entry(u32),
    HttpsRedirect,
}

static REDIRECT_TO_HTTPS: Action = Action::RedirectToHttps;

impl RouteTable {
    /// A table in which nothing matches.
    pub fn empty() -> Self {
        RouteTable {
            name: Box::default(),
            domains: DomainTable::default(),
            virtual_hosts: Box::default(),
            level: Level::default(),
            most_specific_header_mutations_wins: false,
            ignore_port: false,
            host_header: None,
            counted: Box::default(),
            adds: Additions::default(),
            internal_only_headers: Box::default(),
            scopes: None,
            more: None,
        }
    }

    /// A table in which nothing matches, as nobody has asked for its routes or they have not come.
    pub(crate) fn awaited(more: More) -> Self {
        RouteTable {
            more: Some(more),
            ..RouteTable::empty()
        }
    }

    /// A table in which nothing matches, but in those of its scopes.
    pub(crate) fn scoped(scopes: Scopes) -> Self {
        RouteTable {
            scopes: Some(Box::new(scopes)),
            ..RouteTable::empty()
        }
    }

    /// The route of a request, or none, as for one whose scheme is not known: it was refused before, or its
    /// client sent an empty `x-forwarded-proto`. `random` decides fractions.
    pub fn find(&self, request: &HeaderMap, info: &StreamInfo, random: u64) -> Option<RouteIndex> {
        let (index, host) = self.host_of(request)?;
        if request
            .get(Known::XForwardedProto)
            .is_none_or(<[u8]>::is_empty)
        {
            return None;
        }
        if host.wants_https(request) {
            return Some(RouteIndex {
                virtual_host: index,
                route: RoutePlace::HttpsRedirect,
            });
        }
        let place = host.order.first(&host.routes, request, info, random)?;
        let route = RoutePlace::Entry(u32::try_from(place).ok()?);
        Some(RouteIndex {
            virtual_host: index,
            route,
        })
    }

    /// The virtual host of a request, whether one of its routes matches or not.
    pub(crate) fn host_of(&self, request: &HeaderMap) -> Option<(u32, &VirtualHost)> {
        let index = match self.host_name(request) {
            Some(authority) => self.domains.find(authority, self.ignore_port)?,
            None => self.domains.only_default()?,
        };
        Some((index, self.virtual_hosts.get(usize::try_from(index).ok()?)?))
    }

    /// Whom to ask for the route of a request, and the name that it is asked for by.
    pub(crate) fn more_routes(
        &self,
        request: &HeaderMap,
    ) -> Option<(Arc<ClusterSource>, Box<str>)> {
        let whom = match self.more.as_ref()? {
            More::Hosts(whom) => whom,
            More::OfScope(whom, scope) => return Some((Arc::clone(whom), scope.clone())),
        };
        let host = std::str::from_utf8(request.get(Known::Authority)?).ok()?;
        let name = format!("{}/{}", self.name, host.to_ascii_lowercase());
        Some((Arc::clone(whom), name.into()))
    }

    /// What virtual hosts are told apart by.
    #[inline]
    fn host_name<'a>(&self, request: &'a HeaderMap) -> Option<&'a [u8]> {
        match &self.host_header {
            None => request.get(Known::Authority),
            Some(name) => request.get(name),
        }
    }

    /// The virtual host of a found route.
    pub fn virtual_host(&self, index: RouteIndex) -> Option<&VirtualHost> {
        self.virtual_hosts
            .get(usize::try_from(index.virtual_host).ok()?)
    }

    /// The entry of a found route; none for the redirect of `require_tls`.
    pub fn route(&self, index: RouteIndex) -> Option<&Route> {
        match index.route {
            RoutePlace::Entry(place) => self
                .virtual_host(index)?
                .routes
                .get(usize::try_from(place).ok()?),
            RoutePlace::HttpsRedirect => None,
        }
    }

    /// The action of a found route.
    pub fn action(&self, index: RouteIndex) -> &Action {
        self.route(index)
            .map_or(&REDIRECT_TO_HTTPS, |route| &route.action)
    }

    /// The levels on the way to `choice`, most specific first. The redirect of `require_tls` has none.
    pub fn levels<'a>(
        &'a self,
        index: RouteIndex,
        choice: Option<&'a Level>,
    ) -> impl DoubleEndedIterator<Item = &'a Level> + Clone {
        let levels = self.route(index).map(|route| {
            let host = self.virtual_host(index).map(|host| &host.level);
            [choice, Some(&route.level), host, Some(&self.level)]
        });
        levels.into_iter().flatten().flatten()
    }

    fn all_levels(&self) -> impl Iterator<Item = &Level> {
        let hosts = self.virtual_hosts.iter();
        let routes = hosts.clone().flat_map(|host| &host.routes);
        let weighted = routes.clone().flat_map(|route| match &route.action {
            Action::Forward(forward) => forward.weighted_levels(),
            _ => Box::default(),
        });
        [&self.level]
            .into_iter()
            .chain(hosts.map(|host| &host.level))
            .chain(routes.map(|route| &route.level))
            .chain(weighted)
    }

    /// Lists the counters that filters have of their own at some level; they stay as long as the scopes.
    pub(crate) fn register_filters(&self, root: &Scope) -> Box<[Scope]> {
        let configs = self.all_levels().flat_map(|level| level.filters.configs());
        configs.filter_map(|config| config.register(root)).collect()
    }

    /// Whether the levels' header mutations run from the least to the most specific one.
    pub fn most_specific_wins(&self) -> bool {
        self.most_specific_header_mutations_wins
    }
}

impl Route {
    /// How much of `path` the route's path matcher took.
    pub fn matched_len(&self, path: &[u8]) -> usize {
        self.matcher.matched_len(path)
    }
}

impl VirtualHost {
    fn wants_https(&self, request: &HeaderMap) -> bool {
        let over_https = || request.get(Known::XForwardedProto) == Some(b"https".as_slice());
        match self.require_tls {
            TlsRequirement::None => false,
            TlsRequirement::All => !over_https(),
            TlsRequirement::ExternalOnly => {
                !over_https() && request.get(Known::XEnvoyInternal) != Some(b"true".as_slice())
            }
        }
    }
}

/// `path` up to its query or fragment.
pub(crate) fn without_query(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .position(|byte| matches!(byte, b'?' | b'#'))
        .unwrap_or(path.len());
    path.get(..end).unwrap_or(path)
}
