//! The grammar of a pattern: segments between slashes, each a literal, `*` (one segment), `**` (any number) or a
//! variable `{name}`, `{name=pattern}` with literals before and behind it; behind `*` or `**` a last literal.
//!
//! Limits: 5 variables, names of 1 to 16 characters, no wildcard behind `**`; 256 bytes by the API's rules.
//! What is wrong is said in Envoy's words.

const MOST_VARIABLES: usize = 5;
const LONGEST_NAME_BYTES: usize = 16;
/// What literals are made of and wildcards stand for: RFC 3986's `pchar`, as RE2 writes a class.
const CHARACTERS: &str = "a-zA-Z0-9-._~%!$&'()+,;:@=*";

/// A pattern, parsed.
#[derive(Debug, Default)]
pub(super) struct Pattern<'p> {
    pub(super) segments: Vec<Segment<'p>>,
    /// A literal behind the last wildcard, without a slash.
    suffix: &'p str,
}

/// What stands between two slashes.
#[derive(Debug)]
pub(super) struct Segment<'p> {
    /// As it is written.
    pub(super) text: &'p str,
    kind: Kind<'p>,
}

#[derive(Debug)]
enum Kind<'p> {
    Plain(Part<'p>),
    Variable(Variable<'p>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'p> {
    Literal(&'p str),
    /// `*`
    One,
    /// `**`
    Rest,
}

#[derive(Debug)]
struct Variable<'p> {
    before: &'p str,
    name: &'p str,
    /// Empty for one segment.
    parts: Vec<Part<'p>>,
    behind: &'p str,
}

impl<'p> Pattern<'p> {
    /// Parses, or says what is wrong.
    pub(super) fn parse(text: &'p str) -> Result<Self, String> {
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        let Some(mut rest) = text.strip_prefix('/').filter(|_| is_printable) else {
            return Err(format!("Invalid pattern: \"{text}\""));
        };
        let mut pattern = Pattern::default();
        while !rest.is_empty() {
            let (segment, behind) = Segment::parse(rest)?;
            pattern.segments.push(segment);
            rest = match behind.strip_prefix('/') {
                Some("") => {
                    pattern.segments.push(Segment::literal(""));
                    break;
                }
                Some(next) => next,
                None if behind.is_empty() => break,
                None => {
                    let (suffix, left) = literal(behind)?;
                    pattern.suffix = suffix;
                    if !left.is_empty() {
                        return Err("Prefix match not supported.".to_owned());
                    }
                    break;
                }
            };
        }
        pattern.check_names()?;
        pattern.check_order()?;
        Ok(pattern)
    }

    /// The names of the variables; one's place is that of its group in the regular expression, less one.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'p str> {
        self.segments.iter().filter_map(Segment::variable)
    }

    /// The regular expression for the whole path.
    pub(super) fn regex(&self) -> String {
        self.regex_of_first(self.segments.len()) + &escaped(self.suffix)
    }

    /// That for the first segments alone.
    pub(super) fn regex_of_first(&self, count: usize) -> String {
        let segments: Vec<_> = self
            .segments
            .iter()
            .take(count)
            .map(Segment::regex)
            .collect();
        format!("/{}", segments.join("/"))
    }

    fn check_names(&self) -> Result<(), String> {
        let mut seen: Vec<&str> = Vec::new();
        for name in self.variables() {
            if seen.len() >= MOST_VARIABLES {
                return Err(format!("Exceeded variable count limit ({MOST_VARIABLES})"));
            }
            if name.len() > LONGEST_NAME_BYTES {
                return Err(format!(
                    "Invalid variable name length (length of \"{name}\" should be at least 1 and no more than \
                     {LONGEST_NAME_BYTES})"
                ));
            }
            if seen.contains(&name) {
                return Err(format!("Repeated variable name: \"{name}\""));
            }
            seen.push(name);
        }
        Ok(())
    }

    fn check_order(&self) -> Result<(), String> {
        let mut seen_rest = false;
        for segment in &self.segments {
            let parts = match &segment.kind {
                Kind::Variable(variable) if variable.parts.is_empty() => {
                    if seen_rest {
                        let text = "Implicit variable path glob after text glob.";
                        return Err(text.to_owned());
                    }
                    continue;
                }
                Kind::Variable(variable) => variable.parts.as_slice(),
                Kind::Plain(part) => std::slice::from_ref(part),
            };
            for part in parts {
                match part {
                    Part::Literal(_) => {}
                    Part::One | Part::Rest if seen_rest => {
                        return Err("Glob after text glob.".to_owned());
                    }
                    Part::One => {}
                    Part::Rest => seen_rest = true,
                }
            }
        }
        Ok(())
    }
}

impl<'p> Segment<'p> {
    /// The segment at the start of `text`, and what stands behind it.
    fn parse(text: &'p str) -> Result<(Self, &'p str), String> {
        let until_slash = text.split('/').next().unwrap_or_default();
        let has_variable = until_slash.contains('{') && until_slash.contains('}');
        let (kind, behind) = if text.starts_with('*') {
            let (part, behind) = part(text)?;
            (Kind::Plain(part), behind)
        } else if text.starts_with('{') || has_variable {
            let (variable, behind) = Variable::parse(text)?;
            (Kind::Variable(variable), behind)
        } else {
            let (literal, behind) = literal(text)?;
            (Kind::Plain(Part::Literal(literal)), behind)
        };
        let length = text.len().saturating_sub(behind.len());
        let text = text.get(..length).unwrap_or(text);
        Ok((Segment { text, kind }, behind))
    }

    fn literal(text: &'p str) -> Self {
        let kind = Kind::Plain(Part::Literal(text));
        Segment { text, kind }
    }

    fn variable(&self) -> Option<&'p str> {
        match &self.kind {
            Kind::Variable(variable) => Some(variable.name),
            Kind::Plain(_) => None,
        }
    }

    fn regex(&self) -> String {
        let Variable {
            before,
            name,
            parts,
            behind,
        } = match &self.kind {
            Kind::Plain(part) => return part.regex(),
            Kind::Variable(variable) => variable,
        };
        let inner = if parts.is_empty() {
            Part::One.regex()
        } else {
            let parts: Vec<_> = parts.iter().map(|part| part.regex()).collect();
            parts.join("/")
        };
        format!("{}(?P<{name}>{inner}){}", escaped(before), escaped(behind))
    }
}

impl<'p> Variable<'p> {
    /// The variable in the segment at the start of `text`, with the literals around it; its own pattern may
    /// hold slashes.
    fn parse(text: &'p str) -> Result<(Self, &'p str), String> {
        let (before, opened) = text.split_once('{').unwrap_or((text, ""));
        let Some((inner, rest)) = opened.split_once('}') else {
            return Err(format!(
                "Unmatched variable bracket in mixed pattern: \"{text}\""
            ));
        };
        let (behind, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        for (place, literal) in [("prefix", before), ("suffix", behind)] {
            if !literal.is_empty() && !is_literal(literal) {
                return Err(format!("Invalid {place} literal: \"{literal}\""));
            }
        }
        let (name, pattern) = match inner.split_once('=') {
            Some((name, pattern)) => (name, Some(pattern)),
            None => (inner, None),
        };
        if !is_name(name) {
            return Err(format!("Invalid variable name: \"{name}\""));
        }
        let variable = Variable {
            before,
            name,
            parts: pattern.map_or(Ok(Vec::new()), parts)?,
            behind,
        };
        Ok((variable, rest))
    }
}

impl Part<'_> {
    fn regex(self) -> String {
        match self {
            Part::Literal(text) => escaped(text),
            Part::One => format!("[{CHARACTERS}]+"),
            Part::Rest => format!("[{CHARACTERS}/]*"),
        }
    }
}

/// A variable's own pattern.
fn parts(pattern: &str) -> Result<Vec<Part<'_>>, String> {
    if pattern.is_empty() {
        return Err("Empty variable match".to_owned());
    }
    let mut parts = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        let (part, behind) = part(rest)?;
        parts.push(part);
        rest = match behind.strip_prefix('/') {
            Some(next) if !next.is_empty() => next,
            None if behind.is_empty() => "",
            _ => return Err(format!("Invalid variable match: \"{behind}\"")),
        };
    }
    Ok(parts)
}

fn part(text: &str) -> Result<(Part<'_>, &str), String> {
    if let Some(behind) = text.strip_prefix("**") {
        return Ok((Part::Rest, behind));
    }
    if let Some(behind) = text.strip_prefix('*') {
        return Ok((Part::One, behind));
    }
    literal(text).map(|(literal, behind)| (Part::Literal(literal), behind))
}

/// The literal up to the next slash.
fn literal(text: &str) -> Result<(&str, &str), String> {
    let (literal, behind) = text.split_at(text.find('/').unwrap_or(text.len()));
    if literal.is_empty() || !is_literal(literal) {
        return Err(format!("Invalid literal: \"{literal}\""));
    }
    Ok((literal, behind))
}

fn is_literal(text: &str) -> bool {
    text.bytes().all(is_character)
}

/// Whether literals may hold it and wildcards stand for it.
pub(super) fn is_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=*".contains(&byte)
}

/// A variable's name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A literal in a regular expression. A `*` stays what it is there: Envoy escapes it no more than that.
fn escaped(literal: &str) -> String {
    let mut out = String::with_capacity(literal.len());
    for letter in literal.chars() {
        if matches!(letter, '$' | '(' | ')' | '+' | '.') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
