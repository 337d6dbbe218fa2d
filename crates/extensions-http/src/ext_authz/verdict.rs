//! What a service says, whichever way it was asked.

use nuncio_contract::headers::{HeaderMap, HeaderName, Known, is_token, is_valid_value};
use nuncio_contract::stream_info::metadata::Struct;

use crate::unusable::invalid_value;

/// What is to become of a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It may pass, with these changes.
    Ok(Box<Allowed>),
    /// It may not.
    Denied(Box<Denied>),
    /// The service failed, and may say what the client gets.
    Error(Option<Box<Denied>>),
}

/// What is changed of a request that may pass, and of its response.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    pub(super) request: Changes,
    pub(super) removed: Vec<String>,
    pub(super) response: Changes,
    pub(super) query_set: Vec<(String, String)>,
    pub(super) query_removed: Vec<String>,
    pub(super) metadata: Struct,
}

/// What the client gets instead.
#[derive(Debug, Default)]
pub(super) struct Denied {
    pub(super) status: u16,
    pub(super) headers: Changes,
    pub(super) body: Vec<u8>,
    pub(super) metadata: Struct,
    /// Whether the status is among the headers that would be told of it.
    pub(super) shows_status: bool,
}

/// What happens where a header is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It is replaced, or there is one.
    Set,
    /// There is another one.
    Add,
    /// The value is joined to it; where there is none nothing happens.
    JoinIfThere,
    /// Nothing happens.
    AddIfAbsent,
    /// It is replaced; where there is none nothing happens.
    SetIfThere,
}

/// The order in which a request is changed, as in Envoy.
pub(super) const REQUEST_ORDER: [How; 3] = [How::Set, How::Add, How::JoinIfThere];

/// The order in which a response is.
pub(super) const RESPONSE_ORDER: [How; 4] = [How::Add, How::Set, How::AddIfAbsent, How::SetIfThere];

/// A header to change.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) how: How,
    pub(super) name: HeaderName,
    pub(super) value: Vec<u8>,
}

/// Headers to change. How long a body is, the service does not say: such headers are left out without a word.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) list: Vec<Change>,
    /// What is wrong with the first one that was left out, in Envoy's words.
    pub(super) invalid: Option<String>,
}

impl Changes {
    /// Notes a header of a request; what is none, or would make another request of it, is left out.
    pub(super) fn push_to_request(&mut self, how: How, name: &str, value: &[u8]) {
        if !decides_framing(name) {
            self.push(how, name, value);
        }
    }

    /// Notes a header of a response.
    pub(super) fn push_to_response(&mut self, how: How, name: &str, value: &[u8]) {
        if !decides_framing(name) {
            self.push_to_denial(how, name, value);
        }
    }

    /// Notes a header of an answer of our own, whose framing is made when it is.
    pub(super) fn push_to_denial(&mut self, how: How, name: &str, value: &[u8]) {
        if !name.starts_with(':') {
            self.push(how, name, value);
        }
    }

    fn push(&mut self, how: How, name: &str, value: &[u8]) {
        match HeaderName::parse_with_pseudo(name) {
            Ok(name) if name.is_pseudo() && !is_of_requests(&name) => {}
            Ok(name) if is_sound(&name, value) => self.list.push(Change {
                how,
                name,
                value: value.to_vec(),
            }),
            Ok(name) => self.refuse(invalid_value(name.as_str())),
            Err(_) => self.refuse(format!("invalid header name: {}", name.escape_default())),
        }
    }

    /// Notes that something was no header.
    pub(super) fn refuse(&mut self, text: String) {
        self.invalid.get_or_insert(text);
    }

    /// Makes the changes, as long as there are no more headers than `most`; false if there would be.
    pub(super) fn apply(&self, headers: &mut HeaderMap, order: &[How], most: usize) -> bool {
        for how in order {
            for change in self.list.iter().filter(|change| change.how == *how) {
                if headers.len() >= most && change.adds_to(headers) {
                    return false;
                }
                change.apply(headers);
            }
        }
        true
    }
}

impl Change {
    fn adds_to(&self, headers: &HeaderMap) -> bool {
        match self.how {
            How::Add => true,
            How::Set | How::AddIfAbsent => !headers.contains(&self.name),
            How::JoinIfThere | How::SetIfThere => false,
        }
    }

    fn apply(&self, headers: &mut HeaderMap) {
        let Change { name, value, .. } = self;
        let is_there = headers.contains(name);
        match self.how {
            How::Set => headers.replace(name, value),
            How::SetIfThere if is_there => headers.replace(name, value),
            How::Add => headers.append(name, value),
            How::AddIfAbsent if !is_there => headers.append(name, value),
            How::JoinIfThere if is_there => headers.append_joined(name, value),
            How::SetIfThere | How::AddIfAbsent | How::JoinIfThere => {}
        }
    }
}

/// Whether a header says where a body ends.
pub(crate) fn decides_framing(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
}

/// Whether a pseudo-header is one that all requests have.
fn is_of_requests(name: &HeaderName) -> bool {
    matches!(
        name.known(),
        Some(Known::Method | Known::Path | Known::Authority | Known::Scheme)
    )
}

/// Whether a request can have the header, and stays one request with it.
fn is_sound(name: &HeaderName, value: &[u8]) -> bool {
    match name.known() {
        // A tunnel is not the service's to begin.
        Some(Known::Method) => !value.is_empty() && is_token(value) && value != b"CONNECT",
        Some(Known::Path | Known::Authority | Known::Host | Known::Scheme) => {
            !value.is_empty() && !value.iter().any(|byte| is_space_or_control(*byte))
        }
        _ => is_valid_value(value),
    }
}

/// Whether a byte cannot stand in the first line of a request.
pub(super) fn is_space_or_control(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_request(name: &str, value: &str) -> (usize, Option<String>) {
        let mut changes = Changes::default();
        changes.push_to_request(How::Set, name, value.as_bytes());
        (changes.list.len(), changes.invalid)
    }

    #[test]
    fn what_would_make_another_request_of_it_is_refused() {
        for (name, value) in [
            ("x-a", "1\r\nx-b: 2"),
            ("x-a", "1\0"),
            (":path", "/a b"),
            (":path", "/a HTTP/1.1\r\n"),
            (":path", ""),
            (":method", "GET /b"),
            (":method", ""),
            (":method", "CONNECT"),
            (":authority", "a b"),
            ("host", "a\tb"),
            (":scheme", " "),
        ] {
            let invalid = Some(format!("invalid header value for: {name}"));
            assert_eq!(of_request(name, value), (0, invalid), "{name} {value:?}");
        }
        let invalid = Some(r"invalid header name: x-a\r\nx-b".to_owned());
        assert_eq!(of_request("x-a\r\nx-b", "1"), (0, invalid));
        assert_eq!(of_request(":path", "/b"), (1, None));
    }

    #[test]
    fn the_service_does_not_say_where_a_body_ends() {
        for name in ["content-length", "Content-Length", "transfer-encoding"] {
            assert_eq!(of_request(name, "1"), (0, None), "{name}");
            let mut changes = Changes::default();
            changes.push_to_response(How::Set, name, b"1");
            assert!(changes.list.is_empty(), "{name}");
        }
        assert_eq!(of_request(":status", "204"), (0, None));
    }
}
