//! The header `alt-svc` (RFC 7838, 3).

use std::borrow::Cow;
use std::time::Duration;

/// How long an alternative is true where nothing else is said.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// What an origin speaks besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// Whether it is HTTP/3.
    pub is_http3: bool,
    /// Where, if not where the origin is.
    pub host: Box<str>,
    /// At which port.
    pub port: u16,
    /// For how long that is true.
    pub max_age: Duration,
}

/// The alternatives of a value; none if it is malformed or takes back what was said.
pub fn parse(value: &str) -> Option<Vec<Alternative>> {
    let mut rest = value;
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return (!found.is_empty()).then_some(found);
        }
        let (one, behind) = alternative(rest)?;
        found.push(one);
        rest = behind.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

/// `id="authority"; name=value`, and what is behind it.
fn alternative(text: &str) -> Option<(Alternative, &str)> {
    let (id, rest) = text.split_once('=')?;
    let (authority, mut rest) = quoted(rest)?;
    let (host, port) = authority.rsplit_once(':')?;
    let mut one = Alternative {
        is_http3: id == "h3",
        host: host.into(),
        port: port.parse().ok().filter(|port| *port > 0)?,
        max_age: MAX_AGE,
    };
    while let Some(parameters) = rest.trim_start_matches([' ', '\t']).strip_prefix(';') {
        let (name, value) = parameters.trim_start_matches([' ', '\t']).split_once('=')?;
        let (value, behind) = match value.starts_with('"') {
            true => quoted(value)?,
            false => {
                let end = value.find([';', ',', ' ', '\t']).unwrap_or(value.len());
                let (value, behind) = value.split_at(end);
                (Cow::Borrowed(value), behind)
            }
        };
        if name.eq_ignore_ascii_case("ma") {
            one.max_age = Duration::from_secs(value.parse::<u32>().ok()?.into());
        }
        rest = behind;
    }
    Some((one, rest))
}

/// What is between quotes, and what is behind them.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let text = text.strip_prefix('"')?;
    let mut is_escaped = false;
    let mut has_escapes = false;
    for (place, one) in text.char_indices() {
        match one {
            _ if is_escaped => is_escaped = false,
            '\\' => {
                is_escaped = true;
                has_escapes = true;
            }
            '"' => {
                let (inside, behind) = text.split_at(place);
                let inside = match has_escapes {
                    true => Cow::Owned(inside.replace('\\', "")),
                    false => Cow::Borrowed(inside),
                };
                return Some((inside, behind.strip_prefix('"')?));
            }
            _ => {}
        }
    }
    None
}
