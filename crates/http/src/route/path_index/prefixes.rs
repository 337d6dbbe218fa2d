//! Beginnings of paths, sorted. Those of one path are a chain from the longest to the shortest, and a binary search
//! finds its end: what sorts between a text and a path that begins with it begins with it as well.

use std::collections::BTreeMap;

use nuncio_contract::matching::{CompiledRegex, RegexList};

use super::{First, Question};

/// From so many patterns of one beginning on one automaton is asked for all.
const LEAST_PATTERNS: usize = 4;

/// The routes of one beginning.
#[derive(Default)]
pub(super) struct Asked<'r> {
    pub(super) routes: Vec<u32>,
    pub(super) patterns: Vec<(u32, &'r CompiledRegex)>,
}

/// All beginnings.
#[derive(Default)]
pub(super) struct Prefixes(Vec<Prefix>);

struct Prefix {
    text: Box<[u8]>,
    /// The next shorter one that this one begins with.
    shorter: Option<usize>,
    /// The lowest place here and in all that are shorter.
    least: u32,
    routes: Box<[u32]>,
    lists: Box<[Patterns]>,
}

/// Routes whose patterns are asked together, in order.
struct Patterns {
    places: Box<[u32]>,
    list: RegexList,
}

impl Prefixes {
    pub(super) fn new(beginnings: BTreeMap<Vec<u8>, Asked<'_>>) -> Self {
        let mut all: Vec<Prefix> = Vec::with_capacity(beginnings.len());
        for (text, asked) in beginnings {
            let mut shorter = all.len().checked_sub(1);
            while let Some(prefix) = shorter.and_then(|place| all.get(place)) {
                if text.starts_with(&prefix.text) {
                    break;
                }
                shorter = prefix.shorter;
            }
            let inherited = shorter.and_then(|place| all.get(place));
            let places = asked.patterns.iter().map(|(place, _)| place);
            let least = asked.routes.iter().chain(places).copied().min();
            let least = least
                .into_iter()
                .chain(inherited.map(|prefix| prefix.least))
                .min();
            let (routes, lists) = together(asked);
            all.push(Prefix {
                text: text.into(),
                shorter,
                least: least.unwrap_or(u32::MAX),
                routes,
                lists,
            });
        }
        Prefixes(all)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asks the routes whose beginning `path` has.
    pub(super) fn ask(&self, path: &[u8], first: &mut First<'_>) {
        let behind = self.0.partition_point(|prefix| *prefix.text <= *path);
        let mut at = behind.checked_sub(1);
        let mut begins = false;
        while let Some(prefix) = at.and_then(|place| self.0.get(place)) {
            if prefix.least >= first.place {
                return;
            }
            begins = begins || path.starts_with(&prefix.text);
            if begins {
                first.ask(&prefix.routes);
                for patterns in &prefix.lists {
                    patterns.ask(path, first);
                }
            }
            at = prefix.shorter;
        }
    }
}

impl Patterns {
    fn ask(&self, path: &[u8], first: &mut First<'_>) {
        if self
            .places
            .first()
            .is_none_or(|place| *place >= first.place)
        {
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

/// What is asked one by one, and what is asked together.
fn together(asked: Asked<'_>) -> (Box<[u32]>, Box<[Patterns]>) {
    let Asked {
        mut routes,
        patterns,
    } = asked;
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
    (routes.into(), lists.into())
}
