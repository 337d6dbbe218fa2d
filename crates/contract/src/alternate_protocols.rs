//! Which origins say that they speak HTTP/3 too (`alt-svc`, RFC 7838), and how that went: what clusters choose by and what
//! the filter of `alt-svc` tells.
//!
//! A cache is of one worker. It has as many origins as its configuration says (1,024 where it says nothing); the one that is
//! known for longest makes room. Of a header ten alternatives are looked at. HTTP/3 that has failed where TCP has not is
//! broken for a second, and for twice as long each time that it fails again, three days at most.
//!
//! Trust: headers come from hosts; an origin is the host that was asked, so that no host speaks for another.

mod header;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

pub use header::{Alternative, parse};

/// The most origins where nothing else is said.
pub const DEFAULT_MAX_ENTRIES: usize = 1024;
/// Alternatives of an origin that are looked at.
const MAX_ALTERNATIVES: usize = 10;
/// How long HTTP/3 is broken at first.
const BROKEN: Duration = Duration::from_secs(1);
/// How often that time is doubled.
const MAX_DOUBLINGS: u32 = 18;

/// Who is asked: a name in lower case, which may be empty, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    name: Box<str>,
    port: u16,
}

impl Origin {
    /// The origin of that name, whatever its case.
    pub fn new(name: &str, port: u16) -> Self {
        Self {
            name: name.to_ascii_lowercase().into(),
            port,
        }
    }
}

/// What to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// TCP alone.
    Tcp,
    /// HTTP/3, and TCP where it does not come about.
    Http3,
    /// Both at once, as HTTP/3 has failed before.
    Both,
}

/// What is known of HTTP/3 with an origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Untried,
    BrokenUntil(Instant),
    Confirmed,
}

#[derive(Debug, Default)]
struct Known {
    /// Until when HTTP/3 is spoken there; none if it is not.
    until: Option<Instant>,
    state: State,
    failures: u32,
}

/// How long what is configured is true.
const CONFIGURED: Duration = Duration::from_secs(365 * 24 * 3600);

/// What is known of origins.
#[derive(Debug)]
pub struct AlternateProtocolsCache {
    most: usize,
    known: RefCell<Origins>,
}

#[derive(Debug, Default)]
struct Origins {
    by_origin: HashMap<Origin, Known>,
    /// Known for longest first.
    order: VecDeque<Origin>,
}

impl AlternateProtocolsCache {
    /// A cache of at most so many origins.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            known: RefCell::default(),
        }
    }

    /// An origin that is configured to speak HTTP/3.
    pub fn prepopulate(&self, origin: &Origin, now: Instant) {
        self.with(origin, |known| known.until = Some(now + CONFIGURED));
    }

    /// An origin has said what else it speaks.
    pub fn learn(&self, origin: &Origin, alternatives: &[Alternative], now: Instant) {
        let usable = alternatives
            .iter()
            .take(MAX_ALTERNATIVES)
            .filter(|one| one.is_http3 && one.port == origin.port)
            .filter(|one| one.host.is_empty());
        // What is beyond what a clock can tell is never over.
        let until = usable.filter_map(|one| now.checked_add(one.max_age)).max();
        self.with(origin, |known| known.until = until);
    }

    /// What to try with an origin.
    pub fn choose(&self, origin: &Origin, now: Instant) -> Choice {
        let origins = self.known.borrow();
        let Some(known) = origins.by_origin.get(origin) else {
            return Choice::Tcp;
        };
        match (known.until, known.state) {
            (None, _) => Choice::Tcp,
            (Some(until), _) if until < now => Choice::Tcp,
            (_, State::BrokenUntil(end)) if now < end => Choice::Tcp,
            (_, State::BrokenUntil(_)) => Choice::Both,
            (_, State::Untried | State::Confirmed) => Choice::Http3,
        }
    }

    /// HTTP/3 has not come about where TCP has.
    pub fn mark_broken(&self, origin: &Origin, now: Instant) {
        self.with(origin, |known| {
            if matches!(known.state, State::BrokenUntil(end) if now < end) {
                return;
            }
            let broken = BROKEN * 2_u32.pow(known.failures);
            known.state = State::BrokenUntil(now + broken);
            known.failures = (known.failures + 1).min(MAX_DOUBLINGS);
        });
    }

    /// HTTP/3 has come about.
    pub fn mark_confirmed(&self, origin: &Origin) {
        self.with(origin, |known| {
            known.state = State::Confirmed;
            known.failures = 0;
        });
    }

    fn with(&self, origin: &Origin, change: impl FnOnce(&mut Known)) {
        let mut origins = self.known.borrow_mut();
        if let Some(known) = origins.by_origin.get_mut(origin) {
            return change(known);
        }
        while origins.by_origin.len() >= self.most {
            let Some(oldest) = origins.order.pop_front() else {
                break;
            };
            origins.by_origin.remove(&oldest);
        }
        let mut known = Known::default();
        change(&mut known);
        origins.order.push_back(origin.clone());
        origins.by_origin.insert(origin.clone(), known);
    }
}

/// What a host of a cluster that tries HTTP/3 is told apart by.
#[derive(Clone, Debug)]
pub struct HostAlternatives {
    /// What its cluster chooses by.
    pub cache: Rc<AlternateProtocolsCache>,
    /// Its port.
    pub port: u16,
}
