//! What a service says, whichever way it was asked.

use nuncio_contract::headers::{HeaderMap, HeaderName, is_valid_value};
use nuncio_contract::stream_info::metadata::Struct;

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

/// Headers to change.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) list: Vec<Change>,
    /// Something was no header and was left out.
    pub(super) has_invalid: bool,
}

impl Changes {
    /// Notes a header; what is none is left out.
    pub(super) fn push(&mut self, how: How, name: &str, value: &[u8]) {
        match HeaderName::parse_with_pseudo(name) {
            Ok(name) if is_valid_value(value) => self.list.push(Change {
                how,
                name,
                value: value.to_vec(),
            }),
            _ => self.has_invalid = true,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Makes the changes.
    pub(super) fn apply(&self, headers: &mut HeaderMap, order: &[How]) {
        for how in order {
            for change in self.list.iter().filter(|change| change.how == *how) {
                change.apply(headers);
            }
        }
    }
}

impl Change {
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
