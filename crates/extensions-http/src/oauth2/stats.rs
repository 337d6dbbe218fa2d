//! What is counted of the OAuth2 filter.

use nuncio_contract::stat_group;

stat_group! {
    /// Requests by what became of them, at `http.<stat_prefix>.[<stat_prefix>]`.
    pub struct OAuth2Stats("") {
        counters {
            oauth_allow_failed_passthrough,
            oauth_failure,
            oauth_legacy_cbc_decrypt,
            oauth_passthrough,
            oauth_refreshtoken_failure,
            oauth_refreshtoken_success,
            oauth_success,
            oauth_token_cookie_chunked,
            oauth_token_cookie_malformed_chunks,
            oauth_token_cookie_oversized,
            oauth_token_cookie_reassembled,
            oauth_unauthorized_rq,
        }
    }
}
