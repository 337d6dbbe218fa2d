//! Many routes, found without asking each: whole paths by hash, beginnings of paths in a sorted table, regular
//! expressions under the text that they begin with and, where several share it, in one automaton.
//!
//! It only tells which routes are worth asking; the matchers decide, and the lowest place of those that match is
//! the answer, so that a table with an index and one without cannot differ in what they want. What it saves depends
//! on paths alone: routes of one path that differ by headers are asked one by one. Short runs have none, as asking
//! them all is cheaper.

mod prefixes;

use std::collections::BTreeMap;

use hashbrown::HashMap;
use nuncio_contract::matching::CompiledRegex;

use prefixes::{Asked, Prefixes};

/// From so many routes on an index pays.
pub(super) const LEAST_ROUTES: usize = 24;

const STACK_PATH_BYTES: usize = 512;

/// What a route's path has to be like, as far as the index can tell.
pub(super) enum Reach<'r> {
    /// This and nothing else.
    Whole { text: &'r [u8], ignore_case: bool },
    /// Something that begins with this.
    Beginning { text: &'r [u8], ignore_case: bool },
    /// What this pattern takes.
    Pattern(&'r CompiledRegex),
    /// Nothing is known of it; it may even have no path.
    Unknown,
}

/// What is asked of a route that is worth asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether it matches.
    All,
    /// Whether it matches if its path does.
    BesidePath,
}

type Whole = HashMap<Box<[u8]>, Vec<u32>>;

/// The index of a run of routes.
#[derive(Debug, Default)]
pub(super) struct PathIndex {
    exact: Sides<Whole>,
    prefixes: Sides<Prefixes>,
    unknown: Vec<u32>,
}

/// One for each meaning of case. Those that ignore it have their texts in lower case.
#[derive(Debug, Default)]
struct Sides<T> {
    sensitive: T,
    folded: T,
}

impl PathIndex {
    /// The index of routes with these paths, in order.
    pub(super) fn new<'r>(routes: impl Iterator<Item = Reach<'r>>) -> Self {
        let mut index = PathIndex::default();
        let mut beginnings: Sides<BTreeMap<Vec<u8>, Asked<'r>>> = Sides::default();
        for (place, reach) in (0_u32..).zip(routes) {
            match reach {
                Reach::Whole { text, ignore_case } => {
                    let (side, text) = index.exact.side(text, ignore_case);
                    side.entry(text.into()).or_default().push(place);
                }
                Reach::Beginning { text, ignore_case } => {
                    let (side, text) = beginnings.side(text, ignore_case);
                    side.entry(text).or_default().routes.push(place);
                }
                Reach::Pattern(regex) => {
                    let asked = beginnings.sensitive.entry(regex.literal_prefix());
                    asked.or_default().patterns.push((place, regex));
                }
                Reach::Unknown => index.unknown.push(place),
            }
        }
        index.prefixes = Sides {
            sensitive: Prefixes::new(beginnings.sensitive),
            folded: Prefixes::new(beginnings.folded),
        };
        index
    }

    /// The first route that `matches`; only those are asked whose path can be `path`.
    pub(super) fn first(
        &self,
        path: Option<&[u8]>,
        mut matches: impl FnMut(u32, Question) -> bool,
    ) -> Option<u32> {
        let mut first = First {
            place: u32::MAX,
            matches: &mut matches,
        };
        first.ask(&self.unknown);
        if let Some(path) = path {
            if let Some(places) = self.exact.sensitive.get(path) {
                first.ask(places);
            }
            self.prefixes.sensitive.ask(path, &mut first);
            if !(self.exact.folded.is_empty() && self.prefixes.folded.is_empty()) {
                with_lower_case(path, |lower| {
                    if let Some(places) = self.exact.folded.get(lower) {
                        first.ask(places);
                    }
                    self.prefixes.folded.ask(lower, &mut first);
                });
            }
        }
        (first.place != u32::MAX).then_some(first.place)
    }
}

impl<T> Sides<T> {
    fn side(&mut self, text: &[u8], ignore_case: bool) -> (&mut T, Vec<u8>) {
        match ignore_case {
            true => (&mut self.folded, text.to_ascii_lowercase()),
            false => (&mut self.sensitive, text.to_vec()),
        }
    }
}

/// The lowest place that matched so far.
struct First<'m> {
    place: u32,
    matches: &'m mut dyn FnMut(u32, Question) -> bool,
}

impl First<'_> {
    /// Asks routes, the lowest first, as long as they could be the first.
    fn ask(&mut self, places: &[u32]) {
        for place in places {
            if *place >= self.place {
                return;
            }
            if (self.matches)(*place, Question::All) {
                self.place = *place;
                return;
            }
        }
    }
}

fn with_lower_case(path: &[u8], look: impl FnOnce(&[u8])) {
    let mut stack = [0_u8; STACK_PATH_BYTES];
    match stack.get_mut(..path.len()) {
        Some(space) => {
            space.copy_from_slice(path);
            space.make_ascii_lowercase();
            look(space);
        }
        None => look(&path.to_ascii_lowercase()),
    }
}
