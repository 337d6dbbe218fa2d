//! `envoy.type.matcher.v3.RegexMatcher` and its substitution form.
//!
//! Envoy's engine is RE2; the `regex` crate has the same syntax and the same promise of linear time. A pattern
//! must match the whole input. Limit: a compiled program of 1 MiB.

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused};
use regex::bytes::{Regex, RegexBuilder};

const PROGRAM_LIMIT_BYTES: usize = 1 << 20;

message! {
    /// A regular expression, RE2 syntax.
    pub struct RegexMatcher: "envoy.type.matcher.v3.RegexMatcher" {
        checked google_re2: Option<GoogleRe2> = "RE2 is the only engine, so that there is nothing to choose",
        pub(crate) regex: nuncio_config::typed::Spanned<String>,
    }
}

message! {
    /// The engine's marker: RE2 is the only one, so there is nothing to choose.
    pub struct GoogleRe2: "envoy.type.matcher.v3.RegexMatcher.GoogleRE2" {
        inert max_program_size = "Envoy itself only warns about it; the program size is limited anyway";
    }
}

message! {
    /// A pattern and what its matches become; `\1` names a capture group.
    pub struct RegexMatchAndSubstitute: "envoy.type.matcher.v3.RegexMatchAndSubstitute" {
        pub(crate) pattern: RegexMatcher,
        pub(crate) substitution: nuncio_config::typed::Spanned<String>,
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct CompiledRegex {
    whole: Regex,
}

impl CompiledRegex {
    /// Compiles; a bad pattern is an error at its place in the file.
    pub fn compile(matcher: &RegexMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        let whole = build(&format!("^(?:{})$", matcher.regex.value), matcher, ctx)?;
        Ok(CompiledRegex { whole })
    }

    /// The pattern as the config has it.
    pub fn pattern(&self) -> &str {
        let whole = self.whole.as_str();
        let inner = whole.strip_prefix("^(?:");
        inner
            .and_then(|inner| inner.strip_suffix(")$"))
            .unwrap_or(whole)
    }

    /// Whether the pattern matches all of `input`.
    pub fn is_full_match(&self, input: &[u8]) -> bool {
        self.whole.is_match(input)
    }
}

/// A pattern that is searched for and replaced everywhere.
#[derive(Clone, Debug)]
pub struct RegexRewrite {
    pattern: Regex,
    substitution: Vec<u8>,
}

impl RegexRewrite {
    /// Compiles the pattern and the substitution.
    pub fn compile(config: &RegexMatchAndSubstitute, ctx: &mut Ctx) -> Result<Self, Refused> {
        let pattern = build(&config.pattern.regex.value, &config.pattern, ctx)?;
        let Some(substitution) =
            translate_substitution(&config.substitution.value, pattern.captures_len())
        else {
            ctx.error(
                config.substitution.span,
                format!(
                    "the substitution `{}` names a capture group that the pattern does not have, or ends in a \
                     lone backslash",
                    config.substitution.value
                ),
            );
            return Err(Refused);
        };
        Ok(RegexRewrite {
            pattern,
            substitution,
        })
    }

    /// Every match in `input` replaced.
    pub fn replace_all(&self, input: &[u8]) -> Vec<u8> {
        self.pattern
            .replace_all(input, self.substitution.as_slice())
            .into_owned()
    }
}

fn build(pattern: &str, matcher: &RegexMatcher, ctx: &mut Ctx) -> Result<Regex, Refused> {
    RegexBuilder::new(pattern)
        .unicode(true)
        .dot_matches_new_line(true)
        .size_limit(PROGRAM_LIMIT_BYTES)
        .build()
        .map_err(|error| {
            let reason = error.to_string();
            let last_line = reason
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_string();
            ctx.error(
                matcher.regex.span,
                format!("invalid regex `{}`: {last_line}", matcher.regex.value),
            );
            Refused
        })
}

/// RE2's `\0`..`\9` and `\\` into the crate's `${0}` and `$$` escapes.
fn translate_substitution(text: &str, groups: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'$' => out.extend_from_slice(b"$$"),
            b'\\' => match bytes.next()? {
                b'\\' => out.push(b'\\'),
                digit @ b'0'..=b'9' if usize::from(digit - b'0') < groups => {
                    out.extend_from_slice(&[b'$', b'{', digit, b'}']);
                }
                _ => return None,
            },
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::translate_substitution;

    #[test]
    fn capture_groups_are_named_the_re2_way() {
        assert_eq!(
            translate_substitution(r"/\2/\1", 3).as_deref(),
            Some(b"/${2}/${1}".as_slice())
        );
        assert_eq!(
            translate_substitution("a$b", 1).as_deref(),
            Some(b"a$$b".as_slice())
        );
        assert_eq!(translate_substitution(r"\3", 3), None);
        assert_eq!(translate_substitution("\\", 1), None);
    }
}
