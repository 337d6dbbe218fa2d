//! The limits and choices that header blocks are held to.

use crate::http1::UnderscoresAction;

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// HTTP/2.
    Http2,
    /// HTTP/3, where Envoy takes no `host` but one that says what the authority does, and wants every path to begin with a
    /// slash, whatever the scheme.
    Http3,
}

/// What holds of all header blocks of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockRules {
    pub(crate) dialect: Dialect,
    /// Whether a request may carry `:protocol`.
    pub(crate) allow_connect: bool,
    /// Most bytes of the names and values of a block.
    pub(crate) max_headers_bytes: usize,
    /// Most headers of a block.
    pub(crate) max_headers_count: usize,
    /// What happens to names with underscores in requests.
    pub(crate) headers_with_underscores: UnderscoresAction,
}
