//! Names that are asked for because clients ask for them, which may be made up.
//!
//! Limits: [`MOST_NAMES`] of them at a time, each of [`MOST_NAME_BYTES`] at the most. When there are that many, the one
//! that has been asked for in vain for the longest time is given up for the next one, so that names that nothing has
//! are no bar to others; those that something has are never given up. Envoy keeps all, without a limit.

use std::collections::{BTreeMap, HashMap};

/// How many names are asked for.
const MOST_NAMES: usize = 10_000;
/// How long a name is at the most, of what clients say of it.
pub(super) const MOST_NAME_BYTES: usize = 512;

/// The names.
pub(super) struct AskedNames {
    /// Each with its number in `vain`, if it is there.
    all: HashMap<Box<str>, Option<u64>>,
    /// Those that nothing has, or nothing yet, from the one that was asked for the longest time ago.
    vain: BTreeMap<u64, Box<str>>,
    next: u64,
    most: usize,
}

/// What becomes of a name that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is among the names.
    In,
    /// It is, in place of this one, which is to be asked for no more.
    InsteadOf(Box<str>),
    /// There are too many.
    No,
}

impl Default for AskedNames {
    fn default() -> Self {
        AskedNames {
            all: HashMap::new(),
            vain: BTreeMap::new(),
            next: 0,
            most: MOST_NAMES,
        }
    }
}

impl AskedNames {
    /// Takes a name. What others than [`Self::found`] know to be there is not given up.
    pub(super) fn ask(&mut self, name: &str, is_there: impl Fn(&str) -> bool) -> Taken {
        match self.all.get(name) {
            Some(Some(_)) => {
                self.lost(name);
                return Taken::In;
            }
            Some(None) => return Taken::In,
            None => {}
        }
        let mut given_up = None;
        if self.all.len() >= self.most {
            let Some(oldest) = self.oldest_in_vain(is_there) else {
                return Taken::No;
            };
            self.all.remove(&oldest);
            given_up = Some(oldest);
        }
        self.all.insert(name.into(), None);
        self.lost(name);
        given_up.map_or(Taken::In, Taken::InsteadOf)
    }

    /// Takes out who has been in vain for the longest time, after those that turn out to be there.
    fn oldest_in_vain(&mut self, is_there: impl Fn(&str) -> bool) -> Option<Box<str>> {
        loop {
            let (_, name) = self.vain.pop_first()?;
            if !is_there(&name) {
                return Some(name);
            }
            if let Some(number) = self.all.get_mut(&name) {
                *number = None;
            }
        }
    }

    /// Something has the name.
    pub(super) fn found(&mut self, name: &str) {
        if let Some(number) = self.all.get_mut(name)
            && let Some(number) = number.take()
        {
            self.vain.remove(&number);
        }
    }

    /// Nothing has the name any more, or yet.
    pub(super) fn lost(&mut self, name: &str) {
        let Some(number) = self.all.get_mut(name) else {
            return;
        };
        if let Some(former) = number.replace(self.next) {
            self.vain.remove(&former);
        }
        self.vain.insert(self.next, name.into());
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(most: usize) -> AskedNames {
        AskedNames {
            most,
            ..AskedNames::default()
        }
    }

    #[test]
    fn a_name_in_vain_makes_room_for_the_next_the_oldest_first() {
        let mut names = of(3);
        for name in ["a", "b", "c", "a"] {
            assert_eq!(names.ask(name, |_| false), Taken::In);
        }
        assert_eq!(names.ask("d", |_| false), Taken::InsteadOf("b".into()));
        assert_eq!(names.ask("b", |_| false), Taken::InsteadOf("c".into()));
        assert_eq!((names.all.len(), names.vain.len()), (3, 3));
    }

    #[test]
    fn what_something_has_is_not_given_up_until_it_is_lost() {
        let mut names = of(2);
        names.ask("a", |_| false);
        names.found("a");
        names.ask("b", |_| false);
        assert_eq!(names.ask("c", |_| false), Taken::InsteadOf("b".into()));
        assert_eq!(names.ask("d", |name| name == "c"), Taken::No);
        assert_eq!(names.ask("a", |_| false), Taken::In);
        assert_eq!(names.ask("d", |_| false), Taken::No);
        names.lost("a");
        assert_eq!(names.ask("d", |_| false), Taken::InsteadOf("a".into()));
        names.lost("nobody");
        assert_eq!((names.all.len(), names.vain.len()), (2, 1));
    }
}
