//! What is wrong with a YAML text: the parser says where it gave up, this says what was probably meant.
//!
//! The parser stops behind a mistake as a rule: at the end of the file for a quote that is not closed. The
//! place shown is the one to mend. Envoy's words are yaml-cpp's.

use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// The finding for an error that the parser reports at a byte.
pub(super) fn explain(text: &str, source: u32, at: usize, info: &str) -> Diagnostic {
    let lines = Lines::around(text, at);
    let known = tab(&lines)
        .or_else(|| alias(&lines, info))
        .or_else(|| open_quote(text, at, info))
        .or_else(|| open_bracket(text, at))
        .or_else(|| missing_space(&lines, info))
        .or_else(|| missing_colon(&lines, info))
        .or_else(|| dash(&lines, info))
        .or_else(|| escape(&lines, info))
        .or_else(|| second_colon(info))
        .or_else(|| indicator(&lines, info))
        .or_else(|| indentation(&lines, info));
    let Some(fault) = known else {
        let place = Span::new(source, at, at);
        return Diagnostic::error(place, format!("invalid YAML: {info}"));
    };
    let start = fault.at.unwrap_or(at);
    let place = Span::new(source, start, start + fault.len);
    Diagnostic::error(place, format!("invalid YAML: {}", fault.text))
        .with_envoy(fault.envoy)
        .with_suggestion(fault.suggestion)
        .with_note(format!("the parser says: {info}"))
}

struct Fault {
    /// Where, if not where the parser gave up.
    at: Option<usize>,
    len: usize,
    text: String,
    envoy: String,
    suggestion: String,
}

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

fn tab(lines: &Lines<'_>) -> Option<Fault> {
    let near = [Some(lines.this), lines.after, lines.before];
    near.into_iter().flatten().find_map(|(start, line)| {
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let at = indent.find('\t').filter(|_| !line.trim().is_empty())?;
        Some(Fault {
            at: Some(start + at),
            len: indent.len() - at,
            text: "a tab indents this line".to_owned(),
            envoy: "illegal tab when looking for indentation".to_owned(),
            suggestion: "indent with spaces".to_owned(),
        })
    })
}

fn alias(lines: &Lines<'_>, info: &str) -> Option<Fault> {
    if !info.contains("unknown anchor") {
        return None;
    }
    let (start, line) = lines.this;
    let rest = line.get(lines.at - start..)?;
    let name = rest.strip_prefix('*')?;
    let name = name.split([' ', ',', ']', '}', '\r']).next()?;
    Some(Fault {
        at: None,
        len: name.len() + 1,
        text: format!("there is no anchor `&{name}` before this alias"),
        envoy: format!("the referenced anchor is not defined: {name}"),
        suggestion: "put the value in quotes if `*` belongs to it".to_owned(),
    })
}

/// A quote that begins a value and has no end on its line.
fn open_quote(text: &str, at: usize, info: &str) -> Option<Fault> {
    if !info.contains("quoted scalar") && !info.contains("double-quoted") {
        return None;
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if start > at {
            break;
        }
        if let Some(place) = unclosed(line) {
            let quote = &line[place..=place];
            return Some(Fault {
                at: Some(start + place),
                len: 1,
                text: format!("the quote {quote} is not closed on its line"),
                envoy: if text[at.min(text.len())..].trim().is_empty() {
                    "end of map not found".to_owned()
                } else {
                    "illegal map value".to_owned()
                },
                suggestion: format!("close it with another {quote}"),
            });
        }
        start += line.len();
    }
    None
}

fn unclosed(line: &str) -> Option<usize> {
    let mut open: Option<(usize, u8)> = None;
    let bytes = line.as_bytes();
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let before = place.checked_sub(1).and_then(|before| bytes.get(before));
        let begins = matches!(before, None | Some(b' ' | b'[' | b'{' | b',' | b'('));
        match (open, byte) {
            (Some((_, b'"')), b'\\') => place += 1,
            (Some((_, quote)), byte) if byte == quote => open = None,
            (None, b'"' | b'\'') if begins => open = Some((place, byte)),
            (None, b'#') if begins => break,
            _ => {}
        }
        place += 1;
    }
    open.map(|(place, _)| place)
}

/// A bracket that is still open where the parser gave up, on an earlier line.
fn open_bracket(text: &str, at: usize) -> Option<Fault> {
    let before = text.get(..at)?;
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut quote: Option<char> = None;
    let mut last = '\n';
    let mut is_comment = false;
    for (place, character) in before.char_indices() {
        match (quote, character) {
            _ if is_comment => is_comment = character != '\n',
            (Some(open), character) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if !last.is_alphanumeric() => quote = Some(character),
            (None, '#') if last.is_whitespace() => is_comment = true,
            // Brackets begin a flow only where a value begins.
            (None, '[' | '{') if !open.is_empty() || " \n-:[{,".contains(last) => {
                open.push((place, character));
            }
            (None, ']' | '}') => drop(open.pop()),
            _ => {}
        }
        last = character;
    }
    let (place, bracket) = open.pop()?;
    let crosses = before.get(place..)?.contains('\n');
    let (close, envoy) = match bracket {
        '[' => (']', "end of sequence flow not found"),
        _ => ('}', "end of map flow not found"),
    };
    crosses.then(|| Fault {
        at: Some(place),
        len: 1,
        text: format!("this `{bracket}` is not closed"),
        envoy: envoy.to_owned(),
        suggestion: format!("close it with `{close}`"),
    })
}

/// `key:value`, which is one word.
fn missing_space(lines: &Lines<'_>, info: &str) -> Option<Fault> {
    if !info.contains("simple key") && !info.contains("expected key") {
        return None;
    }
    let near = [Some(lines.this), lines.before];
    near.into_iter().flatten().find_map(|(start, line)| {
        let key = line.trim_start().trim_start_matches("- ").trim_start();
        let end = key.find(|character: char| !character.is_alphanumeric() && character != '_')?;
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
            envoy: "illegal map value".to_owned(),
            suggestion: format!("write `{}: {}`", &key[..end], value.trim_end()),
        })
    })
}

/// A line that is neither `key: value` nor an item of a list.
fn missing_colon(lines: &Lines<'_>, info: &str) -> Option<Fault> {
    if !info.contains("simple key") {
        return None;
    }
    let (start, line) = lines.before?;
    let words = line.trim();
    let is_one = !words.contains(':') && !words.starts_with('-') && !words.is_empty();
    let (key, value) = words.split_once([' ', '=']).unwrap_or((words, "..."));
    let value = value.trim_start_matches([' ', '=']);
    is_one.then(|| Fault {
        at: Some(start + line.len() - line.trim_start().len()),
        len: words.len(),
        text: "there is no colon on this line".to_owned(),
        envoy: "illegal map value".to_owned(),
        suggestion: format!("write `{key}: {value}`"),
    })
}

/// `-item`, which is one word.
fn dash(lines: &Lines<'_>, info: &str) -> Option<Fault> {
    if !info.contains("block mapping") && !info.contains("block collection") {
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
            envoy: "end of map not found".to_owned(),
            suggestion: format!("write `- {}`", item.trim_end()),
        })
    })
}

/// A backslash in double quotes before a character that it means nothing with.
fn escape(lines: &Lines<'_>, info: &str) -> Option<Fault> {
    if !info.contains("unknown escape") {
        return None;
    }
    let (start, line) = lines.this;
    let mut characters = line
        .char_indices()
        .skip_while(|(place, _)| start + place < lines.at);
    while let Some((place, character)) = characters.next() {
        if character != '\\' {
            continue;
        }
        let (_, escaped) = characters.next()?;
        if !"0abtnvfre \"/\\N_LPxuU\t".contains(escaped) {
            return Some(Fault {
                at: Some(start + place),
                len: 1 + escaped.len_utf8(),
                text: format!("`\\{escaped}` means nothing in double quotes"),
                envoy: format!("unknown escape character: {escaped}"),
                suggestion: "double the backslash, or use single quotes".to_owned(),
            });
        }
    }
    None
}

fn second_colon(info: &str) -> Option<Fault> {
    let is_it = info.contains("mapping values are not allowed");
    is_it.then(|| Fault {
        at: None,
        len: 1,
        text: "a colon may not stand here: the line is a value already".to_owned(),
        envoy: "illegal map value".to_owned(),
        suggestion: "put the value in quotes, or check the indentation".to_owned(),
    })
}

/// A value that begins with a character of YAML's own.
fn indicator(lines: &Lines<'_>, info: &str) -> Option<Fault> {
    if !info.contains("unexpected character") {
        return None;
    }
    let (start, line) = lines.this;
    let character = line.get(lines.at - start..)?.chars().next()?;
    Some(Fault {
        at: None,
        len: character.len_utf8(),
        text: format!("a value may not begin with `{character}`"),
        envoy: "unknown token".to_owned(),
        suggestion: "put the value in quotes".to_owned(),
    })
}

fn indentation(lines: &Lines<'_>, info: &str) -> Option<Fault> {
    let envoy = if info.contains("block mapping") {
        "end of sequence not found"
    } else if info.contains("block collection") || info.contains("simple key") {
        "end of map not found"
    } else {
        return None;
    };
    let column = |line: &str| line.len() - line.trim_start().len() + 1;
    let (start, line) = lines.this;
    let above = lines.before.map_or(1, |(_, above)| column(above));
    Some(Fault {
        at: Some(start + column(line) - 1),
        len: line.trim().len(),
        text: format!(
            "this line begins in column {}, where none above it goes on (the one before begins in {above})",
            column(line)
        ),
        envoy: envoy.to_owned(),
        suggestion: "check the indentation".to_owned(),
    })
}
