//! What is known of one type of resources: who wants which, which version of each is there, and what is to be asked.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Instant;

use nuncio_config::resources::{Response, UnknownFields};
use nuncio_config::wire::discovery::{DeltaRequest, DiscoveryResponse, RawResource};

use crate::resource_name::normalized;
use crate::xds::plane::lives::Lives;
use crate::xds::plane::news::{News, Told, Watch};
use crate::xds::plane::opened::{Checks, INVALID_LIFE, Opened, response};

/// The name that stands for all there is.
const WILDCARD: &str = "*";

/// What is known of one type.
pub(super) struct OfType {
    pub(super) type_url: Rc<str>,
    pub(super) watches: Vec<Watch>,
    /// What is wanted by name, as names are compared, with the version that is there.
    pub(super) requested: BTreeMap<String, Option<String>>,
    /// What came because all is wanted.
    pub(super) wildcard: BTreeMap<String, String>,
    /// What was wanted by name and may be among all.
    pub(super) ambiguous: BTreeMap<String, String>,
    pub(super) added: BTreeSet<String>,
    pub(super) removed: BTreeSet<String>,
    /// Nothing was named yet, so that a first empty request asks for all.
    pub(super) is_legacy_wildcard: bool,
    pub(super) has_sent: bool,
    pub(super) lives: Lives,
}

impl OfType {
    pub(super) fn new(type_url: &str) -> Self {
        OfType {
            type_url: type_url.into(),
            watches: Vec::new(),
            requested: BTreeMap::new(),
            wildcard: BTreeMap::new(),
            ambiguous: BTreeMap::new(),
            added: BTreeSet::new(),
            removed: BTreeSet::new(),
            is_legacy_wildcard: true,
            has_sent: false,
            lives: Lives::default(),
        }
    }

    pub(super) fn want(&mut self, name: &str) {
        self.is_legacy_wildcard &= name == WILDCARD;
        let known = self
            .wildcard
            .remove(name)
            .or_else(|| self.ambiguous.remove(name));
        self.requested.insert(name.to_owned(), known);
        self.removed.remove(name);
        self.added.insert(name.to_owned());
    }

    pub(super) fn want_no_more(&mut self, name: &str) {
        let was_there = self.requested.remove(name);
        if let Some(Some(version)) = &was_there
            && self.requested.contains_key(WILDCARD)
        {
            self.ambiguous.insert(name.to_owned(), version.clone());
        }
        self.added.remove(name);
        if was_there.is_some() {
            self.removed.insert(name.to_owned());
            self.is_legacy_wildcard = false;
        }
    }

    /// Wants a name no more that was asked for in vain, and forgets it: unlike what was there it is not told to be known.
    pub(super) fn give_up(&mut self, name: &str) {
        self.want_no_more(name);
        self.ambiguous.remove(name);
        self.lives.remove(name);
    }

    /// Whether anybody watches this name.
    pub(super) fn is_watched(&self, name: &str) -> bool {
        self.watches.iter().any(|watch| watch.has(name))
    }

    /// Whether there is something to say.
    pub(super) fn has_news(&self) -> bool {
        let is_first = !self.has_sent;
        !self.added.is_empty()
            || !self.removed.is_empty()
            || is_first && (!self.requested.is_empty() || self.is_legacy_wildcard)
    }

    /// The next request, without an answer in it.
    pub(super) fn request(&mut self) -> DeltaRequest {
        let mut request = DeltaRequest {
            type_url: self.type_url.to_string(),
            ..DeltaRequest::default()
        };
        if !std::mem::replace(&mut self.has_sent, true) {
            let asks_for_all = self.asks_for_all();
            for (name, version) in &self.requested {
                if let Some(version) = version {
                    request
                        .initial_versions
                        .push((name.clone(), version.clone()));
                }
                self.added.insert(name.clone());
            }
            for (name, version) in self.wildcard.iter().chain(&self.ambiguous) {
                request
                    .initial_versions
                    .push((name.clone(), version.clone()));
            }
            if asks_for_all {
                self.added.clear();
            }
            self.removed.clear();
        }
        request.subscribe = std::mem::take(&mut self.added).into_iter().collect();
        request.unsubscribe = std::mem::take(&mut self.removed).into_iter().collect();
        request
    }

    /// Whether a first request is to be empty.
    pub(super) fn asks_for_all(&mut self) -> bool {
        if self.is_legacy_wildcard {
            self.requested.insert(WILDCARD.to_owned(), None);
            return true;
        }
        let is_unchanged = self.added.is_empty() && self.removed.is_empty();
        is_unchanged && self.requested.len() == 1 && self.requested.contains_key(WILDCARD)
    }

    /// Whether a resource that came is only to live longer.
    pub(super) fn is_heartbeat(&self, resource: &RawResource) -> bool {
        let known = match self.requested.get(&*normalized(&resource.name)) {
            Some(version) => version.as_ref(),
            None => self
                .wildcard
                .get(&resource.name)
                .or_else(|| self.ambiguous.get(&resource.name)),
        };
        resource.resource.is_none() && known == Some(&resource.version)
    }

    /// Whether anybody watches a resource of this name; others may be whatever they like, as in Envoy.
    pub(super) fn is_of_concern(&self, name: &str) -> bool {
        self.watches.iter().any(|watch| match &watch.name {
            None => true,
            Some(space) if watch.is_namespace => is_of_namespace(space, name),
            Some(_) => watch.has(&normalized(name)) || watch.has_member(name),
        })
    }

    /// Whether a resource may say that there is none of its names.
    pub(super) fn may_be_empty(&self, resource: &RawResource) -> bool {
        !resource.aliases.is_empty() || self.watches.iter().any(|watch| watch.is_namespace)
    }

    /// What each watcher gets of a response.
    pub(super) fn shares(
        &self,
        message: &DiscoveryResponse,
        unknown: UnknownFields,
    ) -> Result<Told, String> {
        let mut names = BTreeSet::new();
        let rules = self.watches.iter().any(|watch| watch.name.is_some());
        let checks = Checks { rules, unknown };
        let mut opened = Vec::with_capacity(message.changed.len());
        for resource in &message.changed {
            if !names.insert(&*resource.name) {
                let name = &resource.name;
                return Err(format!(
                    "duplicate name {name} found among added/updated resources"
                ));
            }
            if resource.has_invalid_ttl {
                return Err(INVALID_LIFE.to_owned());
            }
            let Some(raw) = &resource.resource else {
                if self.is_heartbeat(resource) || self.may_be_empty(resource) {
                    continue;
                }
                return Err(self.mismatch("", &message.type_url));
            };
            if raw.type_url != message.type_url {
                return Err(self.mismatch(&raw.type_url, &message.type_url));
            }
            if !self.is_of_concern(&resource.name) {
                continue;
            }
            let mut one = Opened::open(raw, &resource.version, checks)?;
            one.name = resource.name.as_str().into();
            opened.push(one);
        }
        for name in &message.removed {
            if !names.insert(name) {
                return Err(format!(
                    "duplicate name {name} found in the union of added+removed resources"
                ));
            }
        }
        Ok(self.told(message, &opened))
    }

    pub(super) fn mismatch(&self, found: &str, wanted: &str) -> String {
        format!(
            "type URL {found} embedded in an individual Any does not match the message-wide type URL {wanted} in DeltaDiscoveryResponse"
        )
    }

    pub(super) fn told(&self, message: &DiscoveryResponse, opened: &[Opened]) -> Told {
        let by_name: HashMap<Cow<'_, str>, &Opened> = opened
            .iter()
            .map(|one| (normalized(&one.name), one))
            .collect();
        let gone: HashMap<Cow<'_, str>, &String> = message
            .removed
            .iter()
            .map(|name| (normalized(name), name))
            .collect();
        let is_empty = message.changed.is_empty() && message.removed.is_empty();
        let mut told = Told::new();
        for watch in &self.watches {
            if let (true, Some(space)) = (watch.is_namespace, &watch.name) {
                if let Some(share) = of_namespace(space, message, opened) {
                    told.push((watch.id, News::Update(share)));
                }
                continue;
            }
            let share = match &watch.name {
                None if is_empty || !opened.is_empty() || !gone.is_empty() => {
                    let gone = message.removed.iter().map(|name| name.as_str().into());
                    response(&message.version, opened.iter(), Some(gone.collect()))
                }
                None => continue,
                Some(_) if watch.is_collection => {
                    let found = opened.iter().filter(|one| watch.has_member(&one.name));
                    let mut found = found.peekable();
                    let gone = message.removed.iter();
                    let gone = gone.filter(|name| watch.has_member(name));
                    let gone: Vec<Box<str>> = gone.map(|name| name.as_str().into()).collect();
                    if found.peek().is_none() && gone.is_empty() {
                        continue;
                    }
                    response(&message.version, found, Some(gone))
                }
                Some(_) => {
                    let found = watch.names().filter_map(|name| by_name.get(name).copied());
                    let mut found = found.peekable();
                    let gone = watch.names().filter_map(|name| gone.get(name));
                    let gone: Vec<Box<str>> = gone.map(|name| name.as_str().into()).collect();
                    if found.peek().is_none() && gone.is_empty() {
                        continue;
                    }
                    response(&message.version, found, Some(gone))
                }
            };
            told.push((watch.id, News::Update(share)));
        }
        told
    }

    /// Notes the versions that the server has told.
    pub(super) fn accept(&mut self, message: &DiscoveryResponse, now: Instant) {
        let wants_all = self.requested.contains_key(WILDCARD);
        for resource in &message.changed {
            let (name, version) = (&resource.name, &resource.version);
            let own = normalized(name);
            if !wants_all && !self.requested.contains_key(&*own) {
                continue;
            }
            if resource.resource.is_none() && self.is_unknown(name) {
                // The late answer for a name that was given up.
                continue;
            }
            self.lives.set(name.as_str().into(), resource.ttl, now);
            if let Some(known) = self.requested.get_mut(&*own) {
                *known = Some(version.clone());
                continue;
            }
            self.wildcard.insert(name.clone(), version.clone());
            self.ambiguous.remove(name);
        }
        for name in &message.removed {
            if let Some(known) = self.requested.get_mut(&*normalized(name)) {
                *known = None;
            } else if self.ambiguous.remove(name).is_none() {
                self.wildcard.remove(name);
            }
        }
    }

    /// Whether nothing of this name is wanted by it or there.
    pub(super) fn is_unknown(&self, name: &str) -> bool {
        let is_there = self.wildcard.contains_key(name) || self.ambiguous.contains_key(name);
        !is_there && !self.requested.contains_key(&*normalized(name))
    }

    pub(super) fn forget(&mut self, name: &str) {
        if let Some(known) = self.requested.get_mut(&*normalized(name)) {
            *known = None;
            return;
        }
        self.wildcard.remove(name);
        self.ambiguous.remove(name);
    }
}

fn is_of_namespace(space: &str, name: &str) -> bool {
    name.rsplit_once('/').is_some_and(|(of, _)| of == space)
}

/// What there is of a namespace: resources whose names are its own, a slash and something without one. None if there
/// is nothing.
fn of_namespace(
    space: &str,
    message: &DiscoveryResponse,
    opened: &[Opened],
) -> Option<Box<Response>> {
    let is_of_it = |name: &str| is_of_namespace(space, name);
    let found = opened.iter().filter(|one| is_of_it(&one.name));
    let gone = message.removed.iter().filter(|name| is_of_it(name));
    let gone: Vec<Box<str>> = gone.map(|name| name.as_str().into()).collect();
    let named = message.changed.iter().filter(|one| is_of_it(&one.name));
    let names = named.flat_map(|one| [&one.name].into_iter().chain(&one.aliases));
    let names: Vec<Box<str>> = names.map(|name| name.as_str().into()).collect();
    if names.is_empty() && gone.is_empty() {
        return None;
    }
    let mut share = response(&message.version, found, Some(gone));
    let of_nothing = message.changed.iter().filter(|one| one.resource.is_none());
    let missing = of_nothing.filter(|one| is_of_it(&one.name));
    let missing = missing.flat_map(|one| [&one.name].into_iter().chain(&one.aliases));
    share.missing = missing.map(|name| name.as_str().into()).collect();
    share.names = names;
    Some(share)
}
