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
        let (before, opened) = core.breakers().take(priority, resource);
        core.correct(priority, resource, before);
        core.breaker_gauge(priority, resource)
            .add(u64::from(opened));
        if let Some(remaining) = core.remaining(priority, resource) {
            remaining.dec();
        }
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
        let (before, closed) = self.core.breakers().give_back(self.priority, self.resource);
        self.core.correct(self.priority, self.resource, before);
        if closed {
            self.core.breaker_gauge(self.priority, self.resource).dec();
        }
        if let Some(remaining) = self.core.remaining(self.priority, self.resource) {
            remaining.add(1);
        }
    }
}

/// A retry in flight, from its wait on until it has come to its end.
pub struct RetryPermit {
    _held: Permit,
}

impl RetryPermit {
    /// Takes one if the breaker, or the budget, lets it.
    pub(crate) fn try_take(core: &Rc<ClusterCore>, priority: ResourcePriority) -> Option<Self> {
        core.shared.note_retry(priority);
        let breakers = core.breakers();
        breakers.follow();
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
