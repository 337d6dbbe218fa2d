//! Which route a request takes, and why not another.

use super::StreamState;
use super::forwarding::named_levels;
use crate::connection_manager::ConnectionManagerConfig;
use crate::connection_manager::config::FilterConfig;
use crate::connection_manager::upgrades::{self, Verdict};
use crate::filter_chain::takes_part;
use crate::route::{Action, DomainKind, RouteIndex, VirtualHost};

/// Which routes are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// Those up to the one that is taken, the last [`Listing::MOST`] of them.
    #[default]
    UpToTheRoute,
    /// All of the virtual host.
    All,
    /// This many on each side of the one that is taken, or else from the first on.
    Around(usize),
}

impl Listing {
    /// The most routes that are told unless all are asked for.
    pub const MOST: usize = 50;
}

/// The look-up of a route, told.
pub struct Routing {
    /// The name of the route table.
    pub table: String,
    /// The virtual host's place and name; none if no domain matches.
    pub virtual_host: Option<(usize, String)>,
    /// The domains that match, the one that counts first.
    pub domains: Vec<DomainTold>,
    /// Domains that look as if they should match, and why they do not.
    pub near: Vec<String>,
    /// How many routes the virtual host has.
    pub route_count: usize,
    /// Routes in their order.
    pub routes: Vec<RouteTold>,
    /// The place and the name of the route that is taken.
    pub taken: Option<(usize, Option<String>)>,
    /// The filters before the router, in order.
    pub filters: Vec<FilterTold>,
}

/// A domain that matches.
pub struct DomainTold {
    /// The domain.
    pub domain: String,
    /// Its kind.
    pub kind: DomainKind,
    /// The place of its virtual host.
    pub place: usize,
    /// The name of its virtual host.
    pub virtual_host: String,
}

/// A route.
pub struct RouteTold {
    /// Its place in the virtual host.
    pub place: usize,
    /// Its name.
    pub name: Option<String>,
    /// What it wants of a request.
    pub requirements: Vec<String>,
    /// What the request lacks; nothing if it matches.
    pub why_not: Vec<String>,
    /// Whether it is the one that is taken.
    pub is_taken: bool,
}

/// A filter of the chain.
pub struct FilterTold {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub runs: bool,
    /// Whether the chain has it disabled.
    pub is_disabled_in_chain: bool,
    /// Which level of the route switches it on or off, or gives it a configuration; the most specific one.
    pub level: Option<&'static str>,
    /// Whether that level gives it a configuration of its own.
    pub has_own_config: bool,
}

impl Routing {
    /// Tells what `state.route.find` found.
    pub(super) fn tell(
        manager: &ConnectionManagerConfig,
        state: &StreamState,
        random: u64,
        listing: Listing,
    ) -> Self {
        let table = &state.route.table;
        let look_up = table.explain(&state.request, &state.info, random);
        let taken = state.route.index.and_then(RouteIndex::place);
        let domain = |found: crate::route::DomainMatch| DomainTold {
            kind: found.kind,
            place: usize::try_from(found.virtual_host).unwrap_or(usize::MAX),
            virtual_host: table
                .virtual_host_name(found.virtual_host)
                .unwrap_or_default()
                .to_owned(),
            domain: found.domain,
        };
        let is_https_redirect = state
            .route
            .index
            .is_some_and(|index| matches!(table.action(index), Action::RedirectToHttps));
        let routes = match look_up.virtual_host {
            Some((_, host)) if !is_https_redirect => routes(host, taken, state, random, listing),
            _ => Vec::new(),
        };
        let name = state.route.index.and_then(|index| table.route(index));
        Routing {
            table: table.name.to_string(),
            virtual_host: look_up
                .virtual_host
                .map(|(place, host)| (place, host.name.to_string())),
            domains: look_up.domains.into_iter().map(domain).collect(),
            near: look_up.near,
            route_count: look_up
                .virtual_host
                .map_or(0, |(_, host)| host.route_count()),
            routes,
            taken: taken.map(|place| {
                let name = name.and_then(|route| route.name.as_deref());
                (place, name.map(str::to_owned))
            }),
            filters: filters(manager, state),
        }
    }
}

fn routes(
    host: &VirtualHost,
    taken: Option<usize>,
    state: &StreamState,
    random: u64,
    listing: Listing,
) -> Vec<RouteTold> {
    let (first, end) = match listing {
        Listing::All => (0, host.route_count()),
        Listing::Around(most) => {
            let middle = taken.unwrap_or(0);
            let end = middle.saturating_add(most).min(host.route_count());
            (middle.saturating_sub(most), end)
        }
        Listing::UpToTheRoute => {
            let end = taken.map_or(host.route_count(), |place| place + 1);
            (end.saturating_sub(Listing::MOST), end)
        }
    };
    let told = |place| {
        let tried = host.tried(place, &state.request, &state.info, random)?;
        Some(RouteTold {
            place,
            name: tried.route.name.as_deref().map(str::to_owned),
            requirements: tried.requirements,
            why_not: tried.why_not,
            is_taken: taken == Some(place),
        })
    };
    (first..end).filter_map(told).collect()
}

fn filters(manager: &ConnectionManagerConfig, state: &StreamState) -> Vec<FilterTold> {
    let levels = state.route.filter_levels();
    let named = named_levels(&state.route);
    let told = |filter: &FilterConfig| {
        let place = filter.place;
        let said = named.iter().find_map(|(name, level)| {
            let entry = level.filters.get(place)?;
            Some((*name, entry.config.is_some()))
        });
        FilterTold {
            name: filter.name.clone(),
            runs: takes_part(&levels, place, filter.disabled),
            is_disabled_in_chain: filter.disabled,
            level: said.map(|(name, _)| name),
            has_own_config: said.is_some_and(|(_, has_config)| has_config),
        }
    };
    let verdict =
        upgrades::asked(&state.request).map(|kind| manager.judge_upgrade(kind, &state.route));
    let chain = match verdict {
        Some(Verdict::Allowed(place)) => manager.upgrade_chain(place),
        _ => None,
    };
    let filters = chain.map_or(&manager.filters, |chain| &chain.filters);
    filters.iter().map(told).collect()
}
