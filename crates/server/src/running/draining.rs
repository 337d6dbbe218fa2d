//! Listeners that drain. Their connections have the routes that come meanwhile, so that these are subscribed to as long.
//!
//! Their stats are listed until the drain time has passed, as in Envoy, though they have no connections any more.
//! `/config_dump` shows those of updates (`draining_state`): as in Envoy until the drain time has passed, whether they
//! have connections or not, and of several with one name the oldest.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nuncio_contract::stats::Scope;
use nuncio_http::connection_manager::{RouteSource, ScopeSource};

use super::listeners::{Listeners, Running};
use crate::admin::state::{DumpedConfig, DynamicConfig};
use crate::listener::{CompiledChain, CompiledListener};

/// Those that are shown.
#[derive(Default)]
pub(super) struct Draining {
    /// How long they drain.
    time: Duration,
    /// In the order of their going.
    all: Vec<Shown>,
}

/// A listener that drains, for the count of them: as in Envoy until the drain time has passed, though it has no
/// connections; with connections as long as it has some.
pub(crate) struct Drains {
    listener: Weak<CompiledListener>,
    until: Instant,
    routes: Vec<RouteSource>,
    scopes: Vec<ScopeSource>,
    has_managers: bool,
    /// How many of its filter chains drain, where the listener goes on with others.
    chains: usize,
    /// What they have counted stays as long.
    _counted: Vec<Scope>,
    /// The drain time has passed; connections that still are there are of chains that stay, or wait for their end.
    is_over: bool,
}

impl Drains {
    /// Whether the drain time has passed.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// How many filter chains drain with it.
    pub(super) fn chains(&self) -> usize {
        self.chains
    }

    /// The listener, if it has connections.
    pub(crate) fn listener(&self) -> &Weak<CompiledListener> {
        &self.listener
    }

    /// Where it has routes from, but for those of scopes.
    pub(crate) fn routes(&self) -> &[RouteSource] {
        &self.routes
    }

    /// Where it has scopes from.
    pub(crate) fn scopes(&self) -> &[ScopeSource] {
        &self.scopes
    }
}

struct Shown {
    name: String,
    config: DynamicConfig,
    until: Instant,
}

/// Where the connection managers of chains count.
fn counted_by<'a>(chains: impl Iterator<Item = &'a CompiledChain>) -> Vec<Scope> {
    let scopes = chains.filter_map(|chain| Some(&chain.http()?.scopes.http));
    let by_prefix: BTreeMap<_, _> = scopes.map(|scope| (scope.prefix(), scope)).collect();
    by_prefix
        .into_values()
        .flat_map(Scope::all_within)
        .collect()
}

impl Draining {
    /// Filter chains drain that the listener has no more, `gone` by their places.
    pub(super) fn begin_chains(&self, listener: &Arc<CompiledListener>, gone: &[usize]) -> Drains {
        let chains = gone.iter().filter_map(|place| listener.chains.get(*place));
        self.begin_with(listener, gone.len(), counted_by(chains))
    }

    /// Filter chains drain of which other routes are all that is new; the listener and its connections go on.
    pub(super) fn begin_routes(&self, chains: usize) -> Drains {
        Drains {
            listener: Weak::new(),
            until: Instant::now() + self.time,
            routes: Vec::new(),
            scopes: Vec::new(),
            has_managers: false,
            chains,
            _counted: Vec::new(),
            is_over: false,
        }
    }

    /// A listener begins to drain.
    pub(super) fn begin(&self, listener: &Arc<CompiledListener>) -> Drains {
        let mut counted = listener.scope.all_within();
        counted.extend(counted_by(listener.chains.iter()));
        self.begin_with(listener, 0, counted)
    }

    fn begin_with(
        &self,
        listener: &Arc<CompiledListener>,
        chains: usize,
        counted: Vec<Scope>,
    ) -> Drains {
        let managers = || listener.chains.iter().filter_map(|chain| chain.http());
        let routes = managers().filter_map(|http| http.manager.route_source.as_deref());
        let scopes = managers().filter_map(|http| http.manager.scope_source.as_deref());
        Drains {
            listener: Arc::downgrade(listener),
            until: Instant::now() + self.time,
            routes: routes.cloned().collect(),
            scopes: scopes.cloned().collect(),
            has_managers: managers().next().is_some(),
            chains,
            _counted: counted,
            is_over: false,
        }
    }

    /// Notes one that goes, or whose place another version takes.
    pub(super) fn note(&mut self, gone: &Running) {
        let now = Instant::now();
        self.all.retain(|shown| shown.until > now);
        if let Some(version) = &gone.resource.update {
            self.all.push(Shown {
                name: gone.name().to_owned(),
                config: DynamicConfig {
                    version: Arc::clone(version),
                    config: DumpedConfig {
                        message: Arc::clone(&gone.resource.version.message),
                        last_updated: gone.updated,
                    },
                },
                until: now + self.time,
            });
        }
    }

    /// Those that drain now, by name, the last that went first; the oldest of each.
    pub(super) fn now(&self) -> Vec<(&str, &DynamicConfig)> {
        let now = Instant::now();
        let mut oldest: Vec<(&str, &DynamicConfig)> = Vec::new();
        for shown in self.all.iter().rev().filter(|shown| shown.until > now) {
            match oldest.iter_mut().find(|(name, _)| *name == shown.name) {
                Some((_, config)) => *config = &shown.config,
                None => oldest.push((&shown.name, &shown.config)),
            }
        }
        oldest
    }
}

impl Listeners {
    /// How long listeners drain.
    pub(crate) fn drain_for(&mut self, time: Duration) {
        self.draining_shown.time = time;
    }

    /// Those that drain.
    pub(crate) fn drains(&self) -> impl Iterator<Item = &Drains> {
        self.draining.iter().chain(&self.draining_chains)
    }

    /// Whether some drain, whether they have connections or not.
    pub(crate) fn are_draining(&self) -> bool {
        self.drains().any(|one| !one.is_over)
    }

    /// Whether there are connection managers among those that drain.
    pub(crate) fn have_draining_managers(&self) -> bool {
        self.drains().any(|drains| drains.has_managers)
    }

    /// Forgets those that have drained; whether some have since this was asked last.
    pub(crate) fn have_drained(&mut self) -> bool {
        self.forget_drained();
        std::mem::take(&mut self.has_drained)
    }

    pub(super) fn forget_drained(&mut self) {
        let now = Instant::now();
        let has_drained = &mut self.has_drained;
        for draining in [&mut self.draining, &mut self.draining_chains] {
            draining.retain_mut(|one| {
                let is_over = one.until <= now;
                let stays = !is_over || one.listener.strong_count() > 0;
                *has_drained |= !stays || is_over && !one.is_over;
                one.is_over = is_over;
                stays
            });
        }
    }
}
