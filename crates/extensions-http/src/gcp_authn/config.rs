//! The messages of the filter for tokens of GCP, compiled once.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::calls::{CallRetries, CoreRetryPolicy};
use nuncio_contract::formatter::Format;
use nuncio_contract::gcp_audience::{AudienceMessage, GcpAudience};
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::http_filter::HttpFilterConfig;

/// What is tried again; what the policy says of it has no effect, as in Envoy.
const RETRY_ON: &str = "5xx,gateway-error,connect-failure,reset";

message! {
    /// The filter's config.
    pub(super) struct GcpAuthnFilterConfig: "envoy.extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig" {
        http_uri: Option<HttpUri>,
        retry_policy: Option<CoreRetryPolicy>,
        cache_config: Option<TokenCacheConfig>,
        token_header: Option<TokenHeader>,
        token_metadata_key: String,
        cluster: String,
        timeout: Option<Duration>,
        audience: Option<AudienceMessage>,
    }
}

message! {
    /// Where tokens come from, as it was said before.
    struct HttpUri: "envoy.config.core.v3.HttpUri" {
        inert uri = "there is one place that tokens are asked for at",
        oneof http_upstream_type: HttpUpstream,
        timeout: Duration,
    }
}

one_of! {
    /// The cluster.
    enum HttpUpstream {
        cluster => Cluster(String),
    }
}

message! {
    /// How many tokens are kept.
    struct TokenCacheConfig: "envoy.extensions.filters.http.gcp_authn.v3.TokenCacheConfig" {
        cache_size: Option<u64>,
    }
}

message! {
    /// The header that tokens stand in.
    struct TokenHeader: "envoy.extensions.filters.http.gcp_authn.v3.TokenHeader" {
        name: Spanned<String>,
        value_prefix: String,
        preserve_existing: Option<PreserveExisting>,
    }
}

message! {
    /// Requests that have the header are left alone.
    struct PreserveExisting: "envoy.extensions.filters.http.gcp_authn.v3.TokenHeader.PreserveExisting" {}
}

/// The compiled config.
pub(super) struct Settings {
    pub(super) cluster: Box<str>,
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Option<Arc<CallRetries>>,
    pub(super) most_kept: usize,
    pub(super) audience: Option<OwnAudience>,
    pub(super) place: Place,
    /// The header that a request must not have.
    pub(super) unless: Option<HeaderName>,
}

/// The filter's own audience.
pub(super) struct OwnAudience {
    pub(super) asked: Arc<GcpAudience>,
    /// Who else's token it is, and how who asks is known.
    pub(super) impersonated: Option<[Format; 2]>,
}

/// Where a token stands.
pub(super) enum Place {
    Header { name: HeaderName, prefix: Box<[u8]> },
    Metadata(Box<str>),
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: GcpAuthnFilterConfig = any.decode(ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(compile(message, ctx)?))))
}

fn compile(message: GcpAuthnFilterConfig, ctx: &mut Ctx) -> Result<Settings, Refused> {
    let retries = message.retry_policy.as_ref();
    let retries = retries.map(|policy| policy.compile(ctx)).transpose()?;
    let uri = message.http_uri.as_ref();
    let of_uri = uri.map(|uri| {
        let HttpUpstream::Cluster(cluster) = &uri.http_upstream_type;
        cluster.as_str()
    });
    let cluster = Some(message.cluster.as_str()).filter(|cluster| !cluster.is_empty());
    let timeout = message.timeout.or(uri.map(|uri| uri.timeout));
    let most_kept = message.cache_config.and_then(|cache| cache.cache_size);
    let (header, preserves) = match &message.token_header {
        Some(header) => {
            let place = Place::Header {
                name: header_name(&header.name, ctx)?,
                prefix: header.value_prefix.as_bytes().into(),
            };
            (place, header.preserve_existing.is_some())
        }
        None => {
            let place = Place::Header {
                name: HeaderName::from(Known::Authorization),
                prefix: b"Bearer ".as_slice().into(),
            };
            (place, false)
        }
    };
    let unless = match &header {
        Place::Header { name, .. } if preserves => Some(name.clone()),
        Place::Header { .. } | Place::Metadata(_) => None,
    };
    let key = message.token_metadata_key;
    let audience = message.audience.as_ref();
    let audience = audience.map(|message| own_audience(message, ctx));
    Ok(Settings {
        cluster: cluster.or(of_uri).unwrap_or_default().into(),
        timeout: timeout.filter(|timeout| !timeout.is_zero()),
        retries: retries.map(|policy| {
            Arc::new(CallRetries {
                retry_on: RETRY_ON.into(),
                ..(*policy).clone()
            })
        }),
        most_kept: usize::try_from(most_kept.unwrap_or(0)).unwrap_or(usize::MAX),
        audience: audience.transpose()?,
        place: match key.is_empty() {
            true => header,
            false => Place::Metadata(key.into()),
        },
        unless,
    })
}

fn own_audience(message: &AudienceMessage, ctx: &mut Ctx) -> Result<OwnAudience, Refused> {
    let impersonated = message.impersonated();
    let impersonated = impersonated
        .map(|[account, authorization]| Ok([format(account, ctx)?, format(authorization, ctx)?]));
    Ok(OwnAudience {
        asked: Arc::new(message.into()),
        impersonated: impersonated.transpose()?,
    })
}

fn format(text: &Spanned<String>, ctx: &mut Ctx) -> Result<Format, Refused> {
    Format::compile_omitting(&text.value).map_err(|error| {
        ctx.error(text.span, error.to_string());
        Refused
    })
}

fn header_name(name: &Spanned<String>, ctx: &mut Ctx) -> Result<HeaderName, Refused> {
    HeaderName::parse_with_pseudo(&name.to_ascii_lowercase()).map_err(|_| {
        ctx.error(name.span, format!("`{}` is not a header name", name.value));
        Refused
    })
}
