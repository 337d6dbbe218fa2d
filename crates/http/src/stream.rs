//! One request and its response: the state that filters, router and connection manager share.

use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_contract::clock::WallAnchor;
use nuncio_contract::cors::CorsPolicy;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::http_filter::Destination;
use nuncio_contract::on_demand::ClusterSource;
use nuncio_contract::rate_limit::RouteRateLimits;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::{ConnectionInfo, StreamInfo};

use crate::filter_chain::FilterChain;
use crate::route::{
    Action, ClusterChoice, Counted, Level, PerFilterConfigs, RequestStats, RouteIndex, RouteTable,
};
use crate::spans::ActiveSpan;

/// What is known and held of a stream.
pub struct StreamState {
    /// The request's headers.
    pub request: HeaderMap,
    /// The response's headers, empty before there is a response.
    pub response: HeaderMap,
    /// The response's trailers, for the access log.
    pub response_trailers: HeaderMap,
    /// What is known of the stream.
    pub info: StreamInfo,
    /// Its filters.
    pub filters: FilterChain,
    /// Its route.
    pub route: StreamRoute,
    /// What the response says that was done; none if nothing is to be said.
    pub operation: Option<Arc<str>>,
    /// Its span, if it has one.
    pub(crate) span: Option<Box<ActiveSpan>>,
}

impl StreamState {
    /// A stream of `connection` that begins now.
    pub fn new(
        connection: Rc<ConnectionInfo>,
        wall: SystemTime,
        now: Instant,
        table: Rc<RouteSnapshot>,
    ) -> Self {
        StreamState {
            request: HeaderMap::new(MapKind::Request),
            response: HeaderMap::new(MapKind::Response),
            response_trailers: HeaderMap::new(MapKind::ResponseTrailers),
            info: StreamInfo::new(connection, wall, now),
            filters: FilterChain::default(),
            route: StreamRoute::none(table),
            operation: None,
            span: None,
        }
    }

    /// The same for one that another stream has [ended](Self::end) with: its memory serves again.
    pub fn begin(
        &mut self,
        connection: Rc<ConnectionInfo>,
        wall: WallAnchor,
        now: Instant,
        table: Rc<RouteSnapshot>,
    ) {
        self.info.begin(connection, wall, now);
        self.route.table = table;
    }

    /// Forgets the stream, while the processor has the state at hand; `no_routes` stands for its route table.
    pub fn end(&mut self, no_routes: Rc<RouteSnapshot>) {
        self.request.reset(MapKind::Request);
        self.response.reset(MapKind::Response);
        self.response_trailers.reset(MapKind::ResponseTrailers);
        self.info.clear();
        self.route = StreamRoute::none(no_routes);
        self.operation = None;
        self.span = None;
    }

    /// Notes whether the request is one of gRPC, before anybody changes it.
    pub(crate) fn note_grpc(&mut self) {
        self.filters.began_as_grpc = crate::route::is_grpc(&self.request);
        self.filters.knows_grpc = true;
    }

    /// Looks the request's route up.
    pub fn find_route(&mut self, random: u64) {
        self.route.find(&self.request, &self.info, random);
        let Some(index) = self.route.index else {
            self.info.has_route = false;
            self.info.route_name = Default::default();
            self.info.route_metadata = None;
            let host = self.route.table.host_of(&self.request);
            let metadata = host.and_then(|(_, host)| host.metadata.clone());
            self.info.virtual_host_metadata = metadata;
            return;
        };
        if let Some(route) = self.route.table.route(index) {
            self.info.has_route = true;
            self.info.route_name.clone_from(&route.name);
            self.info.route_metadata.clone_from(&route.metadata);
        }
        if let Some(host) = self.route.table.virtual_host(index) {
            self.info.virtual_host_metadata.clone_from(&host.metadata);
        }
    }

    /// How much of the path the route's path matcher took.
    pub fn matched_len(&self) -> usize {
        let route = self
            .route
            .index
            .and_then(|index| self.route.table.route(index));
        let path = self.request.get(Known::Path).unwrap_or_default();
        route.map_or(0, |route| route.matched_len(path))
    }
}

impl Destination for StreamRoute {
    fn cluster_name(&self) -> Option<&[u8]> {
        let Action::Forward(forward) = self.table.action(self.index?) else {
            return None;
        };
        match forward.cluster(self.picked, self.named.as_deref()) {
            ClusterChoice::Named { name, .. } => Some(name.as_bytes()),
            ClusterChoice::ByName(name) => Some(name),
            ClusterChoice::Missing => Some(b""),
        }
    }

    fn has_route(&self) -> bool {
        self.index.is_some()
    }

    fn more_routes(&self, request: &HeaderMap) -> Option<(Arc<ClusterSource>, Box<str>)> {
        self.table.more_routes(request)
    }

    fn cors_policies(&self) -> [Option<&CorsPolicy>; 2] {
        let Some(index) = self.index else {
            return [None; 2];
        };
        let Action::Forward(forward) = self.table.action(index) else {
            return [None; 2];
        };
        let host = self.table.virtual_host(index);
        [
            forward.cors.as_deref(),
            host.and_then(|host| host.cors.as_deref()),
        ]
    }

    fn rate_limits(&self) -> RouteRateLimits<'_> {
        let Some(index) = self.index else {
            return RouteRateLimits::default();
        };
        let Action::Forward(forward) = self.table.action(index) else {
            return RouteRateLimits::default();
        };
        let host = self.table.virtual_host(index);
        let own = forward.rate_limits.as_deref();
        RouteRateLimits {
            route: own.map(|own| &own.policy),
            host: host.and_then(|host| host.rate_limits.as_deref()),
            includes_host: own.is_some_and(|own| own.includes_host),
        }
    }
}

/// The route table as one worker holds it: streams share it by a count that no other worker touches.
pub struct RouteSnapshot {
    table: Arc<RouteTable>,
    /// The worker's cells for requests that are counted apart.
    counted: Box<[RequestStats]>,
    /// What filters count apart is listed as long as these are there.
    _of_filters: Box<[Scope]>,
    scoping: Option<Box<Scoping>>,
}

/// How a table goes with those of other scopes.
enum Scoping {
    /// The tables of its scopes, by their places.
    All(Box<[Rc<RouteSnapshot>]>),
    /// The table that it is one of, which is not out of use as long as this one is in use.
    One {
        all: Weak<RouteSnapshot>,
        _held: Arc<RouteTable>,
    },
}

impl RouteSnapshot {
    /// A worker's table; what it counts apart lies under `root`.
    pub fn new(table: Arc<RouteTable>, root: &Scope) -> Rc<Self> {
        Self::with_scopes(table, &|table| Self {
            counted: table.request_stats(root),
            _of_filters: table.register_filters(root),
            table,
            scoping: None,
        })
    }

    /// A table for look-ups alone, under which nothing is counted apart.
    pub fn for_look_ups(table: Arc<RouteTable>) -> Rc<Self> {
        Self::with_scopes(table, &|table| Self {
            table,
            counted: Box::default(),
            _of_filters: Box::default(),
            scoping: None,
        })
    }

    fn with_scopes(table: Arc<RouteTable>, make: &dyn Fn(Arc<RouteTable>) -> Self) -> Rc<Self> {
        let Some(scopes) = &table.scopes else {
            return Rc::new(make(table));
        };
        Rc::new_cyclic(|all| {
            let one = |scope: &Arc<RouteTable>| {
                let scoping = Scoping::One {
                    all: Weak::clone(all),
                    _held: Arc::clone(&table),
                };
                Rc::new(Self {
                    scoping: Some(Box::new(scoping)),
                    ..make(Arc::clone(scope))
                })
            };
            let ones = scopes.tables().iter().map(one).collect();
            Self {
                scoping: Some(Box::new(Scoping::All(ones))),
                ..make(Arc::clone(&table))
            }
        })
    }

    /// The table of the scope of a request; none if that is this one.
    #[cold]
    fn of_scope(self: &Rc<Self>, scoping: &Scoping, request: &HeaderMap) -> Option<Rc<Self>> {
        let all = match scoping {
            Scoping::All(_) => Rc::clone(self),
            Scoping::One { all, .. } => all.upgrade()?,
        };
        let place = all.table.scopes.as_ref()?.find(request);
        let one = match all.scoping.as_deref() {
            Some(Scoping::All(ones)) => place.and_then(|place| ones.get(place)).cloned(),
            _ => None,
        };
        Some(one.unwrap_or(all))
    }

    /// Calls `count` for each place where the request is counted apart.
    pub(crate) fn count(&self, counted: &Counted, mut count: impl FnMut(&RequestStats)) {
        let places = [counted.virtual_cluster, counted.route]
            .into_iter()
            .flatten();
        places
            .filter_map(|place| self.counted.get(place))
            .for_each(&mut count);
    }
}

impl Deref for RouteSnapshot {
    type Target = RouteTable;

    fn deref(&self) -> &RouteTable {
        &self.table
    }
}

/// The route of a stream. The table is the one that the stream began with, whatever is loaded meanwhile.
#[derive(Clone)]
pub struct StreamRoute {
    /// The route table.
    pub table: Rc<RouteSnapshot>,
    /// Where the route is in it; none where nothing matched.
    pub index: Option<RouteIndex>,
    /// The weighted cluster that was picked.
    pub picked: Option<usize>,
    /// The cluster that a header named then; filters may change the header, as in Envoy to no effect.
    pub named: Option<Rc<[u8]>>,
}

impl StreamRoute {
    /// Nothing matched yet.
    pub fn none(table: Rc<RouteSnapshot>) -> Self {
        StreamRoute {
            table,
            index: None,
            picked: None,
            named: None,
        }
    }

    /// Takes the table of the request's scope, where there are scopes.
    #[inline]
    pub fn choose_scope(&mut self, request: &HeaderMap) {
        if let Some(scoping) = &self.table.scoping
            && let Some(table) = self.table.of_scope(scoping, request)
        {
            self.table = table;
        }
    }

    /// Looks the route of `request` up.
    pub fn find(&mut self, request: &HeaderMap, info: &StreamInfo, random: u64) {
        self.choose_scope(request);
        self.index = self.table.find(request, info, random);
        (self.picked, self.named) = match self.index.map(|index| self.table.action(index)) {
            Some(Action::Forward(forward)) => {
                let picked = forward.pick_weighted(request, info, random);
                (
                    picked,
                    forward.named_by(picked, request, info).map(Rc::from),
                )
            }
            _ => (None, None),
        };
    }

    /// Chooses a cluster for another try, where the route has several by weight or by matchers.
    #[cold]
    pub(crate) fn choose_another(
        &mut self,
        (request, info): (&HeaderMap, &StreamInfo),
        random: u64,
        used: &mut Vec<usize>,
    ) {
        let Some(Action::Forward(forward)) = self.index.map(|index| self.table.action(index))
        else {
            return;
        };
        let of = (request, info);
        let another = |picked| forward.pick_another(of, random, picked, used);
        if let Some(picked) = self.picked.and_then(another) {
            let named = forward.named_by(Some(picked), request, info).map(Rc::from);
            (self.picked, self.named) = (Some(picked), named);
        } else if let Some(named) = forward.name_another(request, info) {
            self.named = Some(Rc::from(named));
        }
    }

    /// The levels on the way to the route, most specific first.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = &Level> + Clone {
        self.index
            .into_iter()
            .flat_map(|index| self.table.levels(index, self.weighted_level()))
    }

    /// The level of the weighted cluster that was picked.
    pub(crate) fn weighted_level(&self) -> Option<&Level> {
        match (self.table.action(self.index?), self.picked?) {
            (Action::Forward(forward), picked) => forward.weighted_level(picked),
            _ => None,
        }
    }

    /// What the filters see of the route: the levels' configurations, least specific first, at most four.
    pub fn filter_levels(&self) -> [Option<&PerFilterConfigs>; 4] {
        let mut levels = [None; 4];
        if !self.table.adds.filters {
            return levels;
        }
        let named = self
            .levels()
            .map(|level| &level.filters)
            .filter(|filters| !filters.is_empty());
        for (slot, level) in levels.iter_mut().rev().zip(named) {
            *slot = Some(level);
        }
        levels
    }
}
