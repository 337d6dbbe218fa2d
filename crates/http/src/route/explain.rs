//! Why a request takes the route that it takes: the table's own look-up, told step by step.
//!
//! What was found is what [`RouteTable::find`] says and nothing else; the reasons beside it are asked of the same
//! matchers. Only for people who ask: nothing here runs for traffic.

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stream_info::StreamInfo;

use super::domain::DomainMatch;
use super::{Level, Route, RouteIndex, RoutePlace, RouteTable, VirtualHost};

/// A look-up, told step by step.
pub struct LookUp<'a> {
    /// What the table found.
    pub found: Option<RouteIndex>,
    /// The virtual host and its place in the table; none if no domain matches.
    pub virtual_host: Option<(usize, &'a VirtualHost)>,
    /// The domains that match, the one that counts first.
    pub domains: Vec<DomainMatch>,
    /// Domains that look as if they should match, and why they do not.
    pub near: Vec<String>,
}

/// A route as one request meets it.
pub struct Tried<'a> {
    /// The route.
    pub route: &'a Route,
    /// What it wants of a request.
    pub requirements: Vec<String>,
    /// What the request lacks; nothing if it matches.
    pub why_not: Vec<String>,
}

impl RouteTable {
    /// Tells the look-up of `request`.
    pub fn explain(&self, request: &HeaderMap, info: &StreamInfo, random: u64) -> LookUp<'_> {
        let authority = self.host_name(request).unwrap_or_default();
        let index = self.domains.find(authority, self.ignore_port);
        let place = index.and_then(|index| usize::try_from(index).ok());
        LookUp {
            found: self.find(request, info, random),
            virtual_host: place.and_then(|place| Some((place, self.virtual_hosts.get(place)?))),
            domains: self.domains.matches(authority, self.ignore_port),
            near: self.domains.near(authority, self.ignore_port),
        }
    }

    /// The name of the virtual host at a place.
    pub fn virtual_host_name(&self, place: u32) -> Option<&str> {
        let host = self.virtual_hosts.get(usize::try_from(place).ok()?)?;
        Some(&host.name)
    }

    /// The levels on the way to `choice` with their names, most specific first.
    pub fn named_levels<'a>(
        &'a self,
        index: RouteIndex,
        choice: Option<&'a Level>,
    ) -> Vec<(&'static str, &'a Level)> {
        let mut names = Vec::new();
        if choice.is_some() {
            names.push("weighted cluster");
        }
        if self.route(index).is_some() {
            names.push("route");
        }
        names.extend(["virtual host", "route configuration"]);
        names.into_iter().zip(self.levels(index, choice)).collect()
    }
}

impl VirtualHost {
    /// How many routes there are.
    pub fn route_count(&self) -> usize {
        self.routes.len()
    }

    /// What comes of a request at the route of that place.
    pub fn tried(
        &self,
        place: usize,
        request: &HeaderMap,
        info: &StreamInfo,
        random: u64,
    ) -> Option<Tried<'_>> {
        let route = self.routes.get(place)?;
        let path = request.get(Known::Path);
        let mut why_not = route.matcher.why_not(path, request, info, random);
        let run = self.order.run_of(request, info);
        if !run.is_some_and(|run| run.holds(place)) {
            let text = "the virtual host's matcher does not lead to it".to_owned();
            why_not.insert(0, text);
        }
        Some(Tried {
            route,
            requirements: route.matcher.requirements(),
            why_not,
        })
    }
}

impl RouteIndex {
    /// The route's place in its virtual host; none for the redirect of `require_tls`.
    pub fn place(self) -> Option<usize> {
        match self.route {
            RoutePlace::Entry(place) => usize::try_from(place).ok(),
            RoutePlace::HttpsRedirect => None,
        }
    }
}
