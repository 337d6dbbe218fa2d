//! What a control plane's machine tells those who watch.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use nuncio_config::resources::Response;

use crate::resource_name::collection_of;

/// Who watches.
pub(in crate::xds) type WatchId = u64;

/// What there is for a watcher.
#[derive(Debug)]
pub(in crate::xds) enum News {
    /// Resources that came or went, to be answered.
    Update(Box<Response>),
    /// Nothing of what came could be used, and why.
    Rejected(Arc<str>),
    /// There is no stream any more.
    Disconnected,
}

/// News and whom they are for.
pub(in crate::xds) type Told = Vec<(WatchId, News)>;

/// What is watched: one name, or all there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) id: WatchId,
    pub(super) name: Option<Box<str>>,
    /// More names, where there is one; servers that tell what changes alone are asked for those.
    pub(super) others: BTreeSet<Box<str>>,
    /// The name is that of a namespace, whose resources come without being asked for, or by `others`.
    pub(super) is_namespace: bool,
    /// The name is that of a collection, whose members are watched.
    pub(super) is_collection: bool,
}

impl Watch {
    /// All names, if not all there is is watched.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let others = self.others.iter();
        self.name.iter().chain(others).map(AsRef::as_ref)
    }

    /// Whether this is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name) || self.others.contains(name)
    }

    /// Whether a resource is a member of the collection that is watched.
    pub(super) fn has_member(&self, name: &str) -> bool {
        self.is_collection && collection_of(name).as_deref() == self.name.as_deref()
    }

    /// Takes a name out, if it is there and there are others.
    pub(super) fn take_out(&mut self, name: &str) -> bool {
        if self.others.remove(name) {
            return true;
        }
        let is_the_first = !self.is_namespace && self.name.as_deref() == Some(name);
        match is_the_first.then(|| self.others.pop_first()).flatten() {
            Some(next) => {
                self.name = Some(next);
                true
            }
            None => false,
        }
    }
}

/// Who still has to answer a response, and what they have said.
#[derive(Debug, Default)]
pub(super) struct InHand {
    pub(super) type_url: String,
    pub(super) nonce: String,
    waits: HashSet<WatchId>,
    /// The stream that it came on is gone, so that nobody waits for the answer.
    pub(super) is_stale: bool,
    pub(super) error: Option<String>,
    /// Who said so, and knows it.
    refusing: Vec<WatchId>,
}

impl InHand {
    pub(super) fn new(type_url: &str, nonce: &str, told: &Told) -> Self {
        InHand {
            type_url: type_url.to_owned(),
            nonce: nonce.to_owned(),
            waits: told.iter().map(|(watch, _)| *watch).collect(),
            is_stale: false,
            error: None,
            refusing: Vec::new(),
        }
    }

    /// Notes an answer; what was wrong first counts.
    pub(super) fn answer(&mut self, watch: WatchId, error: Option<&str>) {
        if self.waits.remove(&watch)
            && let Some(error) = error
        {
            self.refusing.push(watch);
            self.error.get_or_insert_with(|| error.to_owned());
        }
    }

    /// What those of `watches` are told that did not reject it themselves, if it was rejected.
    pub(super) fn rejected<'w>(&self, watches: impl Iterator<Item = &'w Watch>) -> Told {
        let Some(error) = &self.error else {
            return Told::new();
        };
        let reason: Arc<str> = error.as_str().into();
        let others = watches.filter(|watch| !self.refusing.contains(&watch.id));
        others
            .map(|watch| (watch.id, News::Rejected(Arc::clone(&reason))))
            .collect()
    }

    /// Whether all have answered.
    pub(super) fn is_answered(&self) -> bool {
        self.waits.is_empty()
    }
}
