//! The compiled config of the OAuth2 filter.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::calls::CallRetries;
use nuncio_contract::formatter::Format;
use nuncio_contract::generic_secret::GenericSecret;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::{CompiledHeaderMatcher, CompiledStringMatcher, HeaderMatcher};
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;

use super::authorization::Authorization;
use super::messages::{
    AuthType, CookieConfig, CookieNames, HttpUpstream, OAuth2, OAuth2Config, OAuth2PerRoute,
    PathMatcher, PathRule, PostLogout, SameSite,
};
use super::stats::OAuth2Stats;

const FLOW_SECONDS: u64 = 600;
const REFRESH_TOKEN_SECONDS: u64 = 604_800;

/// The chain's config, shared by the workers; without one everything passes.
pub(super) struct ChainConfig(pub(super) Option<Arc<Settings>>);

/// A level's.
pub(super) struct Level(pub(super) Arc<Settings>);

/// Servers, credentials, cookies.
pub(super) struct Settings {
    pub(super) tokens: TokenEndpoint,
    pub(super) client_id: Box<str>,
    pub(super) auth_type: AuthType,
    pub(super) token_secret: Option<GenericSecret>,
    pub(super) hmac_secret: GenericSecret,
    pub(super) authorization: Authorization,
    pub(super) redirect_uri: Format,
    pub(super) callback: CompiledStringMatcher,
    pub(super) sign_out: CompiledStringMatcher,
    pub(super) passes: Matchers,
    pub(super) passes_failed: Matchers,
    pub(super) never_redirects: Matchers,
    pub(super) original_uri: Option<Format>,
    pub(super) allowed_domains: Box<[Box<str>]>,
    pub(super) end_session: Box<str>,
    pub(super) post_logout: AfterLogout,
    pub(super) names: Names,
    pub(super) cookies: Cookies,
    pub(super) cookie_domain: Box<str>,
    pub(super) seconds: Lifetimes,
    pub(super) forwards_access_token: bool,
    pub(super) id_token_header: Option<HeaderName>,
    pub(super) keeps_authorization: bool,
    pub(super) uses_refresh_token: bool,
    pub(super) keeps_access_token: bool,
    pub(super) keeps_id_token: bool,
    pub(super) keeps_refresh_token: bool,
    pub(super) encrypts: bool,
    pub(super) id_token_ends_with_access: bool,
    pub(super) stat_prefix: Box<str>,
    /// Lives as long as the config, so that workers can tell.
    pub(super) alive: Arc<()>,
}

/// Any of several.
pub(super) type Matchers = Box<[CompiledHeaderMatcher]>;

/// Where tokens come from.
pub(super) struct TokenEndpoint {
    pub(super) cluster: Box<str>,
    pub(super) host: Box<str>,
    pub(super) path: Box<str>,
    pub(super) timeout: Duration,
    pub(super) retries: Option<Arc<CallRetries>>,
}

/// Where the authorization server sends users who have signed out.
pub(super) enum AfterLogout {
    /// To the host that they came from.
    Here,
    Nowhere,
    To(Format),
}

/// The names of cookies.
pub(super) struct Names {
    pub(super) bearer: Box<str>,
    pub(super) hmac: Box<str>,
    pub(super) expires: Box<str>,
    pub(super) id: Box<str>,
    pub(super) refresh: Box<str>,
    pub(super) nonce: Box<str>,
    pub(super) verifier: Box<str>,
}

/// Their attributes.
pub(super) struct Cookies {
    pub(super) bearer: CookieSettings,
    pub(super) hmac: CookieSettings,
    pub(super) expires: CookieSettings,
    pub(super) id: CookieSettings,
    pub(super) refresh: CookieSettings,
    pub(super) nonce: CookieSettings,
    pub(super) verifier: CookieSettings,
}

/// The attributes of one.
pub(super) struct CookieSettings {
    pub(super) same_site: SameSite,
    pub(super) path: Box<str>,
    pub(super) is_partitioned: bool,
}

/// How many seconds things last.
pub(super) struct Lifetimes {
    /// 0: the answer must say it.
    pub(super) access_token: u64,
    pub(super) refresh_token: u64,
    pub(super) nonce: u64,
    pub(super) verifier: u64,
}

impl LevelConfig for Level {
    fn register(&self, root: &Scope) -> Option<Scope> {
        let scope = super::filter::of_prefix(root, &self.0.stat_prefix)?;
        scope.register::<OAuth2Stats>();
        Some(scope)
    }
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: OAuth2 = any.decode(ctx)?;
    let config = message.config.as_ref();
    let settings = config.map(|config| Settings::compile(config, ctx));
    Ok(Arc::new(ChainConfig(settings.transpose()?.map(Arc::new))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: OAuth2PerRoute = any.decode(ctx)?;
    let settings = Settings::compile(&message.config, ctx)?;
    Ok(Arc::new(Level(Arc::new(settings))))
}

impl Settings {
    pub(super) fn compile(message: &OAuth2Config, ctx: &mut Ctx) -> Result<Self, Refused> {
        check(message, ctx)?;
        let credentials = &message.credentials;
        let token_secret = credentials.token_secret.as_ref();
        let token_secret = token_secret
            .map(|secret| GenericSecret::compile(secret, "invalid token secret configuration", ctx))
            .transpose();
        let unknown = "invalid HMAC secret configuration";
        let hmac_secret = GenericSecret::compile(&credentials.hmac_secret, unknown, ctx);
        let tokens = TokenEndpoint::compile(message, ctx);
        let redirect_uri = Format::parse(&message.redirect_uri, message.redirect_uri.span, ctx);
        let forwarding = message.forward_id_token.as_ref();
        let id_token_header = forwarding.map(|it| header(&it.header, ctx)).transpose();
        let configs = message.cookie_configs.as_ref();
        let cookies = Cookies {
            bearer: cookie(configs.and_then(|it| it.bearer_token_cookie_config.as_ref())),
            hmac: cookie(configs.and_then(|it| it.oauth_hmac_cookie_config.as_ref())),
            expires: cookie(configs.and_then(|it| it.oauth_expires_cookie_config.as_ref())),
            id: cookie(configs.and_then(|it| it.id_token_cookie_config.as_ref())),
            refresh: cookie(configs.and_then(|it| it.refresh_token_cookie_config.as_ref())),
            nonce: cookie(configs.and_then(|it| it.oauth_nonce_cookie_config.as_ref())),
            verifier: cookie(configs.and_then(|it| it.code_verifier_cookie_config.as_ref())),
        };
        let domains = message.allowed_redirect_domains.iter();
        Ok(Settings {
            tokens: tokens?,
            client_id: credentials.client_id.as_str().into(),
            auth_type: message.auth_type,
            token_secret: token_secret?,
            hmac_secret: hmac_secret?,
            authorization: Authorization::compile(message, ctx)?,
            redirect_uri: redirect_uri?,
            callback: path(&message.redirect_path_matcher, ctx)?,
            sign_out: path(&message.signout_path, ctx)?,
            passes: headers(&message.pass_through_matcher, ctx)?,
            passes_failed: headers(&message.allow_failed_matcher, ctx)?,
            never_redirects: headers(&message.deny_redirect_matcher, ctx)?,
            original_uri: format(&message.original_request_uri, ctx)?,
            allowed_domains: domains.map(|one| one.to_ascii_lowercase().into()).collect(),
            end_session: message.end_session_endpoint.as_str().into(),
            post_logout: after_logout(message, ctx)?,
            names: names(credentials.cookie_names.as_ref()),
            cookies,
            cookie_domain: credentials.cookie_domain.as_str().into(),
            seconds: lifetimes(message),
            forwards_access_token: message.forward_bearer_token,
            id_token_header: id_token_header?,
            keeps_authorization: message.preserve_authorization_header,
            uses_refresh_token: message.use_refresh_token.unwrap_or(true),
            keeps_access_token: !message.disable_access_token_set_cookie,
            keeps_id_token: !message.disable_id_token_set_cookie,
            keeps_refresh_token: !message.disable_refresh_token_set_cookie,
            encrypts: !message.disable_token_encryption,
            id_token_ends_with_access: message.use_access_token_expiry_for_id_token_cookie,
            stat_prefix: message.stat_prefix.as_str().into(),
            alive: Arc::default(),
        })
    }
}

/// What does not go together.
fn check(message: &OAuth2Config, ctx: &mut Ctx) -> Result<(), Refused> {
    let id_token_header = message.forward_id_token.as_ref().map(|it| &it.header.value);
    let takes_authorization =
        id_token_header.is_some_and(|name| name.eq_ignore_ascii_case("authorization"));
    let users = [
        message.forward_bearer_token,
        message.preserve_authorization_header,
        takes_authorization,
    ];
    if users.into_iter().filter(|uses| *uses).count() > 1 {
        let text = "invalid OAuth2 configuration: at most one of forward_bearer_token, \
                    preserve_authorization_header, or forward_id_token (when forwarding the ID token \
                    on the Authorization header) may be set, as they all use the Authorization header";
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    let is_openid = message.auth_scopes.iter().any(|scope| scope == "openid");
    if !message.end_session_endpoint.is_empty() && !is_openid {
        let text = "OAuth2 filter: end session endpoint is only supported for OpenID Connect.";
        ctx.error(message.end_session_endpoint.span, text);
        return Err(Refused);
    }
    Ok(())
}

impl TokenEndpoint {
    fn compile(message: &OAuth2Config, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(endpoint) = &message.token_endpoint else {
            let text = "`token_endpoint` is not there";
            ctx.error(message.span(), text);
            return Err(Refused);
        };
        let HttpUpstream::Cluster(cluster) = &endpoint.http_upstream_type;
        let rest = endpoint
            .uri
            .split_once("://")
            .map_or(&*endpoint.uri, |(_, rest)| rest);
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let retries = message.retry_policy.as_ref();
        let retries = retries.map(|policy| policy.compile(ctx)).transpose()?;
        Ok(TokenEndpoint {
            cluster: cluster.as_str().into(),
            host: host.into(),
            path: if path.is_empty() { "/" } else { path }.into(),
            timeout: endpoint.timeout,
            retries,
        })
    }
}

fn path(matcher: &PathMatcher, ctx: &mut Ctx) -> Result<CompiledStringMatcher, Refused> {
    let PathRule::Path(matcher) = &matcher.rule;
    CompiledStringMatcher::compile(matcher, ctx)
}

fn headers(matchers: &[HeaderMatcher], ctx: &mut Ctx) -> Result<Matchers, Refused> {
    let matchers = matchers.iter();
    matchers
        .map(|matcher| CompiledHeaderMatcher::compile(matcher, ctx))
        .collect()
}

/// None where there is no text.
fn format(text: &Spanned<String>, ctx: &mut Ctx) -> Result<Option<Format>, Refused> {
    match text.is_empty() {
        true => Ok(None),
        false => Format::parse(text, text.span, ctx).map(Some),
    }
}

fn header(name: &Spanned<String>, ctx: &mut Ctx) -> Result<HeaderName, Refused> {
    HeaderName::parse(name).map_err(|_| {
        ctx.error(name.span, format!("`{}` is not a header name", name.value));
        Refused
    })
}

fn after_logout(message: &OAuth2Config, ctx: &mut Ctx) -> Result<AfterLogout, Refused> {
    let whereto = message.post_logout_redirect_uri.as_ref();
    Ok(match whereto.and_then(|it| it.specifier.as_ref()) {
        None | Some(PostLogout::Disabled(false)) => AfterLogout::Here,
        Some(PostLogout::Disabled(true)) => AfterLogout::Nowhere,
        Some(PostLogout::Uri(text)) => AfterLogout::To(Format::parse(text, text.span, ctx)?),
    })
}

fn names(names: Option<&CookieNames>) -> Names {
    let name = |own: fn(&CookieNames) -> &String, default: &str| {
        let own = names.map(own).filter(|own| !own.is_empty());
        own.map_or(default, String::as_str).into()
    };
    Names {
        bearer: name(|it| &it.bearer_token, "BearerToken"),
        hmac: name(|it| &it.oauth_hmac, "OauthHMAC"),
        expires: name(|it| &it.oauth_expires, "OauthExpires"),
        id: name(|it| &it.id_token, "IdToken"),
        refresh: name(|it| &it.refresh_token, "RefreshToken"),
        nonce: name(|it| &it.oauth_nonce, "OauthNonce"),
        verifier: name(|it| &it.code_verifier, "CodeVerifier"),
    }
}

fn cookie(config: Option<&CookieConfig>) -> CookieSettings {
    let path = config.map(|it| it.path.as_str());
    CookieSettings {
        same_site: config.map_or(SameSite::Disabled, |it| it.same_site),
        path: path.filter(|path| !path.is_empty()).unwrap_or("/").into(),
        is_partitioned: config.is_some_and(|it| it.partitioned),
    }
}

fn lifetimes(message: &OAuth2Config) -> Lifetimes {
    let or = |own: Option<Duration>, default| own.map_or(default, |own| own.as_secs());
    Lifetimes {
        access_token: or(message.default_expires_in, 0),
        refresh_token: or(
            message.default_refresh_token_expires_in,
            REFRESH_TOKEN_SECONDS,
        ),
        nonce: or(message.csrf_token_expires_in, FLOW_SECONDS),
        verifier: or(message.code_verifier_token_expires_in, FLOW_SECONDS),
    }
}

/// Whether one of them matches.
pub(super) fn any(matchers: &[CompiledHeaderMatcher], request: &HeaderMap) -> bool {
    matchers.iter().any(|matcher| matcher.matches(request))
}

/// Whether the path of a request is the one that is meant.
pub(super) fn is_path(matcher: &CompiledStringMatcher, path: &[u8]) -> bool {
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
    matcher.matches(path.get(..end.unwrap_or(path.len())).unwrap_or(path))
}

/// The path of a request.
pub(super) fn path_of(request: &HeaderMap) -> &[u8] {
    request.get(Known::Path).unwrap_or_default()
}
