//! `envoy.filters.http.credential_injector`: gives requests a credential of the proxy's own, so that clients need none.
//!
//! Credentials are generic ones, a secret of the bootstrap or from SDS, which may change while requests pass; or tokens
//! of an authorization server (OAuth 2, client credentials). Where there is none, requests are answered with 401, or
//! pass as they are with `allow_request_without_credential`.
//! Trust: the secret is the configuration's; what clients send in the same header stays only without `overwrite`.
//! Limit: what cannot stand in a header is no credential. Envoy's documentation: HTTP filters, Credential Injector.
//!
//! Different from Envoy: a static secret that is not there is refused with the configuration; a token is asked for by
//! each worker when its first request comes, which waits for it, and not before the listener begins.

mod config;
mod filter;
#[cfg(test)]
mod tests;
mod token;
#[cfg(test)]
mod token_tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.credential_injector",
    message: "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
    parse: config::parse,
    per_route: None,
    support: |table| {
        config::CredentialInjector::support(table);
        config::Generic::support(table);
        config::OAuth2::support(table);
    },
};
