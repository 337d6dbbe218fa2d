//! Which token of Google's a cluster's hosts, or all requests of a filter, are to be shown: the message that
//! `envoy.filters.http.gcp_authn` has, and that clusters have in their typed metadata.
//!
//! Left out, and so refused: tokens that are bound to a certificate (`bound_jwt`, `bound_access_token`).

use nuncio_config::message;
use nuncio_config::typed::Spanned;

/// The key of typed metadata where clusters have it.
pub const KEY: &str = "envoy.filters.http.gcp_authn";
/// The message there.
pub const MESSAGE: &str = "envoy.extensions.filters.http.gcp_authn.v3.Audience";

message! {
    /// Which token is asked for.
    pub struct AudienceMessage: "envoy.extensions.filters.http.gcp_authn.v3.Audience" {
        url: String,
        access_token: Option<AccessToken>,
        iam_access_token: Option<IamAccessToken>,
    }
}

message! {
    /// An access token.
    struct AccessToken: "envoy.extensions.filters.http.gcp_authn.v3.Audience.AccessToken" {
        scopes: Vec<String>,
    }
}

message! {
    /// One of another account.
    struct IamAccessToken: "envoy.extensions.filters.http.gcp_authn.v3.Audience.IAMAccessToken" {
        account: Spanned<String>,
        authorization: Spanned<String>,
        scopes: Vec<String>,
    }
}

/// The same compiled, as far as it is the same for all requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GcpAudience {
    /// Who the token is for; may be empty.
    pub url: Box<str>,
    /// The scopes of an access token, which goes before one for `url`; none if that is what is asked for.
    pub scopes: Option<Box<[Box<str>]>>,
    /// The scopes of a token of another account, which goes before all others; none if that is not asked for.
    pub impersonated_scopes: Option<Box<[Box<str>]>>,
}

impl AudienceMessage {
    /// The formats of the other account whose token is asked for, and of how who asks is known.
    pub fn impersonated(&self) -> Option<[&Spanned<String>; 2]> {
        let other = self.iam_access_token.as_ref();
        other.map(|other| [&other.account, &other.authorization])
    }
}

impl From<&AudienceMessage> for GcpAudience {
    fn from(message: &AudienceMessage) -> Self {
        let list = |texts: &Vec<String>| texts.iter().map(|text| text.as_str().into()).collect();
        let other = message.iam_access_token.as_ref();
        GcpAudience {
            url: message.url.as_str().into(),
            scopes: message.access_token.as_ref().map(|it| list(&it.scopes)),
            impersonated_scopes: other.map(|it| list(&it.scopes)),
        }
    }
}
