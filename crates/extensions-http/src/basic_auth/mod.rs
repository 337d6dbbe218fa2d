//! `envoy.filters.http.basic_auth`: lets requests through that carry the name and password of a user, in the form of
//! `htpasswd -s` (`{SHA}`, the only one that Envoy takes; SHA-1 without a salt is weak if the file leaks).
//!
//! Passwords are compared by their hashes, in a time that does not tell how much is right, nor whether there is such a
//! user. Of several headers the first counts. Limit: files of 8 MiB. Trust: what the client says is checked, and the
//! name that is passed on is one of the configuration. Envoy's documentation: HTTP filters, Basic Auth.
//!
//! Different from Envoy: a user whose name could not be a header's value is refused.

mod config;
mod filter;
#[cfg(test)]
mod tests;
mod users;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.basic_auth",
    message: "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::BasicAuth::support(table);
        config::BasicAuthPerRoute::support(table);
    },
};
