//! The routes of one beginning of paths: those that are asked one by one, and those whose patterns are asked
//! together.

use std::collections::BTreeMap;

use nuncio_contract::matching::{CompiledRegex, PrefixTable, RegexList};

use super::{First, Question};

/// From so many patterns of one beginning on one automaton is asked for all.
const LEAST_PATTERNS: usize = 4;

/// The routes of one beginning, to be compiled.
#[derive(Default)]
pub(super) struct Asked<'r> {
    pub(super) routes: Vec<u32>,
    pub(super) patterns: Vec<(u32, &'r CompiledRegex)>,
}

/// All beginnings.
#[derive(Debug, Default)]
pub(super) struct Prefixes(PrefixTable<Prefix>);

#[derive(Debug)]
struct Prefix {
    /// The lowest place here and in all that are shorter.
    least: u32,
    routes: Box<[u32]>,
    lists: Box<[Patterns]>,
}

/// Routes whose patterns are asked together, in order.
#[derive(Debug)]
struct Patterns {
    places: Box<[u32]>,
    list: RegexList,
}

impl Prefixes {
    pub(super) fn new(beginnings: BTreeMap<Vec<u8>, Asked<'_>>) -> Self {
        Prefixes(PrefixTable::new(beginnings, Prefix::new))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asks the routes whose beginning `path` has.
    pub(super) fn ask(&self, path: &[u8], first: &mut First<'_>) {
        for prefix in self.0.of(path) {
            if prefix.least >= first.place {
                return;
            }
            first.ask(&prefix.routes);
            for patterns in &prefix.lists {
                patterns.ask(path, first);
            }
        }
    }
}

impl Prefix {
    fn new(asked: Asked<'_>, shorter: Option<&Prefix>) -> Self {
        let Asked {
            mut routes,
            patterns,
        } = asked;
        let places = patterns.iter().map(|(place, _)| *place);
        let least = routes.iter().copied().chain(places);
        let least = least.chain(shorter.map(|shorter| shorter.least)).min();
        let mut lists = Vec::new();
        for chunk in patterns.chunks(RegexList::LIMIT) {
            let places: Box<[u32]> = chunk.iter().map(|(place, _)| *place).collect();
            let regexes: Vec<_> = chunk.iter().map(|(_, regex)| *regex).collect();
            let list = (chunk.len() >= LEAST_PATTERNS).then(|| RegexList::new(&regexes));
            match list.flatten() {
                Some(list) => lists.push(Patterns { places, list }),
                None => routes.extend(places),
            }
        }
        routes.sort_unstable();
        Prefix {
            least: least.unwrap_or(u32::MAX),
            routes: routes.into(),
            lists: lists.into(),
        }
    }
}

impl Patterns {
    fn ask(&self, path: &[u8], first: &mut First<'_>) {
        let could_be_first = |place: &&u32| **place < first.place;
        if self.places.first().filter(could_be_first).is_none() {
            return;
        }
        let Some(found) = self.list.first_full_match(path) else {
            return;
        };
        let matching = self.places.get(found..).unwrap_or_default();
        let Some((place, behind)) = matching.split_first() else {
            return;
        };
        if *place >= first.place {
            return;
        }
        if (first.matches)(*place, Question::BesidePath) {
            first.place = *place;
            return;
        }
        first.ask(behind);
    }
}
