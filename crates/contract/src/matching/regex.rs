//! `envoy.type.matcher.v3.RegexMatcher` and its substitution form.
//!
//! Envoy's engine is RE2; the `regex` crate keeps the same promise of linear time, and [`re2`] translates the
//! syntax. Each byte is a character, also one that is no UTF-8, so that what stands beside it cannot hide it. A pattern
//! must match the whole input. Limit: a compiled program of 1 MiB, whatever limit a matcher or the runtime sets for
//! RE2's instructions (Envoy's is 100 by default).

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use regex::bytes::{Regex, RegexBuilder};

use super::re2;

const PROGRAM_LIMIT_BYTES: usize = 1 << 20;

message! {
    /// A regular expression, RE2 syntax.
    pub struct RegexMatcher: "envoy.type.matcher.v3.RegexMatcher" {
        checked google_re2: Option<GoogleRe2> = "RE2 is the only engine, so that there is nothing to choose",
        pub(crate) regex: Spanned<String>,
    }
}

message! {
    /// The engine's marker: RE2 is the only one, so there is nothing to choose.
    pub struct GoogleRe2: "envoy.type.matcher.v3.RegexMatcher.GoogleRE2" {
        inert max_program_size = "programs have a limit of their own, which is a wider one";
    }
}

message! {
    /// A pattern and what its matches become; `\1` names a capture group.
    pub struct RegexMatchAndSubstitute: "envoy.type.matcher.v3.RegexMatchAndSubstitute" {
        pub(crate) pattern: RegexMatcher,
        pub(crate) substitution: Spanned<String>,
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct CompiledRegex {
    whole: Regex,
    /// As it was written.
    pattern: Box<str>,
}

/// What the groups of a pattern took.
pub struct Groups<'i>(regex::bytes::Captures<'i>);

impl<'i> Groups<'i> {
    /// What the group of this number took; 0 is the whole.
    pub fn get(&self, number: usize) -> Option<&'i [u8]> {
        self.0.get(number).map(|group| group.as_bytes())
    }
}

impl CompiledRegex {
    /// Compiles; a bad pattern is an error at its place in the file.
    pub fn compile(matcher: &RegexMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        Self::at_place(&matcher.regex, ctx)
    }

    /// Compiles a pattern; a bad one is an error at its place in the file.
    pub fn at_place(pattern: &Spanned<String>, ctx: &mut Ctx) -> Result<Self, Refused> {
        Self::new(&pattern.value).map_err(|fault| report(fault, pattern, ctx))
    }

    /// Compiles a pattern that was made, not written.
    pub fn new(pattern: &str) -> Result<Self, RegexFault> {
        let translated = translate(pattern)?;
        Ok(CompiledRegex {
            whole: compile(&format!("^(?:{translated})$"))?,
            pattern: pattern.into(),
        })
    }

    /// What the groups take of `input`; none if the pattern does not match all of it.
    pub fn groups<'i>(&self, input: &'i [u8]) -> Option<Groups<'i>> {
        self.whole.captures(input).map(Groups)
    }

    /// The pattern as the config has it.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The pattern as the engine has it, for the whole of an input.
    pub(super) fn engine_pattern(&self) -> &str {
        self.whole.as_str()
    }

    /// Whether the pattern matches all of `input`.
    pub fn is_full_match(&self, input: &[u8]) -> bool {
        self.whole.is_match(input)
    }
}

/// A pattern that is searched for.
#[derive(Clone, Debug)]
pub struct RegexSearch(Regex);

impl RegexSearch {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, RegexFault> {
        build(pattern).map(RegexSearch)
    }

    /// Whether the pattern is somewhere in `input`.
    pub fn is_in(&self, input: &[u8]) -> bool {
        self.0.is_match(input)
    }
}

/// A pattern that is searched for in texts of UTF-8, and the same as the engine has it: a `.` is a character, none of
/// the line's end. A pattern that is not in ASCII takes bytes for characters.
///
/// # Errors
/// In RE2's words.
pub(crate) fn text_regex(pattern: &str) -> Result<(String, Regex), String> {
    let translated = translate(pattern).map_err(|fault| fault.envoy)?;
    let built = RegexBuilder::new(&translated)
        .unicode(pattern.is_ascii())
        .size_limit(PROGRAM_LIMIT_BYTES)
        .build();
    match built {
        Ok(regex) => Ok((translated, regex)),
        Err(error) => Err(error.to_string()),
    }
}

/// A pattern that is searched for and replaced everywhere.
#[derive(Clone, Debug)]
pub struct RegexRewrite {
    pattern: Regex,
    /// None where it names a group that is not there: then RE2 replaces nothing.
    substitution: Option<Vec<u8>>,
}

impl RegexRewrite {
    /// Compiles the pattern and the substitution.
    pub fn compile(config: &RegexMatchAndSubstitute, ctx: &mut Ctx) -> Result<Self, Refused> {
        let pattern = build(&config.pattern.regex.value)
            .map_err(|fault| report(fault, &config.pattern.regex, ctx))?;
        let text = &config.substitution.value;
        let substitution = translate_substitution(text, pattern.captures_len());
        if !substitution.is_whole {
            let what = format!(
                "the substitution `{text}` names a capture group that the pattern does not have, or holds a \
                 backslash before something else than a digit; what matches is not rewritten as meant"
            );
            ctx.warning(config.substitution.span, what);
        }
        Ok(RegexRewrite {
            pattern,
            substitution: substitution.text,
        })
    }

    /// Every match in `input` replaced.
    pub fn replace_all(&self, input: &[u8]) -> Vec<u8> {
        match &self.substitution {
            Some(substitution) => self
                .pattern
                .replace_all(input, substitution.as_slice())
                .into_owned(),
            None => input.to_vec(),
        }
    }
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexFault {
    /// In plain words.
    pub reason: String,
    /// In RE2's, which Envoy passes on.
    pub envoy: String,
}

/// Checks a pattern's syntax without compiling it.
pub fn check_regex(pattern: &str) -> Result<(), RegexFault> {
    translate(pattern).map(drop)
}

fn build(pattern: &str) -> Result<Regex, RegexFault> {
    compile(&translate(pattern)?)
}

fn translate(pattern: &str) -> Result<String, RegexFault> {
    re2::translate(pattern).map_err(|envoy| RegexFault {
        reason: envoy.clone(),
        envoy,
    })
}

fn compile(translated: &str) -> Result<Regex, RegexFault> {
    RegexBuilder::new(translated)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(PROGRAM_LIMIT_BYTES)
        .build()
        .map_err(|error| {
            let reason = error.to_string();
            let last_line = reason.lines().last().unwrap_or_default();
            let reason = last_line.trim_start_matches("error: ").to_owned();
            RegexFault {
                envoy: reason.clone(),
                reason,
            }
        })
}

fn report(fault: RegexFault, pattern: &Spanned<String>, ctx: &mut Ctx) -> Refused {
    let text = format!("invalid regex `{}`: {}", pattern.value, fault.reason);
    ctx.error(pattern.span, text).envoy(fault.envoy);
    Refused
}

struct Substitution {
    text: Option<Vec<u8>>,
    is_whole: bool,
}

/// RE2's `\0`..`\9` and `\\` into the crate's `${0}` and `$$` escapes. RE2 ends at an escape that is none of
/// these, with what it has by then.
fn translate_substitution(text: &str, groups: usize) -> Substitution {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut bytes = text.bytes();
    let mut is_whole = true;
    while let Some(byte) = bytes.next() {
        match byte {
            b'$' => out.extend_from_slice(b"$$"),
            b'\\' => match bytes.next() {
                Some(b'\\') => out.push(b'\\'),
                Some(digit @ b'0'..=b'9') if usize::from(digit - b'0') < groups => {
                    out.extend_from_slice(&[b'$', b'{', digit, b'}']);
                }
                Some(b'0'..=b'9') => {
                    return Substitution {
                        text: None,
                        is_whole: false,
                    };
                }
                _ => {
                    is_whole = false;
                    break;
                }
            },
            other => out.push(other),
        }
    }
    Substitution {
        text: Some(out),
        is_whole,
    }
}

#[cfg(test)]
mod tests {
    use super::{CompiledRegex, RegexRewrite, build, translate_substitution};

    fn translated(text: &str, groups: usize) -> Option<String> {
        let text = translate_substitution(text, groups).text?;
        Some(String::from_utf8(text).expect("text"))
    }

    #[test]
    fn bytes_that_are_no_utf8_hide_nothing() {
        let evil = CompiledRegex::new(".*evil.*").expect("a pattern");
        assert!(evil.is_full_match(b"\xe9 evil \xff"));
        assert!(evil.is_full_match("é evil".as_bytes()));
        assert!(!evil.is_full_match(b"\xe9"));
        let rewrite = RegexRewrite {
            pattern: build("b(.)").expect("a pattern"),
            substitution: Some("é${1}".into()),
        };
        assert_eq!(rewrite.replace_all(b"\xe9ba\xff"), b"\xe9\xc3\xa9a\xff");
        assert_eq!(rewrite.replace_all(b"b\xff"), b"\xc3\xa9\xff");
        assert_eq!(rewrite.replace_all(b"bab"), b"\xc3\xa9ab");
    }

    #[test]
    fn capture_groups_are_named_the_re2_way() {
        assert_eq!(translated(r"/\2/\1", 3).as_deref(), Some("/${2}/${1}"));
        assert_eq!(translated("a$b", 1).as_deref(), Some("a$$b"));
    }

    #[test]
    fn a_group_that_is_not_there_replaces_nothing_and_a_bad_escape_ends_the_text() {
        assert_eq!(translated(r"\3", 3), None);
        assert_eq!(translated("a\\", 1).as_deref(), Some("a"));
        assert_eq!(translated("a\\qb", 1).as_deref(), Some("a"));
        assert!(!translate_substitution("a\\qb", 1).is_whole);
    }
}
