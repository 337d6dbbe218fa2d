//! `vary`: which headers of requests an answer depends on, and what tells its variants apart.

use std::collections::BTreeSet;

use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::matching::CompiledStringMatcher;

/// The headers that answers may depend on, as `vary` spells them.
pub(crate) struct AllowList(pub(crate) Vec<CompiledStringMatcher>);

/// The names in a `vary` header.
pub(crate) type Names = Box<[Box<[u8]>]>;

impl AllowList {
    /// Whether nothing may be varied by.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an answer may be kept as far as its `vary` goes.
    pub(crate) fn allows(&self, response: &HeaderMap) -> bool {
        names(response).iter().all(|name| self.allows_name(name))
    }

    fn allows_name(&self, name: &[u8]) -> bool {
        name != b"*" && self.0.iter().any(|matcher| matcher.matches(name))
    }

    /// What tells the answer to this request from others; none if something of it is not allowed, which it was when the
    /// answer was kept.
    pub(crate) fn variant(&self, names: &[Box<[u8]>], request: &HeaderMap) -> Option<Vec<u8>> {
        let mut variant = b"\nvary-id\n".to_vec();
        for name in names {
            if !self.allows_name(name) {
                return None;
            }
            variant.extend_from_slice(name);
            let text = str::from_utf8(name).ok()?;
            for value in request.get_all_named(&HeaderName::to_look_up(text)) {
                variant.push(b'\r');
                variant.extend_from_slice(value);
            }
            variant.push(b'\n');
        }
        Some(variant)
    }
}

/// The names in a response's `vary`, sorted.
pub(crate) fn names(response: &HeaderMap) -> Names {
    let value = response.get(Known::Vary).unwrap_or_default();
    let names = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let names: BTreeSet<&[u8]> = names.filter(|name| !name.is_empty()).collect();
    names.into_iter().map(Box::from).collect()
}
