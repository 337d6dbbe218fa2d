//! Regular expressions within expressions.
//!
//! Limit: about 100 instructions of RE2's, as in Envoy; what RE2 would make of a pattern is estimated.

use regex::bytes::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::functions::owned;
use super::value::{Map, Value};
use crate::matching::text_regex;

/// What RE2 may make of a pattern at most, less what it puts around it.
const MOST_INSTRUCTIONS: usize = 96;
/// What it puts before a pattern that may begin anywhere.
const OF_ANY_START: usize = 2;
/// What a character beyond ASCII takes that may be any.
const OF_ANY_CHARACTER: usize = 8;
/// Longer patterns have more instructions than that, but for comments and the like.
const MOST_BYTES: usize = 4096;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// As it was written, for the names of its groups.
    written: Box<str>,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// In Envoy's words.
    pub(super) fn compile(pattern: &[u8]) -> Result<Self, String> {
        let too_large = || "regular expression exceeds max allowed size".to_owned();
        if pattern.len() > MOST_BYTES {
            return Err(too_large());
        }
        let text = std::str::from_utf8(pattern)
            .map_err(|_| "invalid regular expression: invalid UTF-8".to_owned())?;
        let (translated, regex) =
            text_regex(text).map_err(|fault| format!("invalid regular expression: {fault}"))?;
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(text.is_ascii())
            .utf8(false)
            .build()
            .parse(&translated)
            .map_err(|error| error.to_string())?;
        match is_too_large(&hir) {
            true => Err(too_large()),
            false => Ok(Pattern {
                regex,
                written: text.into(),
            }),
        }
    }

    /// Whether it is somewhere in a text.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// What the first group takes, if the pattern is all of the text.
    pub(super) fn capture<'a>(&self, text: &[u8]) -> Option<Value<'a>> {
        let groups = self.whole(text)?;
        let first = groups.get(1)?;
        Some(owned(first.as_bytes()))
    }

    /// What each group takes by its name or number, if the pattern is all of the text.
    pub(super) fn capture_all<'a>(&self, text: &[u8]) -> Option<Value<'a>> {
        let groups = self.whole(text)?;
        let named = Regex::new(&self.written).ok()?;
        let named = named.capture_names().enumerate().skip(1);
        let entry = |(number, name): (usize, Option<&str>)| {
            let key = name.map_or_else(|| number.to_string(), str::to_owned);
            let taken = groups.get(number).map(|group| group.as_bytes());
            (owned(key), owned(taken.unwrap_or_default()))
        };
        let entries: Vec<_> = named.map(entry).collect();
        (!entries.is_empty()).then(|| Value::Map(Map::Made(entries.into())))
    }

    fn whole<'t>(&self, text: &'t [u8]) -> Option<regex::bytes::Captures<'t>> {
        let groups = self.regex.captures(text)?;
        let is_whole = groups.get(0).is_some_and(|all| all.len() == text.len());
        is_whole.then_some(groups)
    }

    /// `rewrite` with what the groups take.
    pub(super) fn extract<'a>(&self, text: &[u8], rewrite: &[u8]) -> Option<Value<'a>> {
        let groups = self.regex.captures(text)?;
        let mut out = Vec::new();
        let mut bytes = rewrite.iter();
        while let Some(byte) = bytes.next() {
            if *byte != b'\\' {
                out.push(*byte);
                continue;
            }
            match bytes.next()? {
                b'\\' => out.push(b'\\'),
                digit @ b'0'..=b'9' => {
                    let number = usize::from(digit - b'0');
                    if number >= self.regex.captures_len() {
                        return None;
                    }
                    let group = groups.get(number).map(|group| group.as_bytes());
                    out.extend_from_slice(group.unwrap_or_default());
                }
                _ => return None,
            }
        }
        Some(owned(out))
    }
}

/// Whether RE2 would need too many instructions. Where a pattern begins and ends with the text needs none.
fn is_too_large(hir: &Hir) -> bool {
    let HirKind::Concat(parts) = hir.kind() else {
        return instructions(hir) > MOST_INSTRUCTIONS;
    };
    let is = |part: Option<&Hir>, look| part.is_some_and(|it| *it.kind() == HirKind::Look(look));
    let begins = is(parts.first(), Look::Start);
    let ends = is(parts.last(), Look::End);
    let looks = usize::from(begins) + usize::from(ends);
    let limit = MOST_INSTRUCTIONS + if begins { OF_ANY_START } else { 0 };
    instructions(hir).saturating_sub(looks) > limit
}

/// About as many instructions as RE2 would need. Nesting is limited by the crate's parser.
fn instructions(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(class) => of_class(class),
        HirKind::Look(_) => 1,
        HirKind::Capture(capture) => instructions(&capture.sub).saturating_add(2),
        HirKind::Repetition(repetition) => {
            let one = instructions(&repetition.sub);
            let min = usize::try_from(repetition.min).unwrap_or(usize::MAX);
            let required = one.saturating_mul(min);
            let optional = match repetition.max {
                None if repetition.min == 0 => one,
                None => 1,
                Some(max) => {
                    let more = usize::try_from(max.saturating_sub(repetition.min));
                    one.saturating_add(1)
                        .saturating_mul(more.unwrap_or(usize::MAX))
                }
            };
            required.saturating_add(optional)
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            let each = parts.iter().map(instructions);
            each.fold(0, usize::saturating_add)
        }
    }
}

/// Letters of both cases are one range.
fn of_class(class: &Class) -> usize {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Bytes(class) => {
            let ranges = class.ranges().iter();
            ranges
                .map(|it| (it.start().into(), it.end().into()))
                .collect()
        }
        Class::Unicode(class) => {
            let ranges = class.ranges().iter();
            ranges
                .map(|it| (it.start().into(), it.end().into()))
                .collect()
        }
    };
    if matches!(class, Class::Unicode(_)) && ranges.iter().any(|(_, end)| *end > 0x7f) {
        return OF_ANY_CHARACTER;
    }
    const CASE: u32 = 0x20;
    let is_other_case = |(start, end): &(u32, u32)| {
        let is_upper = (u32::from(b'A')..=u32::from(b'Z')).contains(start);
        is_upper && ranges.contains(&(start + CASE, end + CASE))
    };
    let folded = ranges.iter().filter(|range| is_other_case(range)).count();
    (ranges.len() - folded).max(1)
}
