//! Errors of YAML in the words of who wrote the file: what is wrong, where, and what to do.
//!
//! yaml-cpp says what it cannot go on with, which stands behind the mistake as a rule: at the end of the file for
//! a bracket that is not closed. The place shown is the one to mend. Envoy's words are yaml-cpp's.

use super::in_envoys_words;
use super::stream::{Failure, Mark};
use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// What is open where reading ended.
#[derive(Clone, Copy)]
pub(super) struct Open {
    /// The innermost bracket: whether it is of a list, and where it stands.
    pub(super) bracket: Option<(bool, usize)>,
    /// The last quoted scalar that goes over the end of its line.
    pub(super) quote: Option<Mark>,
}

/// The finding for a text that is no YAML.
pub(super) fn explain(text: &str, source: u32, failure: &Failure, open: Open) -> Diagnostic {
    let at = failure.mark.at;
    let words = failure.words.as_str();
    let lines = Lines::around(text, at);
    let known = tab(&lines, words)
        .or_else(|| alias(words))
        .or_else(|| open_quote(text, failure, open.quote))
        .or_else(|| open_bracket(text, failure, open.bracket))
        .or_else(|| missing_space(&lines, words))
        .or_else(|| missing_colon(&lines, words))
        .or_else(|| dash(&lines, words))
        .or_else(|| escape(&lines, words))
        .or_else(|| second_colon(&lines, words))
        .or_else(|| indicator(&lines, words))
        .or_else(|| behind_value(&lines, words))
        .or_else(|| indentation(&lines, words))
        .or_else(|| in_plain_words(words));
    let Some(fault) = known else {
        let place = Span::new(source, at, at);
        let text = format!("invalid YAML: {words}");
        return Diagnostic::error(place, text).with_envoy(in_envoys_words(failure));
    };
    let start = fault.at.unwrap_or(at);
    let place = Span::new(
        source,
        start,
        (start + fault.len).min(text.len().max(start)),
    );
    Diagnostic::error(place, format!("invalid YAML: {}", fault.text))
        .with_envoy(in_envoys_words(failure))
        .with_suggestion(fault.suggestion)
}

struct Fault {
    /// Where, if not where yaml-cpp gave up.
    at: Option<usize>,
    len: usize,
    text: String,
    suggestion: String,
}

const MAP_VALUE: &str = "illegal map value";
const BLOCK_ENTRY: &str = "illegal block entry";
const END_OF_MAP: &str = "end of map not found";
const END_OF_LIST: &str = "end of sequence not found";
const UNEXPECTED_SCALAR: &str = "unexpected scalar";

/// The line of the error and its neighbours, each with its first byte's place in the text.
struct Lines<'t> {
    before: Option<(usize, &'t str)>,
    this: (usize, &'t str),
    after: Option<(usize, &'t str)>,
    at: usize,
}

impl<'t> Lines<'t> {
    fn around(text: &'t str, at: usize) -> Self {
        let at = (0..=at.min(text.len()))
            .rev()
            .find(|place| text.is_char_boundary(*place))
            .unwrap_or(0);
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = |start: usize| (start, text[start..].split('\n').next().unwrap_or(""));
        let this = line(start);
        let end = start + this.1.len();
        let mut previous = text[..start].split_inclusive('\n').rev();
        let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let mut before = None;
        let mut place = start;
        for candidate in previous.by_ref() {
            place -= candidate.len();
            if !blank(candidate) {
                before = Some(line(place));
                break;
            }
        }
        let after = (end < text.len()).then(|| line(end + 1));
        Self {
            before,
            this,
            after,
            at,
        }
    }
}

impl Lines<'_> {
    /// Whether this line is indented further than one before it that has a value.
    fn goes_on(&self) -> bool {
        let indent = |line: &str| line.len() - line.trim_start().len();
        self.before.is_some_and(|(_, before)| {
            let has_value = before.contains(": ") || !before.trim_end().ends_with(':');
            has_value && indent(self.this.1) > indent(before)
        })
    }
}

fn tab(lines: &Lines<'_>, words: &str) -> Option<Fault> {
    let about_indentation = [
        MAP_VALUE,
        BLOCK_ENTRY,
        END_OF_MAP,
        END_OF_LIST,
        "illegal map key",
    ];
    if !words.contains("illegal tab") && !about_indentation.contains(&words) {
        return None;
    }
    let near = [Some(lines.this), lines.after, lines.before];
    near.into_iter().flatten().find_map(|(start, line)| {
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let at = indent.find('\t').filter(|_| !line.trim().is_empty())?;
        Some(Fault {
            at: Some(start + at),
            len: indent.len() - at,
            text: "a tab indents this line".to_owned(),
            suggestion: "indent with spaces".to_owned(),
        })
    })
}

fn alias(words: &str) -> Option<Fault> {
    let name = words.strip_prefix("the referenced anchor is not defined: ")?;
    Some(Fault {
        at: None,
        len: name.len() + 1,
        text: format!("there is no anchor `&{name}` before this alias"),
        suggestion: "put the value in quotes if `*` belongs to it".to_owned(),
    })
}

/// A quote that begins a value and is closed on another line or never.
fn open_quote(text: &str, failure: &Failure, quote: Option<Mark>) -> Option<Fault> {
    let about_escapes = ["unknown escape", "bad character", "invalid unicode"];
    let words = failure.words.as_str();
    let is_escape = about_escapes.iter().any(|begin| words.starts_with(begin));
    let begin = quote.filter(|_| !is_escape)?;
    let at = failure.mark.at;
    let within = text.get(begin.at..at)?;
    let quote = within.chars().next()?;
    // A text of several lines that was read to its end long before is not what is wrong.
    let closed = within.rfind(quote).filter(|end| *end > 0);
    let is_near = closed.is_none_or(|end| !within[end..].contains('\n'));
    is_near.then(|| Fault {
        at: Some(begin.at),
        len: 1,
        text: format!("the quote {quote} is not closed on its line"),
        suggestion: format!("close it with another {quote}"),
    })
}

/// A bracket that is still open where reading ended, on an earlier line or at the end of the text.
fn open_bracket(text: &str, failure: &Failure, bracket: Option<(bool, usize)>) -> Option<Fault> {
    let (is_list, place) = bracket?;
    let words = failure.words.as_str();
    let at = failure.mark.at;
    let crosses = text.get(place..at)?.contains('\n') || text.get(at..)?.trim().is_empty();
    let within = &text[place..at];
    let about_brackets = words.starts_with("end of") && words.contains("flow")
        || [BLOCK_ENTRY, MAP_VALUE, "unknown token"].contains(&words) && within.contains('\n');
    if words == BLOCK_ENTRY && within[1..].trim().is_empty() {
        return Some(Fault {
            at: None,
            len: 1,
            text: "a list in brackets has no dashes".to_owned(),
            suggestion: "write its items with commas between them, or leave the brackets out"
                .to_owned(),
        });
    }
    let (open, close) = if is_list { ('[', ']') } else { ('{', '}') };
    if crosses && about_brackets {
        return Some(Fault {
            at: Some(place),
            len: 1,
            text: format!("this `{open}` is not closed"),
            suggestion: format!("close it with `{close}`"),
        });
    }
    if words.starts_with("end of") {
        return Some(Fault {
            at: None,
            len: 1,
            text: format!("a comma or `{close}` is missing before this"),
            suggestion: format!("put a comma between values, and `{close}` behind the last"),
        });
    }
    let found = text.get(at..)?.chars().next()?;
    (words == "illegal flow end").then(|| Fault {
        at: None,
        len: 1,
        text: format!("`{found}` does not close the `{open}` that is open"),
        suggestion: format!("close it with `{close}`"),
    })
}

/// `key:value`, which is one word.
fn missing_space(lines: &Lines<'_>, words: &str) -> Option<Fault> {
    if ![MAP_VALUE, END_OF_MAP, UNEXPECTED_SCALAR].contains(&words) {
        return None;
    }
    let near = [Some(lines.this), lines.before];
    near.into_iter().flatten().find_map(|(start, line)| {
        let key = line.trim_start().trim_start_matches("- ").trim_start();
        let end = match key.chars().next()? {
            quote @ ('"' | '\'') => key[1..].find(quote)? + 2,
            _ => key.find(|character: char| !character.is_alphanumeric() && character != '_')?,
        };
        let value = key[end..].strip_prefix(':')?;
        let begins = value
            .chars()
            .next()
            .is_some_and(|first| !first.is_whitespace());
        let place = start + line.len() - key.len();
        begins.then(|| Fault {
            at: Some(place + end),
            len: 1,
            text: format!("there is no space behind the colon of `{}`", &key[..end]),
            suggestion: format!("write `{}: {}`", &key[..end], value.trim_end()),
        })
    })
}

/// A line that is neither `key: value` nor an item of a list.
fn missing_colon(lines: &Lines<'_>, words: &str) -> Option<Fault> {
    if words != MAP_VALUE {
        return None;
    }
    let (start, line) = lines.before?;
    let written = line.trim();
    let is_one = !written.contains(':') && !written.starts_with('-') && !written.is_empty();
    let (key, value) = written.split_once([' ', '=']).unwrap_or((written, "..."));
    let value = value.trim_start_matches([' ', '=']);
    is_one.then(|| Fault {
        at: Some(start + line.len() - line.trim_start().len()),
        len: written.len(),
        text: "there is no colon on this line".to_owned(),
        suggestion: format!("write `{key}: {value}`"),
    })
}

/// `-item`, which is one word.
fn dash(lines: &Lines<'_>, words: &str) -> Option<Fault> {
    if ![END_OF_MAP, END_OF_LIST, MAP_VALUE].contains(&words) {
        return None;
    }
    let near = [Some(lines.this), lines.before];
    near.into_iter().flatten().find_map(|(start, line)| {
        let item = line.trim_start().strip_prefix('-')?;
        let begins = item.chars().next().is_some_and(char::is_alphabetic);
        begins.then(|| Fault {
            at: Some(start + line.len() - item.len() - 1),
            len: 1,
            text: "there is no space behind the dash".to_owned(),
            suggestion: format!("write `- {}`", item.trim_end()),
        })
    })
}

/// A backslash in double quotes before a character that it means nothing with.
fn escape(lines: &Lines<'_>, words: &str) -> Option<Fault> {
    if !words.starts_with("unknown escape") {
        return None;
    }
    let (start, line) = lines.this;
    let place = line.get(..lines.at - start)?.rfind('\\')?;
    let escaped = line.get(place + 1..)?.chars().next()?;
    Some(Fault {
        at: Some(start + place),
        len: 1 + escaped.len_utf8(),
        text: format!("`\\{escaped}` means nothing in double quotes"),
        suggestion: "double the backslash, or use single quotes".to_owned(),
    })
}

fn second_colon(lines: &Lines<'_>, words: &str) -> Option<Fault> {
    let (start, line) = lines.this;
    let before = line.get(..lines.at - start)?;
    let is_it = words == MAP_VALUE && (before.contains(": ") || lines.goes_on());
    is_it.then(|| Fault {
        at: None,
        len: 1,
        text: "a colon may not stand here: the line is a value already".to_owned(),
        suggestion: "put the value in quotes, or check the indentation".to_owned(),
    })
}

/// A value that begins with a character of YAML's own.
fn indicator(lines: &Lines<'_>, words: &str) -> Option<Fault> {
    if words != "unknown token" {
        return None;
    }
    let (start, line) = lines.this;
    let rest = line.get(lines.at - start..)?;
    let character = rest.chars().next()?;
    if let Some((key, _)) = rest.split_once(':').filter(|(key, _)| *key == "@type") {
        return Some(Fault {
            at: None,
            len: key.len(),
            text: "a key may not begin with `@`".to_owned(),
            suggestion: "put it in quotes: `\"@type\":`".to_owned(),
        });
    }
    Some(Fault {
        at: None,
        len: character.len_utf8(),
        text: format!("a value may not begin with `{character}`"),
        suggestion: "put the value in quotes".to_owned(),
    })
}

/// A value that goes on behind its end: `"a" b`, `[a] b`.
fn behind_value(lines: &Lines<'_>, words: &str) -> Option<Fault> {
    let (start, line) = lines.this;
    let before = line.get(..lines.at - start)?.trim_end();
    // What is wrong with the indentation stands at the beginning of its line.
    let ended = !before.trim().is_empty();
    (ended && [UNEXPECTED_SCALAR, END_OF_MAP, END_OF_LIST].contains(&words)).then(|| Fault {
        at: None,
        len: line.len() - (lines.at - start),
        text: "the value ended before this".to_owned(),
        suggestion: "put the whole value in quotes, or what follows on a line of its own"
            .to_owned(),
    })
}

fn indentation(lines: &Lines<'_>, words: &str) -> Option<Fault> {
    if ![END_OF_MAP, END_OF_LIST, MAP_VALUE].contains(&words) {
        return None;
    }
    let column = |line: &str| line.len() - line.trim_start().len() + 1;
    let (start, line) = lines.this;
    let above = lines.before.map_or(1, |(_, above)| column(above));
    let here = column(line);
    Some(Fault {
        at: Some(start + here - 1),
        len: line.trim().len(),
        text: format!(
            "this line begins in column {here}, where none above it goes on (the one before begins in {above})"
        ),
        suggestion: "check the indentation".to_owned(),
    })
}

/// What yaml-cpp's other words mean.
fn in_plain_words(words: &str) -> Option<Fault> {
    let (_, text, suggestion) = PLAIN_WORDS
        .iter()
        .find(|(begin, _, _)| words.starts_with(begin))?;
    Some(Fault {
        at: None,
        len: 1,
        text: (*text).to_owned(),
        suggestion: (*suggestion).to_owned(),
    })
}

const PLAIN_WORDS: &[(&str, &str, &str)] = &[
    (
        "end of sequence flow",
        "a comma or `]` is missing before this",
        "put a comma between values, and `]` behind the last",
    ),
    (
        "end of map flow",
        "a comma or `}` is missing before this",
        "put a comma between values, and `}` behind the last",
    ),
    (
        "illegal block entry",
        "a list may not begin here",
        "begin it on a line of its own, or write it in brackets: `[a, b]`",
    ),
    (
        "illegal map key",
        "`?` may not stand here",
        "put the value in quotes if `?` belongs to it",
    ),
    (
        "illegal flow end",
        "this bracket closes none that is open",
        "remove it, or put the value in quotes",
    ),
    (
        "illegal EOF in scalar",
        "the text ends inside of quotes",
        "close the quote",
    ),
    (
        "illegal document indicator",
        "`---` and `...` end the document inside of quotes",
        "close the quote, or indent the line",
    ),
    (
        "plain value cannot start with flow",
        "a line may not begin with a comma",
        "put the comma at the end of the line before",
    ),
    (
        "unexpected character in block scalar",
        "behind `|` or `>` only `+`, `-` and a digit may stand",
        "begin the text on the next line, or put it in quotes",
    ),
    (
        "cannot set zero indentation",
        "a block of text may not be indented by 0",
        "leave the digit out",
    ),
    (
        "bad character found while scanning hex",
        "behind `\\x`, `\\u` and `\\U` stand 2, 4 and 8 hexadecimal digits",
        "double the backslash, or use single quotes",
    ),
    (
        "invalid unicode",
        "this escape names no character",
        "double the backslash, or use single quotes",
    ),
    (
        "anchor not found",
        "there is no name behind `&`",
        "put the value in quotes if `&` belongs to it",
    ),
    (
        "alias not found",
        "there is no name behind `*`",
        "put the value in quotes if `*` belongs to it",
    ),
    (
        "illegal character found while scanning a",
        "this character may not stand in the name of an anchor",
        "put the value in quotes if `&` or `*` belongs to it",
    ),
    (
        "tag handle with no suffix",
        "the name of the tag is missing",
        "put the value in quotes if `!` belongs to it",
    ),
    (
        "illegal character found while scanning tag",
        "this character may not stand in the name of a tag",
        "put the value in quotes if `!` belongs to it",
    ),
    (
        "end of verbatim tag",
        "the tag's `<` is not closed",
        "close it with `>`",
    ),
    (
        "cannot assign multiple",
        "a value has one anchor and one tag at most",
        "remove one of them",
    ),
    (
        "YAML directives",
        "`%YAML` takes one version",
        "write `%YAML 1.2`",
    ),
    (
        "bad YAML version",
        "this is no version of YAML",
        "write `%YAML 1.2`",
    ),
    (
        "YAML major version",
        "there is no such version of YAML",
        "write `%YAML 1.2`",
    ),
    (
        "repeated",
        "this directive is given twice",
        "remove one of them",
    ),
    (
        "TAG directives",
        "`%TAG` takes a handle and a prefix",
        "write `%TAG !handle! prefix`",
    ),
    (
        "unexpected scalar",
        "the value ended before this",
        "put the whole value in quotes",
    ),
];
