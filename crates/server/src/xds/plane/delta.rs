//! Delta: requests name what is wanted or wanted no more, and responses have what came, changed or went.
//!
//! Bytes in, news and requests out; time comes from the outbox's clock. What is known of the server's versions is kept
//! over streams, and told to the next one (`initial_resource_versions`). A type that is wanted without names is wanted
//! as a whole by a first request that is empty, as in Envoy.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use nuncio_config::resources::Response;
use nuncio_config::wire::discovery::{DeltaRequest, DiscoveryResponse, RawResource, Status};

use super::lives::Lives;
use super::news::{InHand, News, Told, Watch, WatchId};
use super::opened::{INVALID_LIFE, Opened, response};
use super::outbox::{Outbox, rejection};

/// The name that stands for all there is.
const WILDCARD: &str = "*";

/// The machine.
pub(super) struct Delta {
    pub(super) outbox: Outbox,
    /// In the order in which they were first wanted.
    types: Vec<OfType>,
    answers: VecDeque<Answer>,
    in_hand: Option<(InHand, DiscoveryResponse)>,
}

struct Answer {
    place: usize,
    nonce: String,
    error: Option<Status>,
}

/// What is known of one type.
struct OfType {
    type_url: Rc<str>,
    watches: Vec<Watch>,
    pauses: u32,
    /// What is wanted by name, with the version that is there.
    requested: BTreeMap<String, Option<String>>,
    /// What came because all is wanted.
    wildcard: BTreeMap<String, String>,
    /// What was wanted by name and may be among all.
    ambiguous: BTreeMap<String, String>,
    added: BTreeSet<String>,
    removed: BTreeSet<String>,
    /// Nothing was named yet, so that a first empty request asks for all.
    is_legacy_wildcard: bool,
    has_sent: bool,
    lives: Lives,
}

impl OfType {
    fn new(type_url: &str) -> Self {
        OfType {
            type_url: type_url.into(),
            watches: Vec::new(),
            pauses: 0,
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

    fn want(&mut self, name: &str) {
        self.is_legacy_wildcard &= name == WILDCARD;
        let known = self
            .wildcard
            .remove(name)
            .or_else(|| self.ambiguous.remove(name));
        self.requested.insert(name.to_owned(), known);
        self.removed.remove(name);
        self.added.insert(name.to_owned());
    }

    fn want_no_more(&mut self, name: &str) {
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
    fn give_up(&mut self, name: &str) {
        self.want_no_more(name);
        self.ambiguous.remove(name);
        self.lives.remove(name);
    }

    /// Whether anybody watches this name.
    fn is_watched(&self, name: &str) -> bool {
        self.watches.iter().any(|watch| watch.has(name))
    }

    /// Whether there is something to say.
    fn has_news(&self) -> bool {
        let is_first = !self.has_sent;
        !self.added.is_empty()
            || !self.removed.is_empty()
            || is_first && (!self.requested.is_empty() || self.is_legacy_wildcard)
    }

    /// The next request, without an answer in it.
    fn request(&mut self) -> DeltaRequest {
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
    fn asks_for_all(&mut self) -> bool {
        if self.is_legacy_wildcard {
            self.requested.insert(WILDCARD.to_owned(), None);
            return true;
        }
        let is_unchanged = self.added.is_empty() && self.removed.is_empty();
        is_unchanged && self.requested.len() == 1 && self.requested.contains_key(WILDCARD)
    }

    /// Whether a resource that came is only to live longer.
    fn is_heartbeat(&self, resource: &RawResource) -> bool {
        let known = match self.requested.get(&resource.name) {
            Some(version) => version.as_ref(),
            None => self
                .wildcard
                .get(&resource.name)
                .or_else(|| self.ambiguous.get(&resource.name)),
        };
        resource.resource.is_none() && known == Some(&resource.version)
    }

    /// Whether anybody watches a resource of this name; others may be whatever they like, as in Envoy.
    fn is_of_concern(&self, name: &str) -> bool {
        self.watches.iter().any(|watch| match &watch.name {
            None => true,
            Some(space) if watch.is_namespace => is_of_namespace(space, name),
            Some(_) => watch.has(name),
        })
    }

    /// Whether a resource may say that there is none of its names.
    fn may_be_empty(&self, resource: &RawResource) -> bool {
        !resource.aliases.is_empty() || self.watches.iter().any(|watch| watch.is_namespace)
    }

    /// What each watcher gets of a response.
    fn shares(&self, message: &DiscoveryResponse) -> Result<Told, String> {
        let mut names = BTreeSet::new();
        let checks = self.watches.iter().any(|watch| watch.name.is_some());
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

    fn mismatch(&self, found: &str, wanted: &str) -> String {
        format!(
            "type URL {found} embedded in an individual Any does not match the message-wide type URL {wanted} in DeltaDiscoveryResponse"
        )
    }

    fn told(&self, message: &DiscoveryResponse, opened: &[Opened]) -> Told {
        let by_name: HashMap<&str, &Opened> = opened.iter().map(|one| (&*one.name, one)).collect();
        let gone: BTreeSet<&str> = message.removed.iter().map(String::as_str).collect();
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
                Some(_) => {
                    let found = watch.names().filter_map(|name| by_name.get(name).copied());
                    let mut found = found.peekable();
                    let gone = watch.names().filter_map(|name| gone.get(name));
                    let gone: Vec<Box<str>> = gone.map(|name| (*name).into()).collect();
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
    fn accept(&mut self, message: &DiscoveryResponse, now: Instant) {
        let wants_all = self.requested.contains_key(WILDCARD);
        for resource in &message.changed {
            let (name, version) = (&resource.name, &resource.version);
            if !wants_all && !self.requested.contains_key(name) {
                continue;
            }
            if resource.resource.is_none() && self.is_unknown(name) {
                // The late answer for a name that was given up.
                continue;
            }
            self.lives.set(name.as_str().into(), resource.ttl, now);
            if let Some(known) = self.requested.get_mut(name) {
                *known = Some(version.clone());
                continue;
            }
            self.wildcard.insert(name.clone(), version.clone());
            self.ambiguous.remove(name);
        }
        for name in &message.removed {
            if let Some(known) = self.requested.get_mut(name) {
                *known = None;
            } else if self.ambiguous.remove(name).is_none() {
                self.wildcard.remove(name);
            }
        }
    }

    /// Whether nothing of this name is wanted by it or there.
    fn is_unknown(&self, name: &str) -> bool {
        let is_there = self.wildcard.contains_key(name) || self.ambiguous.contains_key(name);
        !is_there && !self.requested.contains_key(name)
    }

    fn forget(&mut self, name: &str) {
        if let Some(known) = self.requested.get_mut(name) {
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

impl Delta {
    pub(super) fn new(outbox: Outbox) -> Self {
        Delta {
            outbox,
            types: Vec::new(),
            answers: VecDeque::new(),
            in_hand: None,
        }
    }

    fn place(&mut self, type_url: &str) -> usize {
        let place = self.types.iter().position(|one| &*one.type_url == type_url);
        place.unwrap_or_else(|| {
            self.types.push(OfType::new(type_url));
            self.types.len() - 1
        })
    }

    pub(super) fn watch(&mut self, type_url: &str, watch: Watch) {
        let place = self.place(type_url);
        let Some(of_type) = self.types.get_mut(place) else {
            return;
        };
        if let Some(name) = &watch.name
            && !watch.is_namespace
            && !of_type.requested.contains_key(&**name)
        {
            of_type.want(name);
        }
        of_type.watches.push(watch);
        self.drain();
    }

    /// Watches one more name.
    pub(super) fn also(&mut self, id: WatchId, name: &str) {
        for of_type in &mut self.types {
            let mut watches = of_type.watches.iter_mut();
            let Some(watch) = watches.find(|watch| watch.id == id) else {
                continue;
            };
            if watch.has(name) && !watch.is_namespace {
                continue;
            }
            let is_of_namespace = watch.is_namespace;
            watch.others.insert(name.into());
            // One of a namespace is asked for as often as somebody needs it.
            if is_of_namespace || !of_type.requested.contains_key(name) {
                of_type.want(name);
            }
        }
        self.drain();
    }

    /// Watches a name no more.
    pub(super) fn no_more(&mut self, id: WatchId, name: &str) {
        for of_type in &mut self.types {
            let mut watches = of_type.watches.iter_mut();
            let watch = watches.find(|watch| watch.id == id);
            if watch.is_some_and(|watch| watch.take_out(name)) && !of_type.is_watched(name) {
                of_type.give_up(name);
            }
        }
        self.drain();
    }

    pub(super) fn unwatch(&mut self, id: WatchId) -> Told {
        let told = self.answered(id, None);
        for of_type in &mut self.types {
            let Some(at) = of_type.watches.iter().position(|watch| watch.id == id) else {
                continue;
            };
            let gone = of_type.watches.remove(at);
            for name in gone.names() {
                if !of_type.is_watched(name) {
                    of_type.want_no_more(name);
                }
            }
        }
        self.drain();
        told
    }

    pub(super) fn pause(&mut self, type_url: &str) {
        // A type that nobody wants has nothing to say.
        let mut types = self.types.iter_mut();
        if let Some(of_type) = types.find(|one| &*one.type_url == type_url) {
            of_type.pauses += 1;
        }
    }

    pub(super) fn resume(&mut self, type_url: &str) {
        let mut types = self.types.iter_mut();
        if let Some(of_type) = types.find(|one| &*one.type_url == type_url) {
            of_type.pauses = of_type.pauses.saturating_sub(1);
        }
        self.drain();
    }

    pub(super) fn connected(&mut self) {
        self.outbox.connected();
        for of_type in &mut self.types {
            of_type.has_sent = false;
        }
        self.answers.clear();
        self.drain();
    }

    pub(super) fn disconnected(&mut self) -> Told {
        self.outbox.disconnected();
        if let Some((in_hand, _)) = &mut self.in_hand {
            in_hand.is_stale = true;
        }
        let watches = self.types.iter().flat_map(|of_type| &of_type.watches);
        watches
            .map(|watch| (watch.id, News::Disconnected))
            .collect()
    }

    /// How many answers wait for the limit.
    pub(super) fn pending(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_hand.is_some()
    }

    /// Takes a response; those who are told have to answer it.
    pub(super) fn received(&mut self, message: DiscoveryResponse) -> Told {
        let mut types = self.types.iter();
        let Some(of_type) = types.find(|one| *one.type_url == *message.type_url) else {
            return Told::new();
        };
        let (told, error) = match of_type.shares(&message) {
            Ok(told) => (told, None),
            Err(reason) => (Told::new(), Some(reason)),
        };
        let mut in_hand = InHand::new(&message.type_url, &message.nonce, &told);
        in_hand.error = error;
        let is_answered = in_hand.is_answered();
        self.in_hand = Some((in_hand, message));
        match is_answered {
            true => self.conclude(),
            false => told,
        }
    }

    /// Notes what a watcher made of its share; the last answer is told to the server.
    pub(super) fn answered(&mut self, watch: WatchId, error: Option<&str>) -> Told {
        let Some((in_hand, _)) = &mut self.in_hand else {
            return Told::new();
        };
        in_hand.answer(watch, error);
        match in_hand.is_answered() {
            true => self.conclude(),
            false => Told::new(),
        }
    }

    fn conclude(&mut self) -> Told {
        let Some((in_hand, message)) = self.in_hand.take() else {
            return Told::new();
        };
        let place = self.place(&in_hand.type_url);
        let now = self.outbox.now();
        let Some(of_type) = self.types.get_mut(place) else {
            return Told::new();
        };
        if in_hand.error.is_none() {
            of_type.accept(&message, now);
        }
        let rejected = in_hand.rejected(of_type.watches.iter());
        if !in_hand.is_stale {
            self.answers.push_back(Answer {
                place,
                nonce: in_hand.nonce,
                error: in_hand.error.as_deref().map(rejection),
            });
        }
        self.drain();
        rejected
    }

    /// When the life of some resource ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.types
            .iter()
            .filter_map(|of_type| of_type.lives.next_end())
            .min()
    }

    /// Takes away what has lived long enough.
    pub(super) fn expire(&mut self, now: Instant) -> Told {
        let mut told = Told::new();
        for of_type in &mut self.types {
            let ended = of_type.lives.ended(now);
            if ended.is_empty() {
                continue;
            }
            for name in &ended {
                of_type.forget(name);
            }
            let gone = DiscoveryResponse {
                removed: ended.iter().map(ToString::to_string).collect(),
                ..DiscoveryResponse::default()
            };
            told.extend(of_type.told(&gone, &[]));
        }
        told
    }

    /// Sends what may be sent now: answers first, then what is wanted, type by type.
    pub(super) fn drain(&mut self) {
        loop {
            let paused = |place: usize| self.types.get(place).is_some_and(|one| one.pauses > 0);
            let answer = self.answers.iter().position(|answer| !paused(answer.place));
            let wants = || {
                let mut all = self.types.iter();
                all.position(|one| one.pauses == 0 && one.has_news())
            };
            let Some(place) = answer
                .and_then(|at| Some(self.answers.get(at)?.place))
                .or_else(wants)
            else {
                return;
            };
            if !self.outbox.may_send() {
                return;
            }
            let Some(of_type) = self.types.get_mut(place) else {
                return;
            };
            let mut request = of_type.request();
            request.node = self.outbox.node_always();
            if let Some(answer) = answer.and_then(|at| self.answers.remove(at)) {
                request.response_nonce = answer.nonce;
                request.error_detail = answer.error;
            }
            self.outbox.push(request.encode());
        }
    }
}
