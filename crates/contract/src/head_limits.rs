//! How long heads may be, and how many headers they may have, as the runtime says it for configurations that do not.
//!
//! Looked up when a connection manager or a cluster is compiled; what changes later counts for those that are made then,
//! as in Envoy.

use nuncio_config::runtime::RuntimeKeys;

use crate::headers::HeaderMap;

/// How much a head may have that filters have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxHead {
    /// Headers, pseudo-headers too.
    pub headers: usize,
    /// Bytes of names and values.
    pub bytes: usize,
}

impl MaxHead {
    /// Whatever there is.
    pub const ANY: MaxHead = MaxHead {
        headers: usize::MAX,
        bytes: usize::MAX,
    };

    /// Whether a head is no larger.
    pub fn holds(&self, head: &HeaderMap) -> bool {
        head.len() <= self.headers && head.byte_size() <= self.bytes
    }
}

/// A limit of heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadLimit {
    /// The length of requests' heads, in KiB.
    RequestKib,
    /// Headers of requests.
    RequestHeaders,
    /// The length of responses' heads, in KiB.
    ResponseKib,
    /// Headers of responses.
    ResponseHeaders,
}

impl HeadLimit {
    /// What the runtime says, if it says something that is a limit.
    pub fn by_runtime(self, keys: &RuntimeKeys) -> Option<usize> {
        let value = keys.value(self.name())?;
        usize::try_from(value.integer()?).ok()
    }

    const fn name(self) -> &'static str {
        match self {
            HeadLimit::RequestKib => "envoy.reloadable_features.max_request_headers_size_kb",
            HeadLimit::RequestHeaders => "envoy.reloadable_features.max_request_headers_count",
            HeadLimit::ResponseKib => "envoy.reloadable_features.max_response_headers_size_kb",
            HeadLimit::ResponseHeaders => "envoy.reloadable_features.max_response_headers_count",
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_config::runtime::RuntimeValue;

    use super::*;

    #[test]
    fn what_is_no_number_is_no_limit() {
        let keys = RuntimeKeys::default();
        assert_eq!(HeadLimit::RequestKib.by_runtime(&keys), None);
        for (text, limit) in [("7", Some(7)), ("seven", None), ("true", None)] {
            let value = RuntimeValue::of_text(text).expect("it is YAML");
            keys.set_values([(HeadLimit::RequestKib.name().into(), value)].into());
            assert_eq!(HeadLimit::RequestKib.by_runtime(&keys), limit, "{text}");
        }
    }
}
