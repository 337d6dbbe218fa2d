//! `cache-control`, of requests and of responses. Directives count in any case; a time that is no number of seconds is as
//! good as none. Arguments of `no-cache` and `private` are not looked at.

/// A number of seconds; what is too large for one is the largest.
pub(crate) type Seconds = i64;

/// What a client wishes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestControl {
    pub(crate) must_validate: bool,
    pub(crate) no_store: bool,
    pub(crate) max_age: Option<Seconds>,
    pub(crate) min_fresh: Option<Seconds>,
    pub(crate) max_stale: Option<Seconds>,
}

/// What a host says of its answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseControl {
    pub(crate) must_validate: bool,
    pub(crate) no_store: bool,
    pub(crate) no_stale: bool,
    pub(crate) max_age: Option<Seconds>,
}

impl RequestControl {
    /// Of a request's `cache-control`; without it its `pragma` says at most `no-cache`.
    pub(crate) fn of(cache_control: Option<&[u8]>, pragma: Option<&[u8]>) -> Self {
        match cache_control.filter(|value| !value.is_empty()) {
            Some(value) => Self::parse(value),
            None => RequestControl {
                must_validate: Self::parse(pragma.unwrap_or_default()).must_validate,
                ..RequestControl::default()
            },
        }
    }

    fn parse(value: &[u8]) -> Self {
        let mut control = RequestControl::default();
        for (directive, argument) in directives(value) {
            match directive.as_slice() {
                b"no-cache" => control.must_validate = true,
                b"no-store" => control.no_store = true,
                b"max-age" => control.max_age = seconds(argument),
                b"min-fresh" => control.min_fresh = seconds(argument),
                b"max-stale" if argument.is_empty() => control.max_stale = Some(Seconds::MAX),
                b"max-stale" => control.max_stale = seconds(argument),
                _ => {}
            }
        }
        control
    }
}

impl ResponseControl {
    /// Of a response's `cache-control`. `s-maxage` counts before `max-age`.
    pub(crate) fn of(value: &[u8]) -> Self {
        let mut control = ResponseControl::default();
        for (directive, argument) in directives(value) {
            match directive.as_slice() {
                b"no-cache" => control.must_validate = true,
                b"must-revalidate" | b"proxy-revalidate" => control.no_stale = true,
                b"no-store" | b"private" => control.no_store = true,
                b"s-maxage" => control.max_age = seconds(argument),
                b"max-age" if control.max_age.is_none() => control.max_age = seconds(argument),
                _ => {}
            }
        }
        control
    }
}

/// Each directive in lower case, with what is behind its `=`.
fn directives(value: &[u8]) -> impl Iterator<Item = (Vec<u8>, &[u8])> {
    value.split(|byte| *byte == b',').map(|part| {
        let mut sides = part.trim_ascii().splitn(2, |byte| *byte == b'=');
        let name = sides.next().unwrap_or_default().to_ascii_lowercase();
        (name, sides.next().unwrap_or_default())
    })
}

fn seconds(argument: &[u8]) -> Option<Seconds> {
    let inner = argument
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(argument);
    let text = str::from_utf8(inner.trim_ascii()).ok()?;
    text.parse().ok().filter(|seconds| *seconds >= 0)
}
