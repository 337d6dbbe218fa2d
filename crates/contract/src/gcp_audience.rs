//! Which token of GCP's metadata service a cluster's hosts, or all requests of a filter, are to be shown: the message that
//! `envoy.filters.http.gcp_authn` has, and that clusters have in their typed metadata.
//!
//! Left out, and so refused: tokens that are bound to a certificate (`bound_jwt`, `bound_access_token`), and those of
//! another account (`iam_access_token`).

use nuncio_config::message;

/// The key of typed metadata where clusters have it.
pub const KEY: &str = "envoy.filters.http.gcp_authn";
/// The message there.
pub const MESSAGE: &str = "envoy.extensions.filters.http.gcp_authn.v3.Audience";

message! {
    /// Which token is asked for.
    pub struct AudienceMessage: "envoy.extensions.filters.http.gcp_authn.v3.Audience" {
        url: String,
        access_token: Option<AccessToken>,
    }
}

message! {
    /// An access token.
    struct AccessToken: "envoy.extensions.filters.http.gcp_authn.v3.Audience.AccessToken" {
        scopes: Vec<String>,
    }
}

/// The same compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GcpAudience {
    /// Who the token is for; may be empty.
    pub url: Box<str>,
    /// The scopes of an access token, which goes before one for `url`; none if that is what is asked for.
    pub scopes: Option<Box<[Box<str>]>>,
}

impl From<AudienceMessage> for GcpAudience {
    fn from(message: AudienceMessage) -> Self {
        let scopes = message.access_token.map(|token| token.scopes);
        GcpAudience {
            url: message.url.into(),
            scopes: scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
        }
    }
}
