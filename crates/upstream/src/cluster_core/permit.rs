//! A unit of a circuit breaker's resource, held for as long as the thing that it stands for lives.

use std::rc::Rc;

use super::ClusterCore;
use crate::cluster::{Resource, ResourcePriority};

/// One taken unit; given back when dropped.
pub(crate) struct Permit {
    core: Rc<ClusterCore>,
    priority: ResourcePriority,
    resource: Resource,
}

impl Permit {
    /// Takes one if the breaker lets it.
    #[inline]
    pub(crate) fn try_take(
        core: &Rc<ClusterCore>,
        priority: ResourcePriority,
        resource: Resource,
    ) -> Option<Self> {
        let breakers = core.breakers();
        breakers.follow();
        let free = breakers.can_create(priority, resource);
        free.then(|| Self::take(core, priority, resource))
    }

    /// Takes one, whatever the limit.
    #[inline]
    pub(crate) fn take(
        core: &Rc<ClusterCore>,
        priority: ResourcePriority,
        resource: Resource,
    ) -> Self {
        let used = core.breakers().take(priority, resource);
        core.show(priority, resource, used);
        if resource == Resource::Requests {
            core.breakers().note_request(priority, || core.clock.now());
        }
        Self {
            core: Rc::clone(core),
            priority,
            resource,
        }
    }

    pub(crate) fn core(&self) -> &Rc<ClusterCore> {
        &self.core
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        let used = self.core.breakers().give_back(self.priority, self.resource);
        self.core.show(self.priority, self.resource, used);
    }
}

/// A retry in flight, from its wait on until it has come to its end.
pub struct RetryPermit {
    _held: Permit,
}

impl RetryPermit {
    /// Takes one if the breaker, or the budget, lets it.
    pub(crate) fn try_take(core: &Rc<ClusterCore>, priority: ResourcePriority) -> Option<Self> {
        let breakers = core.breakers();
        breakers.follow();
        core.show_budget(priority);
        let free = breakers.can_retry(priority, core.clock.now());
        free.then(|| Self {
            _held: Permit::take(core, priority, Resource::Retries),
        })
    }
}

/// A session of datagrams, which counts as a connection for as long as it lives.
pub struct SessionPermit {
    _held: Permit,
}

impl SessionPermit {
    /// Takes one if the breaker lets it.
    pub(crate) fn try_take(core: &Rc<ClusterCore>) -> Option<Self> {
        Permit::try_take(core, ResourcePriority::Default, Resource::Connections)
            .map(|held| Self { _held: held })
    }
}
