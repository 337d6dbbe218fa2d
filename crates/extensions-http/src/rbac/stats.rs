//! What the RBAC filter counts: requests by verdict, and if wanted, by policy.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Scope};

use super::config::Settings;

stat_group! {
    /// Verdicts of rules, at `http.<stat_prefix>.rbac.[<rules_stat_prefix>.]`.
    pub struct RulesStats("") {
        counters { allowed, denied }
    }
}

stat_group! {
    /// Verdicts of shadow rules, at `http.<stat_prefix>.rbac.[<shadow_rules_stat_prefix>.]`.
    pub struct ShadowStats("") {
        counters { shadow_allowed, shadow_denied }
    }
}

/// A worker's counters.
pub(super) struct Stats {
    pub(super) rules: Arc<RulesStats>,
    pub(super) shadow: Arc<ShadowStats>,
    pub(super) policies: PolicyStats,
    pub(super) shadow_policies: PolicyStats,
}

/// The counters of policies, by name; a counter is there once it is more than zero.
pub(super) struct PolicyStats {
    scope: Option<Scope>,
    counters: RefCell<HashMap<Box<str>, PolicyCounters>>,
    /// What is counted of one that refuses and of one that lets through.
    names: [&'static str; 2],
}

#[derive(Default)]
struct PolicyCounters {
    denied: Option<Arc<Counter>>,
    allowed: Option<Arc<Counter>>,
}

impl Stats {
    /// The levels of a route table count where the chain does.
    pub(super) fn new(settings: &Settings, scope: &Scope) -> Self {
        let of = |prefix: &str| match prefix {
            "" => scope.scope("rbac"),
            prefix => scope.scope(&format!("rbac.{prefix}")),
        };
        let (rules, shadow) = (
            of(&settings.rules_stat_prefix),
            of(&settings.shadow_stat_prefix),
        );
        let policies = |scope: &Option<Scope>, names| PolicyStats {
            scope: scope.as_ref().and_then(|scope| scope.scope("policy")),
            counters: RefCell::default(),
            names,
        };
        Stats {
            policies: policies(&rules, ["denied", "allowed"]),
            shadow_policies: policies(&shadow, ["shadow_denied", "shadow_allowed"]),
            rules: rules.as_ref().map(Scope::worker_group).unwrap_or_default(),
            shadow: shadow.as_ref().map(Scope::worker_group).unwrap_or_default(),
        }
    }
}

impl PolicyStats {
    pub(super) fn count(&self, policy: &str, is_allowed: bool) {
        let Some(scope) = &self.scope else { return };
        let mut counters = self.counters.borrow_mut();
        if !counters.contains_key(policy) {
            counters.insert(policy.into(), PolicyCounters::default());
        }
        let Some(counters) = counters.get_mut(policy) else {
            return;
        };
        let [denied, allowed] = self.names;
        let (counter, name) = match is_allowed {
            true => (&mut counters.allowed, allowed),
            false => (&mut counters.denied, denied),
        };
        let counter = counter.get_or_insert_with(|| scope.counter(&format!("{policy}.{name}")));
        counter.inc();
    }
}
