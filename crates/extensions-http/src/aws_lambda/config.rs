//! The messages of the Lambda filter, compiled once.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::StringMatcher;
use nuncio_contract::registry::RouteFilterConfig;

use crate::aws::canonical::Choice;
use crate::aws::chain::Chain;
use crate::aws::credentials::{self, Credentials};
use crate::aws::signer::{Names, Signer};

message! {
    /// The filter's config.
    pub(super) struct Config: "envoy.extensions.filters.http.aws_lambda.v3.Config" {
        arn: Spanned<String>,
        payload_passthrough: bool,
        invocation_mode: InvocationMode,
        host_rewrite: String,
        credentials_profile: Spanned<String>,
        credentials: Option<OwnCredentials>,
        match_excluded_headers: Vec<StringMatcher>,
        match_included_headers: Vec<StringMatcher>,
    }
}

message! {
    /// A route's.
    pub(super) struct PerRouteConfig: "envoy.extensions.filters.http.aws_lambda.v3.PerRouteConfig" {
        invoke_config: Option<Config>,
    }
}

message! {
    /// Who signs.
    struct OwnCredentials: "envoy.extensions.filters.http.aws_lambda.v3.Credentials" {
        access_key_id: String,
        secret_access_key: String,
        session_token: String,
    }
}

enumeration! {
    /// Whether the function is waited for.
    enum InvocationMode: "envoy.extensions.filters.http.aws_lambda.v3.Config.InvocationMode" {
        SYNCHRONOUS => Synchronous,
        ASYNCHRONOUS => Asynchronous,
    }
}

/// The compiled config.
pub(super) struct Settings {
    pub(super) signer: Signer,
    /// The path of the function.
    pub(super) path: Box<str>,
    pub(super) host: Box<str>,
    pub(super) is_passed_through: bool,
    pub(super) is_waited_for: bool,
    pub(super) invocation_type: HeaderName,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

/// A level's.
pub(super) struct Level(pub(super) Arc<Settings>);

impl LevelConfig for Level {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let settings = Settings::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(settings))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: PerRouteConfig = any.decode(ctx)?;
    let Some(own) = &message.invoke_config else {
        ctx.error(message.span(), "aws_lambda_filter: Invalid ARN: ");
        return Err(Refused);
    };
    Ok(Arc::new(Level(Arc::new(Settings::compile(own, ctx)?))))
}

impl Settings {
    fn compile(message: &Config, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(region) = region(&message.arn.value) else {
            let why = format!("aws_lambda_filter: Invalid ARN: {}", message.arn.value);
            ctx.error(message.arn.span, why);
            return Err(Refused);
        };
        let name = |text| HeaderName::parse(text).map_err(|_| Refused);
        Ok(Settings {
            signer: Signer {
                service: "lambda".into(),
                region: region.into(),
                credentials: credentials_of(message, region, ctx)?,
                choice: Choice::compile(
                    &message.match_included_headers,
                    &message.match_excluded_headers,
                    ctx,
                )?,
                in_query: None,
                is_asymmetric: false,
                names: Names::default(),
            },
            path: format!("/2015-03-31/functions/{}/invocations", message.arn.value).into(),
            host: message.host_rewrite.as_str().into(),
            is_passed_through: message.payload_passthrough,
            is_waited_for: matches!(message.invocation_mode, InvocationMode::Synchronous),
            invocation_type: name("x-amz-invocation-type")?,
        })
    }
}

/// The region in the name of a function; none if it is no such name.
fn region(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        [
            "arn",
            _partition,
            _service,
            region,
            _account,
            _kind,
            _function,
            ..,
        ] => Some(region),
        _ => None,
    }
}

fn credentials_of(message: &Config, region: &str, ctx: &mut Ctx) -> Result<Chain, Refused> {
    if let Some(own) = &message.credentials {
        let (id, secret) = (&own.access_key_id, &own.secret_access_key);
        let said = (id.as_str(), secret.as_str(), own.session_token.as_str());
        return Credentials::of_message(said, own.span(), ctx).map(Chain::fixed);
    }
    match message.credentials_profile.is_empty() {
        true => credentials::find(None, region, ctx),
        false => credentials::of_named_profile(&message.credentials_profile, ctx).map(Chain::fixed),
    }
}
