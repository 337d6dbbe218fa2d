//! Where the chains of listeners have their routes from, and the tables that an update makes for them: those of the
//! listeners that run, and those of the ones that drain as long as these have connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use nuncio_http::connection_manager::{RouteSource, ScopeSource};

use super::Discovery;
use crate::listener::{ChainRoutes, CompiledListener, Routes};
use crate::workers::Command;

/// Where a chain has its routes from, if that is elsewhere.
pub(super) enum Origin<'r> {
    Routes(&'r RouteSource),
    Scopes(&'r ScopeSource),
}

/// The chains of a listener that have their routes from elsewhere, with their places.
pub(super) fn origins(listener: &CompiledListener) -> impl Iterator<Item = (usize, Origin<'_>)> {
    let chains = listener.chains.iter().enumerate();
    chains.filter_map(|(place, chain)| {
        let manager = &chain.http()?.manager;
        let routes = manager.route_source.as_deref().map(Origin::Routes);
        let scopes = || manager.scope_source.as_deref().map(Origin::Scopes);
        Some((place, routes.or_else(scopes)?))
    })
}

/// The scopes that a listener has from elsewhere.
pub(super) fn scope_sources(listener: &CompiledListener) -> impl Iterator<Item = &ScopeSource> {
    origins(listener).filter_map(|(_, origin)| match origin {
        Origin::Scopes(source) => Some(source),
        Origin::Routes(_) => None,
    })
}

/// The tables of listeners whose routes are others.
#[derive(Default)]
pub(super) struct Tables {
    /// Of those that run, by their names.
    pub(super) running: BTreeMap<String, Routes>,
    /// Of those that drain.
    pub(super) draining: Vec<(Weak<CompiledListener>, ChainRoutes)>,
}

impl Discovery<'_> {
    /// Where all listeners have routes from, those of their scopes too: those that run, that warm, and that drain.
    pub(super) fn all_sources(&self) -> Vec<RouteSource> {
        let (listeners, warming) = (self.running.listeners.borrow(), self.warming.borrow());
        let all = listeners.resources().chain(warming.resources());
        let mut sources: Vec<_> = all.flat_map(|one| self.sources(&one.listener)).collect();
        let scopes = self.scopes.borrow();
        for drains in listeners.drains() {
            sources.extend_from_slice(drains.routes());
            sources.extend(drains.scopes().iter().flat_map(|one| scopes.routes(one)));
        }
        sources
    }

    /// Where all listeners have scopes from, those that drain too.
    pub(super) fn all_scope_sources(&self) -> Vec<ScopeSource> {
        let (listeners, warming) = (self.running.listeners.borrow(), self.warming.borrow());
        let all = listeners.resources().chain(warming.resources());
        let used = all.flat_map(|one| scope_sources(&one.listener));
        let draining = listeners.drains().flat_map(|drains| drains.scopes());
        used.chain(draining).cloned().collect()
    }

    /// Ends the subscriptions of listeners that have drained.
    pub(super) fn look_for_drained(&self) {
        let have_drained = self.running.listeners.borrow_mut().have_drained();
        if have_drained {
            self.drop_unused_routes();
            self.drop_unused_extensions();
        }
    }

    /// Has the workers serve by other tables.
    pub(super) fn set_routes(&self, tables: Tables) {
        let mut listeners = self.running.listeners.borrow_mut();
        for (listener, routes) in tables.running {
            listeners.set_routes(&listener, routes, self.workers());
        }
        for (listener, routes) in tables.draining {
            self.workers().tell(|| {
                let (listener, routes) = (Weak::clone(&listener), Arc::clone(&routes));
                Some(Command::DrainingRoutes(listener, routes))
            });
        }
    }
}
