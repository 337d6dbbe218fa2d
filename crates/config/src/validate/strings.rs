//! Texts and bytes against lengths, parts, patterns and forms.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nuncio_api::{BytesRules, List, StringRules, WellKnown};
use regex::bytes::Regex;

/// The patterns met so far; `None` for one that does not compile.
#[derive(Default)]
pub(super) struct Patterns {
    compiled: HashMap<&'static str, Option<Regex>>,
}

impl Patterns {
    /// Whether all of `text` matches.
    fn matches(&mut self, pattern: &'static str, text: &[u8]) -> bool {
        let compiled = self
            .compiled
            .entry(pattern)
            .or_insert_with(|| Regex::new(&format!(r"\A(?:{pattern})\z")).ok());
        compiled.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

pub(super) fn text(rules: StringRules, text: &str, patterns: &mut Patterns) -> Option<String> {
    if rules.ignore_empty() && text.is_empty() {
        return None;
    }
    let characters = || text.chars().count() as u64;
    equal(rules.constant(), text)
        .or_else(|| listed(rules.any_of(), rules.none_of(), text))
        .or_else(|| characters_count(rules, characters))
        .or_else(|| {
            bytes_count(
                rules.exact_bytes(),
                rules.min_bytes(),
                rules.max_bytes(),
                text.len() as u64,
            )
        })
        .or_else(|| {
            parts(
                rules.prefix(),
                rules.suffix(),
                rules.contains(),
                text.as_bytes(),
            )
        })
        .or_else(|| {
            let part = rules.not_contains().filter(|part| text.contains(part))?;
            Some(format!("value contains substring {part:?}"))
        })
        .or_else(|| pattern(rules.pattern(), text.as_bytes(), patterns))
        .or_else(|| {
            rules
                .well_known()
                .and_then(|form| well_formed(form, rules.strict(), text))
        })
}

pub(super) fn bytes(rules: BytesRules, bytes: &[u8], patterns: &mut Patterns) -> Option<String> {
    if rules.ignore_empty() && bytes.is_empty() {
        return None;
    }
    bytes_count(
        rules.exact_len(),
        rules.min_len(),
        rules.max_len(),
        bytes.len() as u64,
    )
    .or_else(|| parts(rules.prefix(), rules.suffix(), rules.contains(), bytes))
    .or_else(|| pattern(rules.pattern(), bytes, patterns))
}

fn equal(wanted: Option<&'static str>, text: &str) -> Option<String> {
    wanted
        .filter(|wanted| *wanted != text)
        .map(|wanted| format!("value must equal {wanted:?}"))
}

fn listed(any_of: List<&'static str>, none_of: List<&'static str>, text: &str) -> Option<String> {
    let list = |list: List<&'static str>| list.iter().collect::<Vec<_>>().join(" ");
    if !any_of.is_empty() && any_of.iter().all(|known| known != text) {
        return Some(format!("value must be in list [{}]", list(any_of)));
    }
    none_of
        .iter()
        .any(|known| known == text)
        .then(|| format!("value must not be in list [{}]", list(none_of)))
}

fn characters_count(rules: StringRules, count: impl Fn() -> u64) -> Option<String> {
    let (min, max) = (rules.min_len(), rules.max_len());
    if let Some(exact) = rules.exact_len().or(min.filter(|min| Some(*min) == max)) {
        return (count() != exact).then(|| format!("value must be {exact} characters"));
    }
    match (min, max) {
        (Some(min), Some(max)) => (count() < min || count() > max)
            .then(|| format!("value must have between {min} and {max} characters inclusive")),
        (Some(min), None) => {
            (count() < min).then(|| format!("value length must be at least {min} characters"))
        }
        (None, Some(max)) => {
            (count() > max).then(|| format!("value length must be at most {max} characters"))
        }
        (None, None) => None,
    }
}

fn bytes_count(
    exact: Option<u64>,
    min: Option<u64>,
    max: Option<u64>,
    count: u64,
) -> Option<String> {
    if let Some(exact) = exact.or(min.filter(|min| Some(*min) == max)) {
        return (count != exact).then(|| format!("value length must be {exact} bytes"));
    }
    match (min, max) {
        (Some(min), Some(max)) => (count < min || count > max)
            .then(|| format!("value length must be between {min} and {max} bytes, inclusive")),
        (Some(min), None) => {
            (count < min).then(|| format!("value length must be at least {min} bytes"))
        }
        (None, Some(max)) => {
            (count > max).then(|| format!("value length must be at most {max} bytes"))
        }
        (None, None) => None,
    }
}

fn parts(
    prefix: Option<&'static str>,
    suffix: Option<&'static str>,
    contains: Option<&'static str>,
    bytes: &[u8],
) -> Option<String> {
    if let Some(prefix) = prefix.filter(|prefix| !bytes.starts_with(prefix.as_bytes())) {
        return Some(format!("value does not have prefix {prefix:?}"));
    }
    if let Some(suffix) = suffix.filter(|suffix| !bytes.ends_with(suffix.as_bytes())) {
        return Some(format!("value does not have suffix {suffix:?}"));
    }
    let has = |part: &str| {
        part.is_empty()
            || bytes
                .windows(part.len())
                .any(|window| window == part.as_bytes())
    };
    let part = contains.filter(|part| !has(part))?;
    Some(format!("value does not contain substring {part:?}"))
}

fn pattern(pattern: Option<&'static str>, bytes: &[u8], patterns: &mut Patterns) -> Option<String> {
    let pattern = pattern.filter(|pattern| !patterns.matches(pattern, bytes))?;
    Some(format!("value does not match regex pattern {pattern:?}"))
}

fn well_formed(form: WellKnown, strict: bool, text: &str) -> Option<String> {
    let (right, reason) = match form {
        WellKnown::Ip => (
            text.parse::<IpAddr>().is_ok(),
            "value must be a valid IP Address",
        ),
        WellKnown::Ipv4 => (
            text.parse::<Ipv4Addr>().is_ok(),
            "value must be a valid IPv4 Address",
        ),
        WellKnown::Ipv6 => (
            text.parse::<Ipv6Addr>().is_ok(),
            "value must be a valid IPv6 Address",
        ),
        WellKnown::Hostname => (is_hostname(text), "value must be a valid hostname"),
        WellKnown::Address => {
            let right = is_hostname(text) || text.parse::<IpAddr>().is_ok();
            (right, "value must be an ip address, or a hostname.")
        }
        WellKnown::Uuid => (is_uuid(text), "value must be a valid UUID"),
        WellKnown::HttpHeaderName if strict => {
            let pattern = r#"value does not match regex pattern "^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$""#;
            (is_header_name(text), pattern)
        }
        WellKnown::HttpHeaderValue if strict => {
            let control = |byte: u8| matches!(byte, 0..=8 | 10..=31 | 127);
            (
                !text.bytes().any(control),
                r#"value does not match regex pattern "^[^\x00-\b\n-\x1f\x7f]*$""#,
            )
        }
        WellKnown::HttpHeaderName | WellKnown::HttpHeaderValue => {
            let broken = |byte: u8| matches!(byte, 0 | b'\n' | b'\r');
            (
                !text.bytes().any(broken),
                r#"value does not match regex pattern "^[^\x00\n\r]*$""#,
            )
        }
        // The generated C++ validators do not know these.
        WellKnown::Email | WellKnown::Uri | WellKnown::UriRef => return None,
    };
    (!right).then(|| reason.to_owned())
}

fn is_header_name(text: &str) -> bool {
    let name = text.strip_prefix(':').unwrap_or(text);
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*'..=b'.' | b'^'..=b'`' | b'|' | b'~')
    };
    !name.is_empty() && name.bytes().all(allowed)
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

fn is_uuid(text: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if dash(at) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}
