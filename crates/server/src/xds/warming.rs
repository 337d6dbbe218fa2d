//! Listeners that were made and wait for their routes, secrets and code before they take the place of what runs.

use std::sync::Arc;

use nuncio_config::tree::{Message, same};

use super::Discovery;
use super::listeners::publish_warm;
use crate::resource::ListenerResource;

/// Those that wait.
#[derive(Default)]
pub(super) struct Warming(Vec<ListenerResource>);

impl Warming {
    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|one| one.listener.name.clone())
    }

    /// Whether the one of this name is the same; none if there is none.
    pub(super) fn has(&self, name: &str, message: &Arc<Message>) -> Option<bool> {
        let one = self.0.iter().find(|one| one.listener.name == name)?;
        Some(same(&one.version.message, message))
    }

    /// They are not wanted any more.
    pub(super) fn forget(&mut self, names: &[String]) {
        self.0.retain(|one| !names.contains(&one.listener.name));
    }

    /// All of them.
    pub(super) fn resources(&self) -> impl Iterator<Item = &ListenerResource> {
        self.0.iter()
    }
}

impl Discovery<'_> {
    /// Whether routes, secrets and configurations of filters have come, or are not waited for.
    fn is_warm(&self, one: &ListenerResource) -> bool {
        self.has_routes(one)
            && !self.secrets.are_awaited(&one.version.wanted)
            && self.has_extensions(&one.listener)
            && one.awaited.iter().all(|awaited| awaited.is_done())
    }

    /// Keeps those back whose routes have not come yet; each takes the place of the one of its name that waits.
    pub(super) fn without_cold(&self, put: Vec<ListenerResource>) -> Vec<ListenerResource> {
        let names: Vec<_> = put.iter().map(|one| one.listener.name.clone()).collect();
        let mut warming = self.warming.borrow_mut();
        warming.forget(&names);
        for awaited in put.iter().flat_map(|one| &one.awaited) {
            Arc::clone(awaited).begin();
        }
        let (warm, mut cold): (Vec<_>, Vec<_>) = put.into_iter().partition(|one| self.is_warm(one));
        let mut listeners = self.running.listeners.borrow_mut();
        listeners.count_cold(&mut cold);
        warming.0.extend(cold);
        listeners.show_warming(warming.resources());
        warm
    }

    fn show_warming(&self) {
        let mut listeners = self.running.listeners.borrow_mut();
        listeners.show_warming(self.warming.borrow().resources());
    }

    /// Lets those run whose routes have come meanwhile.
    pub(super) fn publish_warm_listeners(&self) {
        if self.warming.borrow().0.is_empty() || self.workers.get().is_none() {
            return;
        }
        let mut warming = self.warming.borrow_mut();
        let all = std::mem::take(&mut warming.0);
        let (mut warm, cold): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| self.is_warm(one));
        warming.0 = cold;
        drop(warming);
        if warm.is_empty() {
            return;
        }
        self.attach_all(warm.iter_mut());
        publish_warm(self, warm);
        self.show_warming();
    }
}
