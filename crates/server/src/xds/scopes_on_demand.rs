//! Scopes whose routes are to be had on demand: those are subscribed to when a request needs them first (the HTTP filter
//! `on_demand`), and stay as long as the scope is what it was.
//!
//! A request waits until the routes of its scope have come, whether on demand or not, as long as its own times let it, as
//! in Envoy: when `initial_fetch_timeout` has passed, or a server says that there are none, it waits on. One whose scope
//! goes, gets another key or routes of its own, looks again, and one whose scope gets others by name waits for those; in
//! Envoy they wait for ever.
//!
//! Limit: nobody is asked for what no scope has, so that clients can make up none.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_config::resources::Response;
use nuncio_contract::on_demand::Found;
use nuncio_contract::on_demand_message::ScopesWith;
use nuncio_upstream::on_demand::Question;

use super::Discovery;
use super::waiting::{Waiting, look_again};

/// What was asked for of some scopes.
#[derive(Default)]
pub(super) struct Asked {
    /// The names of scopes whose routes were asked for.
    names: HashSet<Box<str>>,
    waiting: Waiting,
    /// Some were asked for whose routes had come before.
    is_outdated: bool,
}

impl Asked {
    /// Whether the routes of this scope were asked for.
    pub(super) fn has_been(&self, scope: &str) -> bool {
        self.names.contains(scope)
    }

    /// Forgets scopes that are gone, or others now; returns who waited for them and is to look again. Who waits for one
    /// that has other routes now, but is still the one that is meant, waits for those: a request asks but once.
    pub(super) fn keep(
        &mut self,
        stays: impl Fn(&str) -> bool,
        is_still_meant: impl Fn(&str) -> bool,
    ) -> Vec<Question> {
        let asking = self.waiting.take_if(|name| !is_still_meant(name));
        let waiting = &self.waiting;
        self.names
            .retain(|name| stays(name) || waiting.is_awaited(name));
        asking
    }

    /// Whether the tables are without routes that are there and that scopes have by now.
    pub(super) fn take_outdated(&mut self) -> bool {
        std::mem::take(&mut self.is_outdated)
    }
}

impl Discovery<'_> {
    /// Takes a question for the routes of a scope. It is answered as what has come is looked at
    /// ([`Self::answer_who_waits_for_scopes`]), so that many questions at a time make the tables anew once.
    pub(super) fn ask_for_scope(&self, of: ScopesWith, question: Question) {
        let key = (of.name, of.source);
        let mut scopes = self.scopes.borrow_mut();
        let Some(config) = scopes.find_mut(&key) else {
            return question.answer(Found::Missing);
        };
        let Some(scope) = config.scopes.get(&question.name).map(Arc::clone) else {
            return question.answer(Found::Missing);
        };
        let name = question.name.clone();
        config.asked.waiting.push(question);
        if config.wanted_by(&name, &scope).is_some() {
            return;
        }
        config.asked.names.insert(name.clone());
        config.count();
        let routes = config.wanted_by(&name, &scope);
        let Some(routes) = routes.and_then(|routes| config.source_of(routes)) else {
            return;
        };
        drop(scopes);
        self.subscribe_to_routes(&routes);
        // Those that are still to come bring the tables with them.
        if self.has_come(&routes)
            && let Some(config) = self.scopes.borrow_mut().find_mut(&key)
        {
            config.asked.is_outdated = true;
        }
    }

    /// Answers who waits for scopes whose routes have come.
    pub(super) fn answer_who_waits_for_scopes(&self) {
        let outdated = self.scopes.borrow_mut().take_outdated();
        for key in &outdated {
            let mut bench = self.workshop.begin(&Response::default(), &self.running);
            // What cannot be used has been told when it came.
            let _it_stays_as_it_was = self.refresh_scopes(key, &mut bench);
            bench.tell();
        }
        let mut asking = Vec::new();
        let mut scopes = self.scopes.borrow_mut();
        for config in scopes.all_mut().filter(|one| !one.asked.waiting.is_empty()) {
            let mut waiting = std::mem::take(&mut config.asked.waiting);
            asking.append(&mut waiting.take_if(|name| {
                let scope = config.scopes.get(name);
                let routes = scope.and_then(|scope| config.wanted_by(name, scope));
                let source = routes.and_then(|routes| config.source_of(routes));
                source.is_none_or(|source| self.has_come(&source))
            }));
            config.asked.waiting = waiting;
        }
        drop(scopes);
        look_again(asking, self.workers());
    }
}
