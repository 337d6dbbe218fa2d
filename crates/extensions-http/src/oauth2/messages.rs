//! The messages of the OAuth2 filter.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::calls::CoreRetryPolicy;
use nuncio_contract::generic_secret::SdsSecretConfig;
use nuncio_contract::matching::{HeaderMatcher, StringMatcher};

message! {
    /// The filter's config; without one it lets everything pass.
    pub(super) struct OAuth2: "envoy.extensions.filters.http.oauth2.v3.OAuth2" {
        pub(super) config: Option<OAuth2Config>,
    }
}

message! {
    /// A route's.
    pub(super) struct OAuth2PerRoute: "envoy.extensions.filters.http.oauth2.v3.OAuth2PerRoute" {
        pub(super) config: OAuth2Config,
    }
}

message! {
    /// Servers, credentials, cookies.
    pub(super) struct OAuth2Config: "envoy.extensions.filters.http.oauth2.v3.OAuth2Config" {
        pub(super) token_endpoint: Option<HttpUri>,
        pub(super) retry_policy: Option<CoreRetryPolicy>,
        pub(super) authorization_endpoint: Spanned<String>,
        pub(super) end_session_endpoint: Spanned<String>,
        pub(super) credentials: OAuth2Credentials,
        pub(super) redirect_uri: Spanned<String>,
        pub(super) redirect_path_matcher: PathMatcher,
        pub(super) signout_path: PathMatcher,
        pub(super) forward_bearer_token: bool,
        pub(super) preserve_authorization_header: bool,
        pub(super) pass_through_matcher: Vec<HeaderMatcher>,
        pub(super) auth_scopes: Vec<String>,
        pub(super) resources: Vec<String>,
        pub(super) auth_type: AuthType,
        pub(super) use_refresh_token: Option<bool>,
        pub(super) default_expires_in: Option<Duration>,
        pub(super) deny_redirect_matcher: Vec<HeaderMatcher>,
        pub(super) default_refresh_token_expires_in: Option<Duration>,
        pub(super) disable_id_token_set_cookie: bool,
        pub(super) disable_access_token_set_cookie: bool,
        pub(super) disable_refresh_token_set_cookie: bool,
        pub(super) cookie_configs: Option<CookieConfigs>,
        pub(super) stat_prefix: String,
        pub(super) csrf_token_expires_in: Option<Duration>,
        pub(super) code_verifier_token_expires_in: Option<Duration>,
        pub(super) disable_token_encryption: bool,
        pub(super) allow_failed_matcher: Vec<HeaderMatcher>,
        pub(super) original_request_uri: Spanned<String>,
        pub(super) allowed_redirect_domains: Vec<String>,
        pub(super) use_access_token_expiry_for_id_token_cookie: bool,
        pub(super) forward_id_token: Option<OAuth2TokenForwarding>,
        pub(super) post_logout_redirect_uri: Option<PostLogoutRedirectUri>,
    }
}

message! {
    /// Where tokens come from.
    pub(super) struct HttpUri: "envoy.config.core.v3.HttpUri" {
        pub(super) uri: String,
        pub(super) oneof http_upstream_type: HttpUpstream,
        pub(super) timeout: Duration,
    }
}

one_of! {
    /// The cluster.
    pub(super) enum HttpUpstream {
        cluster => Cluster(String),
    }
}

message! {
    /// A path, without its query.
    pub(super) struct PathMatcher: "envoy.type.matcher.v3.PathMatcher" {
        pub(super) oneof rule: PathRule,
    }
}

one_of! {
    /// The rule.
    pub(super) enum PathRule {
        path => Path(StringMatcher),
    }
}

message! {
    /// Who the proxy is, and how cookies are called.
    pub(super) struct OAuth2Credentials: "envoy.extensions.filters.http.oauth2.v3.OAuth2Credentials" {
        pub(super) client_id: String,
        pub(super) token_secret: Option<SdsSecretConfig>,
        pub(super) hmac_secret: SdsSecretConfig,
        pub(super) cookie_names: Option<CookieNames>,
        pub(super) cookie_domain: String,
    }
}

message! {
    /// Names of cookies; empty ones have a default.
    pub(super) struct CookieNames: "envoy.extensions.filters.http.oauth2.v3.OAuth2Credentials.CookieNames" {
        pub(super) bearer_token: String,
        pub(super) oauth_hmac: String,
        pub(super) oauth_expires: String,
        pub(super) id_token: String,
        pub(super) refresh_token: String,
        pub(super) oauth_nonce: String,
        pub(super) code_verifier: String,
    }
}

message! {
    /// Attributes of cookies.
    pub(super) struct CookieConfigs: "envoy.extensions.filters.http.oauth2.v3.CookieConfigs" {
        pub(super) bearer_token_cookie_config: Option<CookieConfig>,
        pub(super) oauth_hmac_cookie_config: Option<CookieConfig>,
        pub(super) oauth_expires_cookie_config: Option<CookieConfig>,
        pub(super) id_token_cookie_config: Option<CookieConfig>,
        pub(super) refresh_token_cookie_config: Option<CookieConfig>,
        pub(super) oauth_nonce_cookie_config: Option<CookieConfig>,
        pub(super) code_verifier_cookie_config: Option<CookieConfig>,
    }
}

message! {
    /// Attributes of one cookie.
    pub(super) struct CookieConfig: "envoy.extensions.filters.http.oauth2.v3.CookieConfig" {
        pub(super) same_site: SameSite,
        pub(super) path: String,
        pub(super) partitioned: bool,
    }
}

enumeration! {
    /// The attribute `SameSite`.
    pub(super) enum SameSite: "envoy.extensions.filters.http.oauth2.v3.CookieConfig.SameSite" {
        DISABLED => Disabled,
        STRICT => Strict,
        LAX => Lax,
        NONE => None,
    }
}

enumeration! {
    /// How the proxy shows who it is.
    pub(super) enum AuthType: "envoy.extensions.filters.http.oauth2.v3.OAuth2Config.AuthType" {
        URL_ENCODED_BODY => UrlEncodedBody,
        BASIC_AUTH => BasicAuth,
        TLS_CLIENT_AUTH => TlsClientAuth,
    }
}

message! {
    /// Where a token goes.
    pub(super) struct OAuth2TokenForwarding: "envoy.extensions.filters.http.oauth2.v3.OAuth2TokenForwarding" {
        pub(super) header: Spanned<String>,
    }
}

message! {
    /// Where users go once they are signed out.
    pub(super) struct PostLogoutRedirectUri: "envoy.extensions.filters.http.oauth2.v3.PostLogoutRedirectUri" {
        pub(super) oneof specifier: Option<PostLogout>,
    }
}

one_of! {
    /// Where.
    pub(super) enum PostLogout {
        disabled => Disabled(bool),
        uri => Uri(Spanned<String>),
    }
}
