//! `envoy.filters.http.oauth2`: sends users to an authorization server, exchanges the code that they come back with for
//! tokens, and knows them by cookies from then on.
//!
//! The flow is that of RFC 6749 (authorization code) with PKCE (RFC 7636): a state that carries the first URL and a
//! signed token against forgery, which a cookie must repeat, and a verifier in an encrypted cookie. Cookies with tokens
//! are encrypted (AES-256-CBC under the SHA-256 of the HMAC secret, as Envoy writes them; AES-256-GCM is read too) and
//! together signed by HMAC-SHA-256, which is compared in constant time.
//! Trust: clients and their cookies are untrusted, the token endpoint's answers become headers only if they can be ones;
//! users are sent back only to the URL that they came with, which the signed state holds, and with
//! `allowed_redirect_domains` only to these. Limits: those of requests' heads; an answer with tokens has up to 32 MiB.
//! Follows Envoy's documentation of its OAuth2 filter and RFC 6749.
//!
//! Different from Envoy: cookies that are passed on keep their order; a state is not forged by chance of the worker's
//! random numbers, as all secrets come from the system; the details of an answer of the token endpoint that is no JSON.

mod answers;
mod authorization;
mod callback;
mod config;
mod cookies;
mod crypto;
mod filter;
mod messages;
mod session;
mod stats;
#[cfg(test)]
mod tests;
mod token;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.oauth2",
    message: "envoy.extensions.filters.http.oauth2.v3.OAuth2",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.oauth2.v3.OAuth2PerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        messages::OAuth2::support(table);
        messages::OAuth2PerRoute::support(table);
    },
};
