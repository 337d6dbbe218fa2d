//! The messages of the API key auth filter.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;

use super::source::Source;

message! {
    /// The filter's config.
    pub(super) struct ApiKeyAuth: "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth" {
        credentials: Vec<Credential>,
        key_sources: Vec<KeySource>,
        forwarding: Option<ForwardingMessage>,
    }
}

message! {
    /// A route's.
    pub(super) struct ApiKeyAuthPerRoute: "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute" {
        credentials: Vec<Credential>,
        key_sources: Vec<KeySource>,
        allowed_clients: Vec<String>,
        forwarding: Option<ForwardingMessage>,
    }
}

message! {
    /// A key and whose it is.
    pub(super) struct Credential: "envoy.extensions.filters.http.api_key_auth.v3.Credential" {
        key: Spanned<String>,
        client: String,
    }
}

message! {
    /// Where a key may stand.
    pub(super) struct KeySource: "envoy.extensions.filters.http.api_key_auth.v3.KeySource" {
        header: Spanned<String>,
        query: String,
        cookie: String,
    }
}

message! {
    /// What upstreams learn.
    pub(super) struct ForwardingMessage: "envoy.extensions.filters.http.api_key_auth.v3.Forwarding" {
        header: Spanned<String>,
        hide_credentials: bool,
    }
}

/// What stands for a key.
type KeyDigest = [u8; 32];

/// Clients by key.
#[derive(Default)]
pub(super) struct Credentials(HashMap<KeyDigest, Box<str>>);

/// What upstreams learn.
#[derive(Default)]
pub(super) struct Forwarding {
    /// Where the client's name goes.
    pub(super) header: Option<HeaderName>,
    pub(super) hides_keys: bool,
}

/// The compiled config of a chain or a level. What is empty at a level is the chain's, but for the forwarding.
pub(super) struct Settings {
    pub(super) credentials: Credentials,
    pub(super) sources: Box<[Source]>,
    pub(super) forwarding: Forwarding,
    /// Those that may pass; all if there are none.
    allowed_clients: HashSet<Box<str>>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

impl LevelConfig for Settings {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: ApiKeyAuth = any.decode(ctx)?;
    let ApiKeyAuth {
        credentials,
        key_sources,
        forwarding,
        ..
    } = &message;
    let settings = Settings::compile(credentials, key_sources, forwarding.as_ref(), ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(settings))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: ApiKeyAuthPerRoute = any.decode(ctx)?;
    let ApiKeyAuthPerRoute {
        credentials,
        key_sources,
        forwarding,
        ..
    } = &message;
    let mut settings = Settings::compile(credentials, key_sources, forwarding.as_ref(), ctx)?;
    let clients = message.allowed_clients.iter();
    settings.allowed_clients = clients.map(|client| client.as_str().into()).collect();
    Ok(Arc::new(settings))
}

impl Settings {
    fn compile(
        credentials: &[Credential],
        sources: &[KeySource],
        forwarding: Option<&ForwardingMessage>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let sources: Vec<_> = sources.iter().map(|source| source.compile(ctx)).collect();
        let credentials = Credentials::compile(credentials, ctx);
        let forwarding = forwarding.map(|forwarding| forwarding.compile(ctx));
        Ok(Settings {
            sources: sources.into_iter().collect::<Result<_, _>>()?,
            credentials: credentials?,
            forwarding: forwarding.transpose()?.unwrap_or_default(),
            allowed_clients: HashSet::new(),
        })
    }

    pub(super) fn allows(&self, client: &str) -> bool {
        self.allowed_clients.is_empty() || self.allowed_clients.contains(client)
    }
}

impl Credentials {
    fn compile(credentials: &[Credential], ctx: &mut Ctx) -> Result<Self, Refused> {
        let mut clients = HashMap::new();
        for credential in credentials {
            let key = &credential.key;
            let client = credential.client.as_str().into();
            if clients.insert(of(key.value.as_bytes()), client).is_some() {
                let text = format!("Duplicated credential key: '{}'", key.value);
                ctx.error(key.span, text);
                return Err(Refused);
            }
        }
        Ok(Credentials(clients))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key it is.
    pub(super) fn client(&self, key: &[u8]) -> Option<&str> {
        self.0.get(&of(key)).map(|client| &**client)
    }
}

fn of(key: &[u8]) -> KeyDigest {
    digest(&SHA256, key).as_ref().try_into().unwrap_or_default()
}

impl KeySource {
    fn compile(&self, ctx: &mut Ctx) -> Result<Source, Refused> {
        match (
            self.header.value.as_str(),
            self.query.as_str(),
            self.cookie.as_str(),
        ) {
            ("", "", "") => {
                let text = "One of 'header'/'query'/'cookie' must be set.";
                ctx.error(self.span(), text);
                Err(Refused)
            }
            ("", "", cookie) => Ok(Source::Cookie(cookie.as_bytes().into())),
            ("", query, _) => Ok(Source::Query(query.as_bytes().into())),
            (header, ..) => {
                let name = HeaderName::parse(header).ok();
                let name = name.filter(|name| name.known() != Some(Known::Host));
                name.map(Source::Header).ok_or_else(|| {
                    let text = format!("`{header}` is not a header that may hold a key");
                    ctx.error(self.header.span, text);
                    Refused
                })
            }
        }
    }
}

impl ForwardingMessage {
    fn compile(&self, ctx: &mut Ctx) -> Result<Forwarding, Refused> {
        let header = match self.header.value.as_str() {
            "" => None,
            name => Some(HeaderName::parse_with_pseudo(name).map_err(|_| {
                ctx.error(self.header.span, format!("`{name}` is not a header name"));
                Refused
            })?),
        };
        Ok(Forwarding {
            header,
            hides_keys: self.hide_credentials,
        })
    }
}
