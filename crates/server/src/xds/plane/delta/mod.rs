//! Delta: requests name what is wanted or wanted no more, and responses have what came, changed or went.
//!
//! Bytes in, news and requests out; time comes from the outbox's clock. What is known of the server's versions is kept
//! over streams, and told to the next one (`initial_resource_versions`). A type that is wanted without names is wanted
//! as a whole by a first request that is empty, as in Envoy.

mod of_type;

use std::collections::VecDeque;
use std::time::Instant;

use nuncio_config::resources::UnknownFields;
use nuncio_config::wire::discovery::{DiscoveryResponse, Status};

use super::news::{InHand, News, Told, Watch, WatchId};
use super::outbox::{Outbox, rejection};
use of_type::OfType;

/// The machine.
pub(super) struct Delta {
    pub(super) outbox: Outbox,
    unknown: UnknownFields,
    /// In the order in which they were first wanted.
    types: Vec<OfType>,
    /// Types that say nothing at present, once for each who wants it so; some of them may not be wanted yet.
    paused: Vec<Box<str>>,
    answers: VecDeque<Answer>,
    in_hand: Option<(InHand, DiscoveryResponse)>,
}

struct Answer {
    place: usize,
    nonce: String,
    error: Option<Status>,
}

impl Delta {
    pub(super) fn new(outbox: Outbox, unknown: UnknownFields) -> Self {
        Delta {
            outbox,
            unknown,
            types: Vec::new(),
            paused: Vec::new(),
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
        self.paused.push(type_url.into());
    }

    pub(super) fn resume(&mut self, type_url: &str) {
        let mut paused = self.paused.iter();
        if let Some(at) = paused.position(|one| &**one == type_url) {
            self.paused.swap_remove(at);
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
        let (told, error) = match of_type.shares(&message, self.unknown) {
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
            let is_paused =
                |one: &OfType| self.paused.iter().any(|paused| **paused == *one.type_url);
            let may_say = |place| self.types.get(place).is_none_or(|one| !is_paused(one));
            let answer = self.answers.iter().position(|answer| may_say(answer.place));
            let wants = || {
                let mut all = self.types.iter();
                all.position(|one| one.has_news() && !is_paused(one))
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
            request.node = self.outbox.node();
            if let Some(answer) = answer.and_then(|at| self.answers.remove(at)) {
                request.response_nonce = answer.nonce;
                request.error_detail = answer.error;
            }
            self.outbox.push(request.encode());
        }
    }
}
