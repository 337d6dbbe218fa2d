//! Headers of an answer that are kept in the filter state, where access logs and filters find them.

use std::any::Any;

use crate::formatter::append_quoted_json;
use crate::headers::HeaderMap;
use crate::stream_info::FilterStateObject;

/// Headers of a host's answer.
pub struct KeptHeaders(Vec<(String, String)>);

impl KeptHeaders {
    /// A copy of them.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let each = headers.iter();
        let kept = each.map(|header| (text(header.name), text(header.value)));
        KeptHeaders(kept.collect())
    }
}

impl FilterStateObject for KeptHeaders {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_json(&self) -> Option<String> {
        let mut json = b"{\"headers\":[".to_vec();
        for (place, (key, value)) in self.0.iter().enumerate() {
            if place > 0 {
                json.push(b',');
            }
            json.extend_from_slice(b"{\"key\":");
            append_quoted_json(key.as_bytes(), &mut json);
            json.extend_from_slice(b",\"value\":");
            append_quoted_json(value.as_bytes(), &mut json);
            json.push(b'}');
        }
        json.extend_from_slice(b"]}");
        String::from_utf8(json).ok()
    }
}
