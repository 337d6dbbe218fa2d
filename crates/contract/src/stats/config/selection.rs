//! Which stats there are: `stats_config.stats_matcher`, asked with full names.
//!
//! A stat that is not chosen is not listed, told to no sink and takes no place in the store; where code needs
//! its cell, it counts into one that nobody reads. Unlike in Envoy such a cell still counts, so that what is
//! limited by a count (active faults) works however stats are chosen.

use nuncio_config::typed::{Ctx, Refused};

use super::{ListStringMatcher, MatcherKind, StatsMatcher};
use crate::matching::CompiledStringMatcher;

/// A compiled `stats_matcher`.
#[derive(Clone, Debug, Default)]
pub struct Selection(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    All,
    None,
    But(Box<[CompiledStringMatcher]>),
    Only(Box<[CompiledStringMatcher]>),
}

impl Selection {
    /// Compiles; without a matcher all stats are chosen.
    pub(super) fn compile(matcher: Option<&StatsMatcher>, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(matcher) = matcher else {
            return Ok(Self::default());
        };
        Ok(Self(match &matcher.stats_matcher {
            MatcherKind::RejectAll(true) => Kind::None,
            MatcherKind::RejectAll(false) => Kind::All,
            MatcherKind::ExclusionList(list) => Kind::But(compile_list(list, ctx)?),
            MatcherKind::InclusionList(list) => Kind::Only(compile_list(list, ctx)?),
        }))
    }

    /// All but those whose names begin with one of these.
    #[cfg(test)]
    pub(in crate::stats) fn of_prefixes(prefixes: &[&str]) -> Self {
        let list = prefixes
            .iter()
            .map(|text| CompiledStringMatcher::prefix(text));
        Self(Kind::But(list.collect()))
    }

    /// Whether every stat is chosen, so that nobody need ask.
    pub fn is_all(&self) -> bool {
        matches!(self.0, Kind::All)
    }

    /// Whether the stat of this full name is chosen.
    pub fn chooses(&self, name: &str) -> bool {
        match &self.0 {
            Kind::All => true,
            Kind::None => false,
            Kind::But(list) => !any(list, name),
            Kind::Only(list) => any(list, name),
        }
    }

    /// Whether all stats whose names begin so are chosen, or none; nothing where it takes the whole name.
    pub(in crate::stats) fn chooses_under(&self, prefix: &str) -> Option<bool> {
        let (list, when_any) = match &self.0 {
            Kind::All => return Some(true),
            Kind::None => return Some(false),
            Kind::But(list) => (list, false),
            Kind::Only(list) => (list, true),
        };
        let mut is_open = false;
        for matcher in list {
            match matcher.matches_under(prefix.as_bytes()) {
                Some(true) => return Some(when_any),
                Some(false) => {}
                None => is_open = true,
            }
        }
        (!is_open).then_some(!when_any)
    }
}

fn compile_list(
    list: &ListStringMatcher,
    ctx: &mut Ctx,
) -> Result<Box<[CompiledStringMatcher]>, Refused> {
    // All of them, so that every mistake is told.
    let compiled: Vec<_> = list
        .patterns
        .iter()
        .map(|pattern| CompiledStringMatcher::compile(pattern, ctx))
        .collect();
    compiled.into_iter().collect()
}

fn any(list: &[CompiledStringMatcher], name: &str) -> bool {
    list.iter().any(|matcher| matcher.matches(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_settles_what_begins_with_it_and_what_cannot() {
        let selection = Selection::of_prefixes(&["cluster.a.", "http"]);
        assert_eq!(selection.chooses_under("cluster.a.ssl."), Some(false));
        assert_eq!(selection.chooses_under("cluster.b."), Some(true));
        assert_eq!(selection.chooses_under("cluster."), None);
        assert_eq!(selection.chooses_under(""), None);
        assert!(selection.chooses("cluster.ab") && !selection.chooses("http1.x"));
    }

    #[test]
    fn an_inclusion_is_the_opposite() {
        let list = [
            CompiledStringMatcher::prefix("a."),
            CompiledStringMatcher::suffix(".z"),
        ];
        let selection = Selection(Kind::Only(list.into()));
        assert_eq!(selection.chooses_under("a.b."), Some(true));
        assert_eq!(selection.chooses_under("b."), None);
        assert!(selection.chooses("b.z") && !selection.chooses("b.y"));
    }

    #[test]
    fn all_and_none_settle_everything() {
        assert_eq!(Selection(Kind::All).chooses_under(""), Some(true));
        assert_eq!(Selection(Kind::None).chooses_under(""), Some(false));
        assert_eq!(
            Selection(Kind::Only(Box::default())).chooses_under("x"),
            Some(false)
        );
    }
}
