//! `envoy.type.matcher.v3.StringMatcher`, compiled. Case is folded for ASCII only, as in Envoy.

use memchr::memmem;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{message, one_of};

use super::regex::{CompiledRegex, RegexMatcher};
use super::words::quoted;

message! {
    /// How a string is matched.
    pub struct StringMatcher: "envoy.type.matcher.v3.StringMatcher" {
        pub(crate) oneof match_pattern: MatchPattern,
        pub(crate) ignore_case: bool,
    }
}

one_of! {
    /// The kinds of match.
    pub enum MatchPattern {
        exact => Exact(String),
        prefix => Prefix(String),
        suffix => Suffix(String),
        contains => Contains(String),
        safe_regex => SafeRegex(RegexMatcher),
    }
}

/// A compiled string matcher.
#[derive(Clone, Debug)]
pub struct CompiledStringMatcher {
    pattern: Pattern,
    ignore_case: bool,
}

#[derive(Clone, Debug)]
enum Pattern {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    Contains(Box<[u8]>),
    Regex(CompiledRegex),
}

impl CompiledStringMatcher {
    /// Compiles; a bad regex is reported at its place, and `ignore_case` beside one.
    pub fn compile(matcher: &StringMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        let ignore_case = matcher.ignore_case;
        let text = |text: &String| {
            let text = if ignore_case {
                text.to_ascii_lowercase()
            } else {
                text.clone()
            };
            text.into_bytes().into_boxed_slice()
        };
        let pattern = match &matcher.match_pattern {
            MatchPattern::Exact(value) => Pattern::Exact(text(value)),
            MatchPattern::Prefix(value) => Pattern::Prefix(text(value)),
            MatchPattern::Suffix(value) => Pattern::Suffix(text(value)),
            MatchPattern::Contains(value) => Pattern::Contains(text(value)),
            MatchPattern::SafeRegex(_) if ignore_case => {
                ctx.error(matcher.span(), "ignore_case has no effect for safe_regex.");
                return Err(Refused);
            }
            MatchPattern::SafeRegex(regex) => Pattern::Regex(CompiledRegex::compile(regex, ctx)?),
        };
        Ok(CompiledStringMatcher {
            pattern,
            ignore_case,
        })
    }

    /// The text of an exact matcher, in lower case if case is ignored.
    pub fn exact_text(&self) -> Option<&[u8]> {
        match &self.pattern {
            Pattern::Exact(text) => Some(text),
            _ => None,
        }
    }

    /// A case-sensitive match of the whole string.
    pub fn exact(text: &str) -> Self {
        CompiledStringMatcher {
            pattern: Pattern::Exact(text.as_bytes().into()),
            ignore_case: false,
        }
    }

    /// A case-sensitive match of the beginning.
    pub fn prefix(text: &str) -> Self {
        CompiledStringMatcher {
            pattern: Pattern::Prefix(text.as_bytes().into()),
            ignore_case: false,
        }
    }

    /// A case-sensitive match of the end.
    pub fn suffix(text: &str) -> Self {
        CompiledStringMatcher {
            pattern: Pattern::Suffix(text.as_bytes().into()),
            ignore_case: false,
        }
    }

    /// A case-sensitive search.
    pub fn contains(text: &str) -> Self {
        CompiledStringMatcher {
            pattern: Pattern::Contains(text.as_bytes().into()),
            ignore_case: false,
        }
    }

    /// A regex over the whole string.
    pub fn regex(regex: CompiledRegex) -> Self {
        CompiledStringMatcher {
            pattern: Pattern::Regex(regex),
            ignore_case: false,
        }
    }

    /// The same, with the case of ASCII letters ignored if wanted; of no effect on a regex.
    #[must_use]
    pub fn ignoring_case(mut self, ignore_case: bool) -> Self {
        if let (true, Pattern::Exact(text) | Pattern::Prefix(text)) =
            (ignore_case, &mut self.pattern)
        {
            text.make_ascii_lowercase();
        }
        if let (true, Pattern::Suffix(text) | Pattern::Contains(text)) =
            (ignore_case, &mut self.pattern)
        {
            text.make_ascii_lowercase();
        }
        self.ignore_case = ignore_case;
        self
    }

    /// Whether `value` matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        match &self.pattern {
            Pattern::Exact(text) => self.same(value, text),
            Pattern::Prefix(text) => value
                .get(..text.len())
                .is_some_and(|head| self.same(head, text)),
            Pattern::Suffix(text) => value
                .len()
                .checked_sub(text.len())
                .and_then(|start| value.get(start..))
                .is_some_and(|tail| self.same(tail, text)),
            Pattern::Contains(text) if self.ignore_case => {
                memmem::find(&value.to_ascii_lowercase(), text).is_some()
            }
            Pattern::Contains(text) => memmem::find(value, text).is_some(),
            Pattern::Regex(regex) => regex.is_full_match(value),
        }
    }

    /// Whether all values that begin so match, or none; nothing where it takes the whole value.
    pub fn matches_under(&self, beginning: &[u8]) -> Option<bool> {
        let (Pattern::Exact(text) | Pattern::Prefix(text)) = &self.pattern else {
            return None;
        };
        let common = text.len().min(beginning.len());
        if !self.same(beginning.get(..common)?, text.get(..common)?) {
            return Some(false);
        }
        let is_settled =
            matches!(self.pattern, Pattern::Prefix(_)) && beginning.len() >= text.len();
        is_settled.then_some(true)
    }

    /// What a value has to do, in words: "be `a`", "begin with `a`".
    pub fn requirement(&self) -> String {
        let (verb, text) = match &self.pattern {
            Pattern::Exact(text) => ("be", quoted(text)),
            Pattern::Prefix(text) => ("begin with", quoted(text)),
            Pattern::Suffix(text) => ("end with", quoted(text)),
            Pattern::Contains(text) => ("contain", quoted(text)),
            Pattern::Regex(regex) => ("match the regex", quoted(regex.pattern().as_bytes())),
        };
        let case = if self.ignore_case {
            ", case ignored"
        } else {
            ""
        };
        format!("{verb} {text}{case}")
    }

    fn same(&self, value: &[u8], text: &[u8]) -> bool {
        if self.ignore_case {
            value.eq_ignore_ascii_case(text)
        } else {
            value == text
        }
    }
}
