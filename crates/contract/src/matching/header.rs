//! `envoy.config.route.v3.HeaderMatcher`, compiled.
//!
//! Of several values of one name each is matched on its own, never joined. A missing header never matches (even
//! inverted) unless `treat_missing_header_as_empty` is set or presence is asked for.

mod why_not;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};

use super::regex::{CompiledRegex, RegexMatcher};
use super::string::{CompiledStringMatcher, StringMatcher};
use crate::headers::{HeaderMap, HeaderName};

message! {
    /// What a header has to be like.
    pub struct HeaderMatcher: "envoy.config.route.v3.HeaderMatcher" {
        pub(crate) name: Spanned<String>,
        pub(crate) oneof header_match_specifier: Option<HeaderMatchSpecifier>,
        pub(crate) invert_match: bool,
        pub(crate) treat_missing_header_as_empty: bool,
    }
}

one_of! {
    /// The kinds of match; the plain string ones are deprecated in favour of `string_match`.
    pub enum HeaderMatchSpecifier {
        exact_match => Exact(String),
        safe_regex_match => SafeRegex(RegexMatcher),
        range_match => Range(Int64Range),
        present_match => Present(bool),
        prefix_match => Prefix(String),
        suffix_match => Suffix(String),
        contains_match => Contains(String),
        string_match => String(StringMatcher),
    }
}

message! {
    /// A half-open range, `start <= x < end`.
    pub struct Int64Range: "envoy.type.v3.Int64Range" {
        pub(crate) start: i64,
        pub(crate) end: i64,
    }
}

impl Int64Range {
    /// Its start, and its end, which is not part of it.
    pub fn bounds(&self) -> [i64; 2] {
        [self.start, self.end]
    }
}

/// A compiled header matcher.
#[derive(Clone, Debug)]
pub struct CompiledHeaderMatcher {
    name: HeaderName,
    kind: Kind,
    invert: bool,
    missing_is_empty: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Present(bool),
    Range { start: i64, end: i64 },
    Text(CompiledStringMatcher),
}

impl CompiledHeaderMatcher {
    /// Compiles; a bad regex is reported at its place.
    pub fn compile(matcher: &HeaderMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        let name = HeaderName::to_look_up(&matcher.name.value);
        let kind = match &matcher.header_match_specifier {
            None => Kind::Present(true),
            Some(HeaderMatchSpecifier::Present(present)) => Kind::Present(*present),
            Some(HeaderMatchSpecifier::Range(range)) => Kind::Range {
                start: range.start,
                end: range.end,
            },
            // As in Envoy, an empty text of this deprecated field takes any value.
            Some(HeaderMatchSpecifier::Exact(text)) if text.is_empty() => {
                Kind::Text(CompiledStringMatcher::prefix(""))
            }
            Some(HeaderMatchSpecifier::Exact(text)) => {
                Kind::Text(CompiledStringMatcher::exact(text))
            }
            Some(HeaderMatchSpecifier::Prefix(text)) => {
                Kind::Text(CompiledStringMatcher::prefix(text))
            }
            Some(HeaderMatchSpecifier::Suffix(text)) => {
                Kind::Text(CompiledStringMatcher::suffix(text))
            }
            Some(HeaderMatchSpecifier::Contains(text)) => {
                Kind::Text(CompiledStringMatcher::contains(text))
            }
            Some(HeaderMatchSpecifier::SafeRegex(regex)) => Kind::Text(
                CompiledStringMatcher::regex(CompiledRegex::compile(regex, ctx)?),
            ),
            Some(HeaderMatchSpecifier::String(matcher)) => {
                Kind::Text(CompiledStringMatcher::compile(matcher, ctx)?)
            }
        };
        Ok(CompiledHeaderMatcher {
            name,
            kind,
            invert: matcher.invert_match,
            missing_is_empty: matcher.treat_missing_header_as_empty,
        })
    }

    /// Whether `headers` satisfy the matcher.
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all_named(&self.name).peekable();
        if let Kind::Present(wanted) = self.kind {
            let present = values.peek().is_some() || self.missing_is_empty;
            return (present == wanted) != self.invert;
        }
        if values.peek().is_none() {
            return self.missing_is_empty && self.value_matches(b"") != self.invert;
        }
        values.any(|value| self.value_matches(value)) != self.invert
    }

    /// The name that is looked at.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    fn value_matches(&self, value: &[u8]) -> bool {
        match &self.kind {
            Kind::Present(_) => true,
            Kind::Range { start, end } => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
                .is_some_and(|number| (*start..*end).contains(&number)),
            Kind::Text(matcher) => matcher.matches(value),
        }
    }
}
