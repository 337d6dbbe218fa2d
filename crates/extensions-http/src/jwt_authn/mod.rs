//! `envoy.filters.http.jwt_authn`: lets requests through that carry JSON web tokens of providers that a rule, a route
//! or another filter asks for, and passes on what they claim.
//!
//! Signatures are RS, PS, ES and HS with SHA-256, 384 and 512, and EdDSA with Ed25519 (aws-lc-rs). Keys are given with
//! the configuration or fetched by HTTP when they are first needed, by each worker, for `cache_duration` (10 minutes).
//! Trust: what clients send is untrusted; a token is believed when a key of its provider fits. Limits: JSON is nested
//! 100 levels deep at most, an answer with keys has up to 32 MiB, `jwt_cache_size` (100) tokens of up to
//! `jwt_max_token_size` (4 KiB) are remembered. Follows Envoy's documentation of its JWT authentication filter.
//!
//! Differences: with `async_fetch` keys are fetched at the first request, not before the listener begins, and then
//! renewed behind requests; a claim that no header can tell is answered with 503 at once, also on routes that ask for
//! no host; RSA keys of less than 2048 bits are refused for SHA-384 and PSS, of less than 1024 for all.

mod check;
mod claims;
mod config;
mod der;
mod faults;
mod fetch;
mod filter;
mod key;
mod key_set;
mod locations;
pub mod messages;
mod provider;
mod requirement;
mod rules;
mod status;
#[cfg(test)]
mod tests;
mod token;
mod token_cache;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.jwt_authn",
    message: "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
        parse: config::parse_per_route,
    }),
    support: |table| {
        messages::JwtAuthentication::support(table);
        messages::PerRouteConfig::support(table);
    },
};

/// When a token ends, in seconds since 1970, if it says it; none if it is no token.
pub(crate) fn end_if_token(token: &[u8]) -> Option<Option<u64>> {
    let token = token::Token::parse(token).ok()?;
    Some(token.end())
}

/// When a token ends, in seconds since 1970; none if it does not say, or is none. Whether it can be believed is not asked.
pub(crate) fn end_of(token: &[u8]) -> Option<u64> {
    token::Token::parse(token).ok()?.end()
}
