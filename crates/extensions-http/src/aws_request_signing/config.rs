//! The messages of request signing, compiled once.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::StringMatcher;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;

use super::filter::AwsRequestSigningStats;
use crate::aws::canonical::Choice;
use crate::aws::credentials::{self, AwsCredentialProvider, variable};
use crate::aws::signer::{Names, Signer};

/// How long a signature in a query counts.
const EXPIRATION: Duration = Duration::from_secs(5);

message! {
    /// The filter's config.
    pub(super) struct AwsRequestSigning: "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning" {
        service_name: String,
        region: Spanned<String>,
        host_rewrite: String,
        use_unsigned_payload: bool,
        match_excluded_headers: Vec<StringMatcher>,
        match_included_headers: Vec<StringMatcher>,
        signing_algorithm: SigningAlgorithm,
        query_string: Option<QueryString>,
        credential_provider: Option<AwsCredentialProvider>,
    }
}

message! {
    /// A route's.
    pub(super) struct AwsRequestSigningPerRoute: "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigningPerRoute" {
        aws_request_signing: Option<AwsRequestSigning>,
        stat_prefix: String,
    }
}

enumeration! {
    /// How it is signed.
    enum SigningAlgorithm: "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning.SigningAlgorithm" {
        AWS_SIGV4 => SigV4,
        AWS_SIGV4A => SigV4A,
    }
}

message! {
    /// The signature stands in the query.
    struct QueryString: "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning.QueryString" {
        expiration_time: Option<Duration>,
    }
}

/// The compiled config.
pub(super) struct Settings {
    pub(super) signer: Signer,
    pub(super) host: Box<str>,
    pub(super) signs_body: bool,
    /// Of a level.
    pub(super) stat_prefix: Box<str>,
    /// Lives as long as the config, so that workers can tell.
    pub(super) alive: Arc<()>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

/// A level's.
pub(super) struct Level(pub(super) Arc<Settings>);

impl LevelConfig for Level {
    fn register(&self, root: &Scope) -> Option<Scope> {
        let scope = self.0.scope(root)?;
        scope.register::<AwsRequestSigningStats>();
        Some(scope)
    }
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: AwsRequestSigning = any.decode(ctx)?;
    let settings = Settings::compile(&message, "", ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(settings))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: AwsRequestSigningPerRoute = any.decode(ctx)?;
    let Some(own) = &message.aws_request_signing else {
        let what = "`aws_request_signing` of a route without a configuration";
        return Err(ctx.unsupported_here(message.span(), what));
    };
    let settings = Settings::compile(own, &message.stat_prefix, ctx)?;
    Ok(Arc::new(Level(Arc::new(settings))))
}

impl Settings {
    pub(super) fn compile(
        message: &AwsRequestSigning,
        stat_prefix: &str,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let is_asymmetric = matches!(message.signing_algorithm, SigningAlgorithm::SigV4A);
        let region = region(&message.region, is_asymmetric, ctx)?;
        let credentials = credentials::find(message.credential_provider.as_ref(), &region, ctx)?;
        let in_query = message.query_string.as_ref();
        let in_query = in_query.map(|it| it.expiration_time.unwrap_or(EXPIRATION).as_secs());
        Ok(Settings {
            signer: Signer {
                service: message.service_name.as_str().into(),
                region,
                credentials,
                choice: Choice::compile(
                    &message.match_included_headers,
                    &message.match_excluded_headers,
                    ctx,
                )?,
                in_query,
                is_asymmetric,
                names: Names::default(),
            },
            host: message.host_rewrite.as_str().into(),
            signs_body: !message.use_unsigned_payload,
            stat_prefix: stat_prefix.into(),
            alive: Arc::default(),
        })
    }

    /// The stats of a level, whose prefix is one with the name, as in Envoy.
    pub(super) fn scope(&self, root: &Scope) -> Option<Scope> {
        root.scope(&format!("{}aws_request_signing", self.stat_prefix))
    }
}

fn region(own: &Spanned<String>, is_set: bool, ctx: &mut Ctx) -> Result<Box<str>, Refused> {
    if !is_set && own.contains([',', '*']) {
        let text = "SigV4 region string cannot contain wildcards or commas. Region sets can be specified when \
                    using signing_algorithm: AWS_SIGV4A.";
        ctx.error(own.span, text);
        return Err(Refused);
    }
    let variables: &[&str] = match is_set {
        true => &["AWS_SIGV4A_SIGNING_REGION_SET"],
        false => &["AWS_REGION", "AWS_DEFAULT_REGION"],
    };
    let own = Some(own.value.clone()).filter(|region| !region.is_empty());
    let region = own.or_else(|| variables.iter().find_map(|name| variable(name)));
    region.map(Into::into).ok_or_else(|| {
        let text = "AWS region is not set in xDS configuration and failed to retrieve from environment variable \
                    or AWS profile/config files.";
        ctx.error(nuncio_config::span::Span::NONE, text);
        Refused
    })
}
