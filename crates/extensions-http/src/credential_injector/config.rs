//! The messages of the credential injector.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::generic_secret::{GenericSecret, SdsSecretConfig};
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::http_service::host_and_path;

use super::token::Endpoint;

const GENERIC: &str = "envoy.extensions.http.injected_credentials.generic.v3.Generic";
const OAUTH2: &str = "envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2";
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

message! {
    /// The filter's config.
    pub(super) struct CredentialInjector: "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector" {
        overwrite: bool,
        allow_request_without_credential: bool,
        credential: CredentialExtension,
    }
}

message! {
    /// The kind of credential.
    struct CredentialExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        inert name = "the message says what it is",
        typed_config: Any,
    }
}

message! {
    /// A secret in a header.
    pub(super) struct Generic: "envoy.extensions.http.injected_credentials.generic.v3.Generic" {
        credential: SdsSecretConfig,
        header: Spanned<String>,
        header_value_prefix: String,
    }
}

message! {
    /// A token of an authorization server.
    pub(super) struct OAuth2: "envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2" {
        token_endpoint: HttpUri,
        scopes: Vec<String>,
        oneof flow_type: FlowType,
        token_fetch_retry_interval: Option<Duration>,
        endpoint_params: Vec<EndpointParameter>,
    }
}

one_of! {
    /// How it is had.
    enum FlowType {
        client_credentials => ClientCredentials(ClientCredentials),
    }
}

message! {
    /// Who asks for it.
    struct ClientCredentials: "envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2.ClientCredentials" {
        client_id: String,
        client_secret: Option<SdsSecretConfig>,
        auth_type: AuthType,
    }
}

enumeration! {
    /// How who asks is known; of no effect on what is sent, but for the last.
    enum AuthType: "envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2.AuthType" {
        BASIC_AUTH => BasicAuth,
        URL_ENCODED_BODY => UrlEncodedBody,
        TLS_CLIENT_AUTH => TlsClientAuth,
    }
}

message! {
    /// What is sent besides.
    struct EndpointParameter: "envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2.EndpointParameter" {
        name: String,
        value: String,
    }
}

message! {
    /// The server.
    struct HttpUri: "envoy.config.core.v3.HttpUri" {
        uri: String,
        oneof http_upstream_type: HttpUpstream,
        timeout: Duration,
    }
}

one_of! {
    /// Its cluster.
    enum HttpUpstream {
        cluster => Cluster(String),
    }
}

/// The compiled config of a chain.
pub(super) struct Settings {
    pub(super) overwrites: bool,
    pub(super) passes_without: bool,
    pub(super) credential: Credential,
}

/// What requests are given.
pub(super) enum Credential {
    /// A secret.
    Generic {
        secret: GenericSecret,
        header: HeaderName,
        prefix: Box<[u8]>,
    },
    /// A token.
    Token(Arc<Endpoint>),
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: CredentialInjector = any.decode(ctx)?;
    let credential = &message.credential.typed_config;
    let credential = match credential.type_name() {
        GENERIC => generic(&credential.decode(ctx)?, ctx),
        OAUTH2 => token(&credential.decode(ctx)?, ctx),
        other => {
            let what = format!("the credential {other}");
            return Err(ctx.unsupported_here(credential.span, what));
        }
    };
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        overwrites: message.overwrite,
        passes_without: message.allow_request_without_credential,
        credential: credential?,
    }))))
}

fn generic(message: &Generic, ctx: &mut Ctx) -> Result<Credential, Refused> {
    let name = &message.header;
    let header = match name.is_empty() {
        true => Ok(HeaderName::from(Known::Authorization)),
        false => HeaderName::parse_with_pseudo(name).map_err(|_| {
            ctx.error(name.span, format!("`{}` is not a header name", name.value));
            Refused
        }),
    };
    let secret = secret(&message.credential, ctx);
    Ok(Credential::Generic {
        secret: secret?,
        header: header?,
        prefix: message.header_value_prefix.as_bytes().into(),
    })
}

fn secret(config: &SdsSecretConfig, ctx: &mut Ctx) -> Result<GenericSecret, Refused> {
    let unknown = format!("Unknown static secret: {}", config.name.value);
    GenericSecret::compile(config, &unknown, ctx)
}

fn token(message: &OAuth2, ctx: &mut Ctx) -> Result<Credential, Refused> {
    let FlowType::ClientCredentials(client) = &message.flow_type;
    let HttpUpstream::Cluster(cluster) = &message.token_endpoint.http_upstream_type;
    let (host, path) = host_and_path(&message.token_endpoint.uri);
    let own = client.client_secret.as_ref();
    let secret = match (client.auth_type, own) {
        (AuthType::TlsClientAuth, _) => None,
        (AuthType::BasicAuth | AuthType::UrlEncodedBody, Some(own)) => Some(secret(own, ctx)?),
        (AuthType::BasicAuth | AuthType::UrlEncodedBody, None) => {
            ctx.error(client.span(), "Invalid oauth2 client secret configuration");
            return Err(Refused);
        }
    };
    let parameters = message.endpoint_params.iter();
    let parameters = parameters.map(|one| (one.name.as_str().into(), one.value.as_str().into()));
    Ok(Credential::Token(Arc::new(Endpoint {
        cluster: cluster.as_str().into(),
        host: host.into(),
        path: path.into(),
        timeout: message.token_endpoint.timeout,
        client_id: client.client_id.as_str().into(),
        secret,
        scopes: message.scopes.join(" ").into(),
        parameters: parameters.collect(),
        retry_interval: message.token_fetch_retry_interval.unwrap_or(RETRY_INTERVAL),
    })))
}
