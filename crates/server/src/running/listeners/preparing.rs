//! What an update means for the listeners that run, found out before anything of it is done.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;

use super::{Listeners, Running};
use crate::admin::state::ReloadChanges;
use crate::resource::{Change, ListenerResource};
use crate::running::missing;
use crate::running::sockets::{Copies, Sockets, can_share};

/// A change that is ready to be published.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(super) steps: Vec<Step>,
    pub(super) removed: Vec<String>,
    /// What it does.
    pub(crate) changes: ReloadChanges,
}

/// What becomes of one listener.
pub(super) struct Step {
    pub(super) resource: ListenerResource,
    pub(super) what: What,
}

pub(super) enum What {
    /// Nothing but to remember the message, which may stand elsewhere in the file now.
    Keep,
    /// The routes.
    SetRoutes,
    /// The connection manager.
    Update,
    /// New to the workers, on sockets of its own.
    Bind(Sockets, Copies),
    /// New to the workers, on the sockets of the listener of this name, which leaves them.
    TakeOver(String, Copies),
}

impl Prepared {
    /// The listeners that come or change.
    pub(crate) fn resources_mut(&mut self) -> impl Iterator<Item = &mut ListenerResource> {
        self.steps.iter_mut().map(|step| &mut step.resource)
    }

    /// Fetches what they need besides; completes when it has come, or will not.
    pub(crate) fn fetched(&self) -> impl Future<Output = ()> + use<> {
        let coming = self
            .steps
            .iter()
            .filter(|step| !matches!(step.what, What::Keep));
        let awaited = coming.flat_map(|step| &step.resource.awaited);
        let awaited: Vec<_> = awaited.cloned().collect();
        for one in &awaited {
            Arc::clone(one).begin();
        }
        async move {
            for one in awaited {
                poll_fn(|cx| one.poll_done(cx)).await;
            }
        }
    }
}

impl Listeners {
    /// Compares a whole configuration's listeners with those that run, and binds what is to be bound. Nothing
    /// has changed if this fails; all reasons are told.
    pub(crate) fn prepare(&self, wanted: Vec<ListenerResource>) -> Result<Prepared, Vec<String>> {
        let names: HashSet<_> = wanted
            .iter()
            .map(|resource| resource.listener.name.as_str())
            .collect();
        let all = self.running.iter();
        let fixed = all.filter(|running| running.resource.update.is_none());
        let removed = missing(fixed.map(Running::name), &names);
        let prepared = self.prepare_update(wanted, removed);
        prepared.map_err(|failed| failed.into_iter().map(|(_, why)| why).collect())
    }

    /// The same for single listeners: `put` come or change, `removed` go, the others stay. Who fails is told by name.
    pub(crate) fn prepare_update(
        &self,
        put: Vec<ListenerResource>,
        removed: Vec<String>,
    ) -> Result<Prepared, Vec<(String, String)>> {
        let mut leaving = self.leaving(&put, &removed);
        let mut prepared = Prepared::default();
        let mut errors = Vec::new();
        for resource in put {
            match self.step(&resource, &mut leaving, &mut prepared.changes) {
                Ok(what) => prepared.steps.push(Step { resource, what }),
                Err(error) => errors.push((resource.listener.name.clone(), error)),
            }
        }
        prepared.changes.removed.clone_from(&removed);
        prepared.removed = removed;
        if errors.is_empty() {
            Ok(prepared)
        } else {
            Err(errors)
        }
    }

    /// The listeners whose sockets are not theirs any more.
    fn leaving<'a>(&'a self, put: &[ListenerResource], removed: &[String]) -> Vec<&'a Running> {
        let moves = |running: &Running| {
            put.iter().any(|resource| {
                resource.listener.name == running.name()
                    && !can_share(&resource.listener, &running.resource.listener)
            })
        };
        let leaves = |running: &&Running| {
            removed.iter().any(|name| name == running.name()) || moves(running)
        };
        self.running.iter().filter(leaves).collect()
    }

    fn step(
        &self,
        resource: &ListenerResource,
        leaving: &mut Vec<&Running>,
        changes: &mut ReloadChanges,
    ) -> Result<What, String> {
        let name = &resource.listener.name;
        let Some(running) = self.find(name) else {
            changes.added.push(name.clone());
            return self.open(resource, leaving);
        };
        let change = running.resource.version.change_to(&resource.version);
        if change == Change::Nothing {
            changes.unchanged += 1;
            return Ok(What::Keep);
        }
        changes.updated.push(name.clone());
        let (old, new) = (&running.resource.listener, &resource.listener);
        match change {
            Change::Routes => Ok(What::SetRoutes),
            _ if can_share(old, new) => Ok(What::Update),
            _ if old.address == new.address
                && old.options.datagrams == new.options.datagrams
                && old.options.reuse_port != new.options.reuse_port =>
            {
                Err(format!(
                    "Listener {name}: reuse port cannot be changed during an update"
                ))
            }
            _ => self.open(resource, leaving),
        }
    }

    /// Sockets for a listener that is new to its address.
    fn open(
        &self,
        resource: &ListenerResource,
        leaving: &mut Vec<&Running>,
    ) -> Result<What, String> {
        let listener = &resource.listener;
        let left = leaving.iter().position(|running| {
            !listener.address.is_chosen_late() && can_share(&running.resource.listener, listener)
        });
        if let Some(left) = left.map(|place| leaving.swap_remove(place))
            && let Some(sockets) = &left.sockets
        {
            let copies = sockets.copies(listener)?;
            return Ok(What::TakeOver(left.name().to_string(), copies));
        }
        let sockets = Sockets::bind(listener, self.workers, self.inherit.as_ref())?;
        let copies = sockets.copies(listener)?;
        Ok(What::Bind(sockets, copies))
    }
}

impl What {
    /// Whether the listener is new to its address.
    pub(super) fn opens(&self) -> bool {
        matches!(self, What::Bind(..) | What::TakeOver(..))
    }

    /// Whether the listener changes and keeps its sockets.
    pub(super) fn is_in_place(&self) -> bool {
        matches!(self, What::SetRoutes | What::Update)
    }
}
