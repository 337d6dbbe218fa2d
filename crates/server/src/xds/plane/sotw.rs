//! State of the world: each request names all that is wanted of a type, and each response has all of it.
//!
//! Bytes in, news and requests out; time comes from the outbox's clock. Requests are made when Envoy makes them: for
//! each watch that comes or goes, for each answer, and for all types anew on a new stream.
//!
//! Differs from Envoy: of a response that one watcher rejects, the others keep what they could use (in Envoy this
//! depends on the order of the watchers); a response of nothing but longer lives changes nothing else.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use nuncio_config::resources::UnknownFields;
use nuncio_config::wire::discovery::{DiscoveryRequest, DiscoveryResponse, RawResource, Status};

use super::lives::Lives;
use super::news::{InHand, News, Told, Watch, WatchId};
use super::opened::{Checks, INVALID_LIFE, Opened, response};
use super::outbox::{Outbox, rejection};
use crate::resource_name::normalized;

/// The machine.
pub(super) struct Sotw {
    pub(super) outbox: Outbox,
    unknown: UnknownFields,
    types: Vec<OfType>,
    /// Those that were ever wanted, in that order.
    wanted: Vec<usize>,
    queue: VecDeque<usize>,
    in_hand: Option<InHand>,
}

struct OfType {
    type_url: Rc<str>,
    version: String,
    /// What becomes the version if what is in hand is accepted.
    next_version: String,
    nonce: String,
    error: Option<Status>,
    /// The newest first, as Envoy names them.
    watches: VecDeque<Watch>,
    pauses: u32,
    is_pending: bool,
    lives: Lives,
}

impl Sotw {
    pub(super) fn new(outbox: Outbox, unknown: UnknownFields) -> Self {
        Sotw {
            outbox,
            unknown,
            types: Vec::new(),
            wanted: Vec::new(),
            queue: VecDeque::new(),
            in_hand: None,
        }
    }

    fn place(&mut self, type_url: &str) -> usize {
        let place = self.types.iter().position(|one| &*one.type_url == type_url);
        place.unwrap_or_else(|| {
            self.types.push(OfType {
                type_url: type_url.into(),
                version: String::new(),
                next_version: String::new(),
                nonce: String::new(),
                error: None,
                watches: VecDeque::new(),
                pauses: 0,
                is_pending: false,
                lives: Lives::default(),
            });
            self.types.len() - 1
        })
    }

    pub(super) fn watch(&mut self, type_url: &str, watch: Watch) {
        let place = self.place(type_url);
        if let Some(of_type) = self.types.get_mut(place) {
            of_type.watches.push_front(watch);
        }
        if !self.wanted.contains(&place) {
            self.wanted.push(place);
        }
        self.queue(place);
    }

    pub(super) fn unwatch(&mut self, id: WatchId) -> Told {
        let told = self.answered(id, None);
        for place in 0..self.types.len() {
            let Some(of_type) = self.types.get_mut(place) else {
                continue;
            };
            let Some(at) = of_type.watches.iter().position(|watch| watch.id == id) else {
                continue;
            };
            if of_type
                .watches
                .remove(at)
                .is_some_and(|watch| watch.name.is_some())
            {
                self.queue(place);
            }
        }
        told
    }

    pub(super) fn pause(&mut self, type_url: &str) {
        let place = self.place(type_url);
        if let Some(of_type) = self.types.get_mut(place) {
            of_type.pauses += 1;
        }
    }

    pub(super) fn resume(&mut self, type_url: &str) {
        let place = self.place(type_url);
        let Some(of_type) = self.types.get_mut(place) else {
            return;
        };
        of_type.pauses = of_type.pauses.saturating_sub(1);
        if of_type.pauses == 0 && std::mem::take(&mut of_type.is_pending) {
            self.queue(place);
        }
    }

    pub(super) fn connected(&mut self) {
        self.outbox.connected();
        self.queue.clear();
        for of_type in &mut self.types {
            of_type.nonce.clear();
        }
        for place in self.wanted.clone() {
            self.queue(place);
        }
    }

    pub(super) fn disconnected(&mut self) -> Told {
        self.outbox.disconnected();
        if let Some(in_hand) = &mut self.in_hand {
            in_hand.is_stale = true;
        }
        let watches = self.types.iter().flat_map(|of_type| &of_type.watches);
        watches
            .map(|watch| (watch.id, News::Disconnected))
            .collect()
    }

    /// How many requests wait for the limit.
    pub(super) fn pending(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_hand.is_some()
    }

    /// Takes a response; those who are told have to answer it.
    pub(super) fn received(&mut self, message: &DiscoveryResponse) -> Told {
        let known = self
            .types
            .iter()
            .position(|one| *one.type_url == *message.type_url);
        let Some(place) = known else {
            return Told::new();
        };
        let Some(of_type) = self.types.get_mut(place) else {
            return Told::new();
        };
        if of_type.watches.is_empty() {
            of_type.nonce.clone_from(&message.nonce);
            match message.resources.is_empty() {
                true => of_type.version.clone_from(&message.version),
                false => self.queue(place),
            }
            return Told::new();
        }
        of_type.pauses += 1;
        of_type.next_version.clone_from(&message.version);
        let now = self.outbox.now();
        let (told, error) = match of_type.shares(message, self.unknown, now) {
            Ok(told) => (told, None),
            Err(reason) => (Told::new(), Some(reason)),
        };
        let mut in_hand = InHand::new(&message.type_url, &message.nonce, &told);
        in_hand.error = error;
        let is_answered = in_hand.is_answered();
        self.in_hand = Some(in_hand);
        match is_answered {
            true => self.conclude(),
            false => told,
        }
    }

    /// Notes what a watcher made of its share; the last answer is told to the server.
    pub(super) fn answered(&mut self, watch: WatchId, error: Option<&str>) -> Told {
        let Some(in_hand) = &mut self.in_hand else {
            return Told::new();
        };
        in_hand.answer(watch, error);
        match in_hand.is_answered() {
            true => self.conclude(),
            false => Told::new(),
        }
    }

    fn conclude(&mut self) -> Told {
        let Some(in_hand) = self.in_hand.take() else {
            return Told::new();
        };
        let place = self.place(&in_hand.type_url);
        let Some(of_type) = self.types.get_mut(place) else {
            return Told::new();
        };
        let rejected = in_hand.rejected(of_type.watches.iter());
        let was_pending = std::mem::take(&mut of_type.is_pending);
        of_type.pauses = of_type.pauses.saturating_sub(1);
        if in_hand.error.is_none() {
            of_type.version = std::mem::take(&mut of_type.next_version);
        }
        if !in_hand.is_stale {
            of_type.error = in_hand.error.as_deref().map(rejection);
            of_type.nonce = in_hand.nonce;
        }
        if was_pending || !in_hand.is_stale {
            self.queue(place);
        }
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
            for watch in &of_type.watches {
                let own = watch.name.as_deref();
                let gone = ended.iter().filter(|name| {
                    own.is_none_or(|own| *own == *normalized(name)) || watch.has_member(name)
                });
                let gone: Vec<_> = gone.cloned().collect();
                if !gone.is_empty() {
                    let gone = response("", std::iter::empty(), Some(gone));
                    told.push((watch.id, News::Update(gone)));
                }
            }
        }
        told
    }

    /// Sends what may be sent now.
    pub(super) fn drain(&mut self) {
        while !self.queue.is_empty() && self.outbox.may_send() {
            if let Some(place) = self.queue.pop_front() {
                self.send(place);
            }
        }
    }

    fn queue(&mut self, place: usize) {
        let Some(of_type) = self.types.get_mut(place) else {
            return;
        };
        if !self.outbox.is_connected() {
            return;
        }
        if of_type.pauses > 0 {
            of_type.is_pending = true;
            return;
        }
        self.queue.push_back(place);
        self.drain();
    }

    fn send(&mut self, place: usize) {
        let Some(of_type) = self.types.get_mut(place) else {
            return;
        };
        let mut names: Vec<String> = Vec::with_capacity(of_type.watches.len());
        let mut seen = HashSet::new();
        for name in of_type
            .watches
            .iter()
            .filter_map(|watch| watch.name.as_ref())
        {
            if seen.insert(name) {
                names.push(name.to_string());
            }
        }
        let request = DiscoveryRequest {
            version_info: of_type.version.clone(),
            node: self.outbox.node(),
            resource_names: names,
            type_url: of_type.type_url.to_string(),
            response_nonce: of_type.nonce.clone(),
            error_detail: of_type.error.take(),
        };
        self.outbox.push(request.encode());
    }
}

impl OfType {
    /// What each watcher gets of a response.
    fn shares(
        &mut self,
        message: &DiscoveryResponse,
        unknown: UnknownFields,
        now: Instant,
    ) -> Result<Told, String> {
        let rules = self.watches.iter().any(|watch| watch.name.is_some());
        let checks = Checks { rules, unknown };
        let mut opened = Vec::with_capacity(message.resources.len());
        let mut lives = Vec::new();
        for raw in &message.resources {
            if raw.type_url == RawResource::TYPE_URL {
                let resource = RawResource::decode(&raw.value)
                    .ok_or_else(|| format!("Unable to unpack as {}", RawResource::TYPE_URL))?;
                if resource.has_invalid_ttl {
                    return Err(INVALID_LIFE.to_owned());
                }
                let name = resource.name.as_str().into();
                if let Some(inner) = &resource.resource {
                    opened.push(Opened::open(inner, &message.version, checks)?);
                    lives.push((name, resource.ttl));
                } else {
                    lives.push((name, resource.ttl));
                }
                continue;
            }
            if raw.type_url != message.type_url {
                return Err(format!(
                    "{} does not match the message-wide type URL {} in DiscoveryResponse",
                    raw.type_url, message.type_url
                ));
            }
            let one = Opened::open(raw, &message.version, checks)?;
            lives.push((one.name.clone(), None));
            opened.push(one);
        }
        let nothing_new = opened.is_empty() && !message.resources.is_empty();
        for (name, ttl) in lives {
            self.lives.set(name, ttl, now);
        }
        if nothing_new {
            return Ok(Told::new());
        }
        let mut by_name: HashMap<Cow<'_, str>, &Opened> = HashMap::new();
        for one in &opened {
            by_name.entry(normalized(&one.name)).or_insert(one);
        }
        let mut told = Told::new();
        for watch in &self.watches {
            let share = match &watch.name {
                None => response(&message.version, opened.iter(), None),
                Some(_) if watch.is_collection => {
                    let members = opened.iter().filter(|one| watch.has_member(&one.name));
                    let mut members = members.peekable();
                    if members.peek().is_none() {
                        continue;
                    }
                    response(&message.version, members, None)
                }
                Some(name) => match by_name.get(&**name) {
                    Some(one) => response(&message.version, std::iter::once(*one), None),
                    None => continue,
                },
            };
            told.push((watch.id, News::Update(share)));
        }
        Ok(told)
    }
}
