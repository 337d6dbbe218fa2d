//! Several regular expressions asked at once: which is the first that matches the whole input, and the text that
//! an input must begin with for one of them to match.
//!
//! A list is one automaton, so that its length hardly counts; limit: 64 patterns, so that the automaton's states,
//! which are made while inputs come, stay small. Whoever has more makes several lists.

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;

use super::regex::CompiledRegex;

/// Patterns of one list.
const MOST_PATTERNS: usize = 64;
const PROGRAM_LIMIT_BYTES: usize = 4 << 20;

/// Some patterns in their order.
#[derive(Debug)]
pub struct RegexList(Regex);

impl RegexList {
    /// The most patterns that a list takes.
    pub const LIMIT: usize = MOST_PATTERNS;

    /// One automaton of all `patterns`; none if there are too many or it would be too large.
    pub fn new(patterns: &[&CompiledRegex]) -> Option<Self> {
        if patterns.len() > MOST_PATTERNS {
            return None;
        }
        let texts: Vec<&str> = patterns
            .iter()
            .map(|regex| regex.engine_pattern())
            .collect();
        let syntax = syntax::Config::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true);
        let config = Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(PROGRAM_LIMIT_BYTES));
        let regex = Regex::builder()
            .configure(config)
            .syntax(syntax)
            .build_many(&texts);
        regex.ok().map(RegexList)
    }

    /// The place of the first pattern that matches all of `input`.
    pub fn first_full_match(&self, input: &[u8]) -> Option<usize> {
        let input = Input::new(input).anchored(Anchored::Yes);
        let found = self.0.search_half(&input)?;
        Some(found.pattern().as_usize())
    }
}

impl CompiledRegex {
    /// What every input begins with that the pattern matches; empty where that is not one text.
    pub fn literal_prefix(&self) -> Vec<u8> {
        let parsed = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .build()
            .parse(self.engine_pattern());
        let Ok(hir) = parsed else {
            return Vec::new();
        };
        let literals = Extractor::new().extract(&hir);
        literals
            .longest_common_prefix()
            .unwrap_or_default()
            .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(patterns: &[&str]) -> Vec<CompiledRegex> {
        let compile = |pattern: &&str| CompiledRegex::new(pattern).expect("a sound pattern");
        patterns.iter().map(compile).collect()
    }

    #[test]
    fn the_first_pattern_that_takes_the_whole_input_is_found() {
        let patterns = compiled(&["/a", "/ab?", "/a.*", "/(a|ab)(c|bcd)", "(?i)/X"]);
        let list = RegexList::new(&patterns.iter().collect::<Vec<_>>()).expect("a short list");
        for (input, first) in [
            ("/a", Some(0)),
            ("/ab", Some(1)),
            ("/abcd", Some(2)),
            ("/x", Some(4)),
            ("/", None),
            ("x/a", None),
        ] {
            assert_eq!(list.first_full_match(input.as_bytes()), first, "{input}");
        }
        let only_last = RegexList::new(&[&patterns[3]]).expect("a short list");
        assert_eq!(only_last.first_full_match(b"/abcd"), Some(0));
    }

    #[test]
    fn a_literal_prefix_is_what_all_matches_begin_with() {
        for (pattern, prefix) in [
            ("/svc/[0-9]+", "/svc/"),
            ("/(foo|fob)/x", "/fo"),
            ("^/a.c$", "/a"),
            ("(?i)/abc", "/"),
            ("/a|b", ""),
            (".*\\.js", ""),
            ("/[^/]+/x", "/"),
            ("", ""),
            ("/a?b", "/"),
            ("(/a)+", "/a"),
            ("/a{2,3}b", "/aa"),
        ] {
            let compiled = CompiledRegex::new(pattern).expect("a sound pattern");
            assert_eq!(compiled.literal_prefix(), prefix.as_bytes(), "{pattern}");
        }
    }
}
