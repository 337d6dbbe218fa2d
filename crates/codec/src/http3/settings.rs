//! What the configuration says about HTTP/3 (`Http3ProtocolOptions`, `HttpProtocolOptions`).

use crate::header_block::{BlockRules, Dialect};
use crate::http1::UnderscoresAction;

/// Options of one side of the codec; the defaults are those of Envoy 1.40.
#[derive(Clone, Debug, PartialEq)]
pub struct Http3Settings {
    /// Whether a request may carry `:protocol` (`allow_extended_connect`).
    pub allow_connect: bool,
    /// Whether a malformed message ends its stream alone, not the connection
    /// (`override_stream_error_on_invalid_http_message`).
    pub stream_error_on_invalid_http_message: bool,
    /// Most bytes of the names and values of one head or of trailers (`max_request_headers_kb`, `max_response_headers_kb`).
    pub max_headers_bytes: usize,
    /// Most headers of one head or of trailers (`max_headers_count`).
    pub max_headers_count: usize,
    /// What happens to header names with underscores (`headers_with_underscores_action`); servers only.
    pub headers_with_underscores: UnderscoresAction,
}

impl Default for Http3Settings {
    fn default() -> Self {
        Self {
            allow_connect: false,
            stream_error_on_invalid_http_message: false,
            max_headers_bytes: 60 * 1024,
            max_headers_count: 100,
            headers_with_underscores: UnderscoresAction::Allow,
        }
    }
}

impl Http3Settings {
    /// What header blocks are held to.
    pub(super) fn rules(&self) -> BlockRules {
        BlockRules {
            dialect: Dialect::Http3,
            allow_connect: self.allow_connect,
            max_headers_bytes: self.max_headers_bytes,
            max_headers_count: self.max_headers_count,
            headers_with_underscores: self.headers_with_underscores,
        }
    }
}
