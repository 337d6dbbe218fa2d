//! Patterns over the dot-separated tokens of a stat name, with one part to capture.
//!
//! | written    | matches                                                              | removed with the tag  |
//! |------------|----------------------------------------------------------------------|-----------------------|
//! | `word`     | the token itself; `a\|b` either                                      |                       |
//! | `*`        | any token                                                            |                       |
//! | `**`       | one token or more                                                    |                       |
//! | `$`        | any token, captured                                                  | the token and its dot |
//! | `$word`    | a token of letters, digits, `_` and `-`, captured                    | the same              |
//! | `$tls`     | two tokens `TLSv<n>.<n>`, captured                                   | the same              |
//! | `$path`    | one token or more, captured                                          | the same              |
//! | `@`        | an address (`1.2.3.4_80`, `[__1]_80`) or any token                   |                       |
//! | `$@`       | the same, captured                                                   | the same              |
//! | `name_#`   | `name_` and digits, of which the digits are captured                 | the digits and a dot  |
//! | `name=$`   | `name=` and seven letters or digits, which are captured              | the token and its dot |
//!
//! The dot that goes with a token is the one after it, or at the end of the name the one before it.

/// What a pattern found in a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The captured part.
    pub(super) value: std::ops::Range<usize>,
    /// What is taken out of the name.
    pub(super) removed: std::ops::Range<usize>,
}

/// Matches all of `name` with `pattern`.
pub(super) fn find(pattern: &str, name: &str) -> Option<Found> {
    let mut found = None;
    matches(Some(pattern), name, 0, &mut found).then_some(found)?
}

/// Matches `pattern` with the tokens of `name` from byte `at` on; `at` beyond the end means no token left.
fn matches(pattern: Option<&str>, name: &str, at: usize, found: &mut Option<Found>) -> bool {
    let Some(pattern) = pattern else {
        return at > name.len();
    };
    let Some(token) = token_at(name, at) else {
        return false;
    };
    let (element, rest) = match pattern.split_once('.') {
        Some((element, rest)) => (element, Some(rest)),
        None => (pattern, None),
    };
    let after = at + token.len() + 1;
    match element {
        "*" => matches(rest, name, after, found),
        "**" | "$path" => spans(element, rest, name, at, found),
        "@" | "$@" => {
            let end = address_end(name, at).unwrap_or(at + token.len());
            capture(element.starts_with('$'), name, at..end, found)
                && matches(rest, name, end + 1, found)
        }
        "$" => {
            !token.is_empty()
                && capture(true, name, at..after - 1, found)
                && matches(rest, name, after, found)
        }
        "$word" => {
            is_word(token)
                && capture(true, name, at..after - 1, found)
                && matches(rest, name, after, found)
        }
        "$tls" => tls_version_end(name, at).is_some_and(|end| {
            capture(true, name, at..end, found) && matches(rest, name, end + 1, found)
        }),
        _ => matches_part(element, token, at, name, found) && matches(rest, name, after, found),
    }
}

/// Literal tokens and those of which a part is captured.
fn matches_part(
    element: &str,
    token: &str,
    at: usize,
    name: &str,
    found: &mut Option<Found>,
) -> bool {
    let end = at + token.len();
    if let Some(prefix) = element.strip_suffix('#') {
        let digits = token.strip_prefix(prefix).unwrap_or_default();
        let start = at + prefix.len();
        let removed = start..(end + 1).min(name.len());
        *found = Some(Found {
            value: start..end,
            removed,
        });
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    }
    if let Some(prefix) = element.strip_suffix('$') {
        let value = token.strip_prefix(prefix).unwrap_or_default();
        capture(true, name, at..end, found);
        if let Some(found) = found {
            found.value.start += prefix.len().min(token.len());
        }
        return value.len() == 7
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    }
    element.split('|').any(|word| word == token)
}

/// `**` and `$path`: the shortest run of tokens with which the rest matches.
fn spans(
    element: &str,
    rest: Option<&str>,
    name: &str,
    at: usize,
    found: &mut Option<Found>,
) -> bool {
    let mut end = at;
    while let Some(token) = token_at(name, end) {
        end += token.len() + 1;
        if rest.is_none() && end <= name.len() {
            continue;
        }
        let mut inner = None;
        if matches(rest, name, end, &mut inner) {
            if inner.is_some() {
                *found = inner;
            }
            return element == "**" || capture(true, name, at..end - 1, found);
        }
    }
    false
}

fn token_at(name: &str, at: usize) -> Option<&str> {
    name.get(at..)?.split('.').next()
}

/// Notes the captured token and the dot that goes with it; always true.
fn capture(
    captured: bool,
    name: &str,
    value: std::ops::Range<usize>,
    found: &mut Option<Found>,
) -> bool {
    if captured {
        let removed = if value.end < name.len() {
            value.start..value.end + 1
        } else {
            value.start.saturating_sub(1)..value.end
        };
        *found = Some(Found { value, removed });
    }
    true
}

fn is_word(token: &str) -> bool {
    !token.is_empty()
        && token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The end of an address with a port that starts at `at`: `1.2.3.4_80` or `[fe80__1]_80`.
fn address_end(name: &str, at: usize) -> Option<usize> {
    let text = name.get(at..)?;
    let host_end = match text.strip_prefix('[') {
        Some(inside) => {
            let host = inside.split(']').next()?;
            let valid = host
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'_');
            (valid && !host.is_empty()).then_some(host.len() + 2)?
        }
        None => {
            let host = text.split('_').next()?;
            let part = |part: &str| {
                (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
            };
            (host.split('.').count() == 4 && host.split('.').all(part)).then_some(host.len())?
        }
    };
    let port = text.get(host_end..)?.strip_prefix('_')?.split('.').next()?;
    let valid = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    valid.then_some(at + host_end + 1 + port.len())
}

/// The end of `TLSv<digit>.<digit>` at `at`.
fn tls_version_end(name: &str, at: usize) -> Option<usize> {
    let text = name.get(at..at + 7)?;
    let (major, minor) = text.strip_prefix("TLSv")?.split_once('.')?;
    let digit = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    let ends = !name.get(at + 7..)?.starts_with(|next: char| next != '.');
    (digit(major) && digit(minor) && ends).then_some(at + 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split<'a>(pattern: &str, name: &'a str) -> Option<(&'a str, String)> {
        let found = find(pattern, name)?;
        let mut rest = name.to_owned();
        rest.replace_range(found.removed, "");
        Some((&name[found.value], rest))
    }

    #[test]
    fn a_captured_token_goes_with_the_dot_after_it_or_at_the_end_before_it() {
        assert_eq!(split("a.$.**", "a.b.c.d"), Some(("b", "a.c.d".into())));
        assert_eq!(split("a.b.$", "a.b.c"), Some(("c", "a.b".into())));
        assert_eq!(split("$.b.**", "a.b.c"), Some(("a", "b.c".into())));
    }

    #[test]
    fn two_stars_take_one_token_at_least_and_as_few_as_they_can() {
        assert_eq!(
            split("a.**.http.$.**", "a.1.2.http.x.y"),
            Some(("x", "a.1.2.http.y".into()))
        );
        assert_eq!(split("a.**.http.$.**", "a.http.x.y"), None);
        assert_eq!(split("a.$.**", "a.b"), None);
    }

    #[test]
    fn an_address_may_hold_dots() {
        assert_eq!(
            split("listener.$@.**", "listener.127.0.0.1_80.cx"),
            Some(("127.0.0.1_80", "listener.cx".into()))
        );
        assert_eq!(
            split("listener.$@.**", "listener.[__1]_80.cx"),
            Some(("[__1]_80", "listener.cx".into()))
        );
        assert_eq!(
            split("listener.$@.**", "listener.foo.cx"),
            Some(("foo", "listener.cx".into()))
        );
        assert_eq!(
            split("listener.$@.**", "listener.1.2.3.4_x.cx"),
            Some(("1", "listener.2.3.4_x.cx".into()))
        );
    }

    #[test]
    fn the_number_of_a_worker_leaves_the_word_before_it() {
        let pattern = "listener.@.worker_#.**";
        assert_eq!(
            split(pattern, "listener.1.2.3.4_80.worker_12.cx"),
            Some(("12", "listener.1.2.3.4_80.worker_cx".into()))
        );
        assert_eq!(split(pattern, "listener.x.worker_.cx"), None);
    }

    #[test]
    fn a_path_takes_all_tokens_up_to_the_last() {
        assert_eq!(
            split("http.*.rds.$path.*", "http.x.rds.a.b/c.version"),
            Some(("a.b/c", "http.x.rds.version".into()))
        );
    }

    #[test]
    fn a_tls_version_is_two_tokens() {
        assert_eq!(
            split("l.**.versions.$tls", "l.x.versions.TLSv1.3"),
            Some(("TLSv1.3", "l.x.versions".into()))
        );
        assert_eq!(split("l.**.versions.$tls", "l.x.versions.TLSv1.33"), None);
    }

    #[test]
    fn a_partition_is_removed_with_the_word_before_it() {
        let name = "t.x.__partition_id=1234567";
        assert_eq!(
            split("t.*.__partition_id=$", name),
            Some(("1234567", "t.x".into()))
        );
    }
}
