//! The request's path and query: `%PATH%`, `%QUERY_PARAM(X)%`, `%QUERY_PARAMS%`, `%REQ_WITHOUT_QUERY%`.

use super::FormatContext;
use super::error::FormatError;
use crate::headers::Known;

/// `%PATH(X:Y)%`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathOperator {
    with_query: bool,
    source: PathSource,
}

#[derive(Clone, Copy, Debug)]
enum PathSource {
    OriginalOrPath,
    Path,
    Original,
}

impl PathOperator {
    /// Compiles `WQ|NQ` and `ORIG|PATH|ORIG_OR_PATH`.
    pub(super) fn parse(argument: &str) -> Result<Self, FormatError> {
        let mut parts = argument.split(':');
        let (query, option) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let with_query = match query {
            "" | "WQ" => true,
            "NQ" => false,
            _ => {
                let text = format!("Invalid PATH option: '{query}', only 'WQ'/'NQ' are allowed");
                return Err(FormatError::new(text));
            }
        };
        let source = match option {
            "" | "ORIG_OR_PATH" => PathSource::OriginalOrPath,
            "PATH" => PathSource::Path,
            "ORIG" => PathSource::Original,
            _ => {
                return Err(FormatError::new(format!(
                    "Invalid PATH option: '{option}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed"
                )));
            }
        };
        Ok(PathOperator { with_query, source })
    }

    /// The path; an empty one counts as none.
    pub(super) fn evaluate<'a>(&self, context: &FormatContext<'a>) -> Option<&'a [u8]> {
        let headers = context.request_headers?;
        let present = |known| headers.get(known).filter(|value| !value.is_empty());
        let path = match self.source {
            PathSource::OriginalOrPath => {
                present(Known::XEnvoyOriginalPath).or_else(|| present(Known::Path))
            }
            PathSource::Path => present(Known::Path),
            PathSource::Original => present(Known::XEnvoyOriginalPath),
        }?;
        Some(if self.with_query {
            path
        } else {
            without_query(path)
        })
    }
}

/// What stands before the `?`.
pub(super) fn without_query(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or(path)
}

fn query<'a>(context: &FormatContext<'a>) -> Option<&'a [u8]> {
    let path = context.request_headers?.get(Known::Path)?;
    let at = path.iter().position(|byte| *byte == b'?')?;
    path.get(at + 1..)
}

/// Appends the first value of the query parameter `name`, both percent-decoded; `false` if there is none.
pub(super) fn append_query_param(
    name: &[u8],
    context: &FormatContext<'_>,
    out: &mut Vec<u8>,
) -> bool {
    let Some(query) = query(context) else {
        return false;
    };
    // An empty piece at the end is no parameter, one in the middle is.
    let query = query.strip_suffix(b"&").unwrap_or(query);
    if query.is_empty() {
        return false;
    }
    for pair in query.split(|byte| *byte == b'&') {
        let at = pair
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(pair.len());
        let (key, value) = (&pair[..at], pair.get(at + 1..).unwrap_or(b""));
        if decode(key).eq(name.iter().copied()) {
            out.extend(decode(value));
            return true;
        }
    }
    false
}

/// Appends the whole query; with `decoded`, without its harmless percent escapes.
pub(super) fn append_query(decoded: bool, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
    let Some(query) = query(context) else {
        return false;
    };
    if decoded {
        append_url_decoded(query, out)
    } else {
        out.extend_from_slice(query)
    }
    true
}

/// Percent-decoding that leaves alone what is no escape.
fn decode(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (first, tail) = rest.split_first()?;
        if let Some(byte) = escape(rest) {
            rest = &rest[3..];
            return Some(byte);
        }
        rest = tail;
        Some(*first)
    })
}

/// Envoy's decoding of a whole query: escapes of reserved and unreserved characters are decoded, other
/// escapes stay, and a `%` that begins none is dropped when two bytes follow it.
fn append_url_decoded(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'%' || rest.len() < 3 {
            out.push(*first);
            rest = tail;
        } else if let Some(byte) = escape(rest) {
            let decoded =
                byte.is_ascii_alphanumeric() || b"!#$%&'()*+,-./:;=?@[]_`~".contains(&byte);
            if decoded {
                out.push(byte)
            } else {
                out.extend_from_slice(&rest[..3])
            }
            rest = &rest[3..];
        } else {
            rest = tail;
        }
    }
}

fn escape(text: &[u8]) -> Option<u8> {
    let &[b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: u8| (byte as char).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
