//! What the configuration says about HTTP/1 (`Http1ProtocolOptions`, `HttpProtocolOptions`).

use super::error::Error;
use super::ignored_upgrades::IgnoredUpgrades;

/// Options of one side of the codec; the defaults are Envoy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http1Settings {
    /// Most bytes of a head or of trailers (`max_request_headers_kb`, `max_response_headers_kb`).
    pub max_headers_bytes: usize,
    /// Most headers of a head or of trailers (`max_headers_count`).
    pub max_headers_count: usize,
    /// Whether `http://host/path` is taken apart (`allow_absolute_url`).
    pub allow_absolute_url: bool,
    /// Whether a target with `https` is refused on a connection in plain text.
    pub validate_scheme: bool,
    /// Whether HTTP/1.0 is served rather than answered with 426 (`accept_http_10`).
    pub accept_http_10: bool,
    /// The authority of an HTTP/1.0 request without `Host`; none when empty
    /// (`default_host_for_http_10`).
    pub default_host_for_http_10: Box<[u8]>,
    /// Whether trailers are passed on rather than dropped (`enable_trailers`).
    pub enable_trailers: bool,
    /// Whether `Content-Length` beside `Transfer-Encoding: chunked` is removed rather
    /// than refused (`allow_chunked_length`).
    pub allow_chunked_length: bool,
    /// Whether every token is a method (`allow_custom_methods`).
    pub allow_custom_methods: bool,
    /// Upgrades that nobody hears of (`ignore_http_11_upgrade`).
    pub ignored_upgrades: IgnoredUpgrades,
    /// Whether the first line of a request upstream carries the full URL
    /// (`send_fully_qualified_url`).
    pub send_fully_qualified_url: bool,
    /// What happens to header names with underscores (`headers_with_underscores_action`).
    pub headers_with_underscores: UnderscoresAction,
    /// How names are spelled when written (`header_key_format`).
    pub header_case: HeaderCase,
}

impl Http1Settings {
    /// Defaults for what hosts answer: heads may have 80 KiB rather than 60.
    #[must_use]
    pub fn of_hosts() -> Self {
        Self {
            max_headers_bytes: 80 * 1024,
            ..Self::default()
        }
    }
}

impl Default for Http1Settings {
    fn default() -> Self {
        Self {
            max_headers_bytes: 60 * 1024,
            max_headers_count: 100,
            allow_absolute_url: true,
            validate_scheme: false,
            accept_http_10: false,
            default_host_for_http_10: Box::default(),
            enable_trailers: false,
            allow_chunked_length: false,
            allow_custom_methods: false,
            ignored_upgrades: IgnoredUpgrades::default(),
            send_fully_qualified_url: false,
            headers_with_underscores: UnderscoresAction::Allow,
            header_case: HeaderCase::Lower,
        }
    }
}

impl Http1Settings {
    /// Whether a header is to be left out because of an underscore in its name.
    #[inline]
    pub(super) fn drops_header(&self, name: &[u8]) -> Result<bool, Error> {
        match self.headers_with_underscores {
            UnderscoresAction::Allow => Ok(false),
            _ if !name.contains(&b'_') => Ok(false),
            UnderscoresAction::DropHeader => Ok(true),
            UnderscoresAction::RejectRequest => Err(Error::UnexpectedUnderscore),
        }
    }
}

/// What happens to a request header whose name has an underscore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnderscoresAction {
    /// It is like any other.
    #[default]
    Allow,
    /// The request is answered with 400.
    RejectRequest,
    /// It is left out.
    DropHeader,
}

/// How header names are spelled when written. `Preserve` acts where messages are read:
/// what was read carries its spellings, however the other side is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderCase {
    /// In lower case.
    #[default]
    Lower,
    /// `Proper-Case-Words`.
    ProperWords,
    /// As the peer spelled them; what the proxy added in lower case, or in proper words.
    Preserve {
        /// Whether a response also keeps its upstream's reason phrase.
        forward_reason_phrase: bool,
        /// Whether what the proxy added is spelled in proper words.
        proper_words_for_added: bool,
    },
}

impl HeaderCase {
    /// Whether decoding must remember spellings.
    pub fn preserves(self) -> bool {
        matches!(self, HeaderCase::Preserve { .. })
    }
}
