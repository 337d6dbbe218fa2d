//! Scopes whose routes are to be had on demand: those are subscribed to when a request needs them first (the HTTP filter
//! `on_demand`), and stay as long as the scope is what it was.
//!
//! A request waits until the routes of its scope have come, whether on demand or not, as long as its own times let it, as
//! in Envoy: when `initial_fetch_timeout` has passed, or a server says that there are none, it waits on. One whose scope
//! goes, or becomes another, looks again, where it waits for ever in Envoy.
//!
//! Limit: nobody is asked for what no scope has, so that clients can make up none.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_config::resources::Response;
use nuncio_contract::on_demand::Found;
use nuncio_contract::on_demand_message::ScopesWith;
use nuncio_upstream::on_demand::Question;

use super::Discovery;
use super::waiting::Waiting;

/// What was asked for of some scopes.
#[derive(Default)]
pub(super) struct Asked {
    /// The names of scopes whose routes were asked for.
    names: HashSet<Box<str>>,
    waiting: Waiting,
}

impl Asked {
    /// Whether the routes of this scope were asked for.
    pub(super) fn has_been(&self, scope: &str) -> bool {
        self.names.contains(scope)
    }

    /// Forgets scopes that are gone, or others now; who waits for them looks again.
    pub(super) fn keep(&mut self, stays: impl Fn(&str) -> bool) {
        self.names.retain(|name| stays(name));
        self.waiting
            .answer_if(|name| !stays(name), Found::Available);
    }
}

impl Discovery<'_> {
    /// Takes a question for the routes of a scope.
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
        let is_new = config.wanted_by(&name, &scope).is_none();
        if is_new {
            config.asked.names.insert(name.clone());
            config.count();
        }
        let routes = config.wanted_by(&name, &scope);
        let routes = routes.and_then(|routes| config.source_of(routes));
        drop(scopes);
        if let Some(routes) = routes.filter(|_| is_new) {
            self.subscribe_to_routes(&routes);
            let mut bench = self.workshop.begin(&Response::default(), &self.running);
            // What cannot be used has been told when it came.
            let _it_stays_as_it_was = self.refresh_scopes(&key, &mut bench);
            bench.tell();
        }
        self.answer_who_waits_for_scopes();
    }

    /// Answers who waits for scopes whose routes have come.
    pub(super) fn answer_who_waits_for_scopes(&self) {
        let mut scopes = self.scopes.borrow_mut();
        for config in scopes.all_mut().filter(|one| !one.asked.waiting.is_empty()) {
            let mut waiting = std::mem::take(&mut config.asked.waiting);
            waiting.answer_if(
                |name| {
                    let scope = config.scopes.get(name);
                    let routes = scope.and_then(|scope| config.wanted_by(name, scope));
                    let source = routes.and_then(|routes| config.source_of(routes));
                    source.is_none_or(|source| self.has_come(&source))
                },
                Found::Available,
            );
            config.asked.waiting = waiting;
        }
    }
}
