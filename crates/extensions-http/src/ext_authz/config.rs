//! The external authorization filter's config, compiled.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::{
    CompiledMetadataMatcher, RuntimeFeatureFlag, RuntimeFractionalPercent,
};
use nuncio_contract::registry::RouteFilterConfig;

use super::check::ToldHeaders;
use super::http_service::HttpTarget;
use super::messages::{
    AuthorizationResponse, BufferSettings, CheckSettings, ExtAuthz, ExtAuthzPerRoute, HttpService,
    HttpUpstream, PerRouteOverride, ServiceMessage,
};
use super::service::{DEFAULT_TIMEOUT, Service};
use crate::mutation_rules::{ListStringMatcher, Rules};

const FORBIDDEN: u16 = 403;

/// Whom to ask, and what is told.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) service: Service,
    pub(super) told: ToldHeaders,
}

/// How much of the body is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimit {
    pub(super) max_bytes: usize,
    pub(super) allows_part: bool,
    pub(super) as_bytes: bool,
}

/// The compiled config of a chain.
pub(super) struct Settings {
    pub(super) asked: Asked,
    pub(super) body: Option<BodyLimit>,
    pub(super) passes_on_error: bool,
    pub(super) tells_of_passing: bool,
    pub(super) clears_route: bool,
    /// None: any change of a request clears it.
    pub(super) clearing_headers: Box<[HeaderName]>,
    pub(super) status_on_error: u16,
    pub(super) refuses_invalid: bool,
    pub(super) namespaces: Box<[Box<str>]>,
    pub(super) route_namespaces: Box<[Box<str>]>,
    pub(super) enabled: Option<RuntimeFractionalPercent>,
    pub(super) enabled_metadata: Option<CompiledMetadataMatcher>,
    pub(super) deny_at_disable: Option<RuntimeFeatureFlag>,
    pub(super) includes_certificate: bool,
    pub(super) includes_tls_session: bool,
    pub(super) encodes_raw_headers: bool,
    pub(super) stat_prefix: Box<str>,
    pub(super) charges_cluster: bool,
    pub(super) rules: Option<Rules>,
    pub(super) takes_metadata: bool,
    pub(super) max_denied_body_bytes: Option<usize>,
    pub(super) tells_stats: bool,
    pub(super) limits_response: bool,
    pub(super) is_shadow: bool,
    /// Whether the span of a call of HTTP is reported where the one of its request is.
    pub(super) emits_span: bool,
}

/// A level's part.
pub(super) enum Level {
    /// Requests are not checked.
    Disabled,
    /// They are, so.
    Check(LevelCheck),
}

/// How requests are checked on a level.
#[derive(Default)]
pub(super) struct LevelCheck {
    pub(super) extensions: Vec<(String, String)>,
    pub(super) tells_no_body: bool,
    pub(super) body: Option<BodyLimit>,
    pub(super) service: Option<Service>,
    /// In place of the chain's.
    pub(super) emits_span: Option<bool>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

impl LevelConfig for Level {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let settings = Settings::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(settings))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: ExtAuthzPerRoute = any.decode(ctx)?;
    Ok(Arc::new(match &message.r#override {
        PerRouteOverride::Disabled(true) => Level::Disabled,
        PerRouteOverride::Disabled(false) => Level::Check(LevelCheck::default()),
        PerRouteOverride::Check(check) => Level::Check(check.compile(ctx)?),
    }))
}

impl Settings {
    fn compile(message: &ExtAuthz, ctx: &mut Ctx) -> Result<Self, Refused> {
        let service = message.services.as_ref();
        let service = service.map(|it| it.compile(ctx)).transpose();
        let told = told(message, ctx);
        let rules = message.decoder_header_mutation_rules.as_ref();
        let rules = rules.map(|it| Rules::compile(it, ctx)).transpose();
        let metadata = message.filter_enabled_metadata.as_ref();
        let metadata = metadata.map(|it| CompiledMetadataMatcher::compile(it, ctx));
        let names = |list: &[String]| list.iter().map(|name| name.as_str().into()).collect();
        let clearing = message.clear_route_cache_headers.iter();
        let clearing = clearing.filter_map(|name| HeaderName::parse_with_pseudo(name).ok());
        let max_denied = usize::try_from(message.max_denied_response_body_bytes);
        Ok(Settings {
            asked: Asked {
                service: service?.unwrap_or(Service::None),
                told: told?,
            },
            body: message.with_request_body.as_ref().map(BodyLimit::of),
            passes_on_error: message.failure_mode_allow,
            tells_of_passing: message.failure_mode_allow_header_add,
            clears_route: message.clear_route_cache,
            clearing_headers: clearing.collect(),
            status_on_error: message
                .status_on_error
                .as_ref()
                .map_or(FORBIDDEN, HttpStatus::number),
            refuses_invalid: message.validate_mutations,
            namespaces: names(&message.metadata_context_namespaces),
            route_namespaces: names(&message.route_metadata_context_namespaces),
            enabled: message.filter_enabled.clone(),
            enabled_metadata: metadata.transpose()?,
            deny_at_disable: message.deny_at_disable.clone(),
            includes_certificate: message.include_peer_certificate,
            includes_tls_session: message.include_tls_session,
            encodes_raw_headers: message.encode_raw_headers,
            stat_prefix: message.stat_prefix.as_str().into(),
            charges_cluster: message.charge_cluster_response_stats != Some(false),
            rules: rules?,
            takes_metadata: message.enable_dynamic_metadata_ingestion != Some(false),
            max_denied_body_bytes: max_denied.ok().filter(|max| *max > 0),
            tells_stats: message.emit_filter_state_stats,
            limits_response: message.enforce_response_header_limits,
            is_shadow: message.shadow_mode,
            emits_span: message.emit_client_span != Some(false),
        })
    }
}

/// A service of HTTP is told little unless more is allowed, one of gRPC everything.
fn told(message: &ExtAuthz, ctx: &mut Ctx) -> Result<ToldHeaders, Refused> {
    let disallowed = ListStringMatcher::compile(message.disallowed_headers.as_ref(), ctx)?;
    let http = match &message.services {
        Some(ServiceMessage::Http(http)) => Some(http),
        _ => None,
    };
    let allowed = message.allowed_headers.as_ref();
    let old = http.and_then(|http| {
        http.authorization_request
            .as_ref()?
            .allowed_headers
            .as_ref()
    });
    let allowed = match (allowed.or(old), http) {
        (None, None) => None,
        (list, _) => Some(ListStringMatcher::compile(list, ctx)?),
    };
    Ok(ToldHeaders {
        allowed,
        disallowed,
        with_necessary: http.is_some(),
    })
}

impl BodyLimit {
    fn of(message: &BufferSettings) -> Self {
        BodyLimit {
            max_bytes: usize::try_from(message.max_request_bytes).unwrap_or(usize::MAX),
            allows_part: message.allow_partial_message,
            as_bytes: message.pack_as_bytes,
        }
    }
}

impl CheckSettings {
    fn compile(&self, ctx: &mut Ctx) -> Result<LevelCheck, Refused> {
        if self.disable_request_body_buffering && self.with_request_body.is_some() {
            let text = "Invalid configuration for check_settings. Only one of \
                        disable_request_body_buffering or with_request_body can be set.";
            ctx.error(self.span(), text);
            return Err(Refused);
        }
        let service = self.service_override.as_ref();
        Ok(LevelCheck {
            extensions: self.context_extensions.clone(),
            tells_no_body: self.disable_request_body_buffering,
            body: self.with_request_body.as_ref().map(BodyLimit::of),
            service: service.map(|it| it.compile(ctx)).transpose()?,
            emits_span: self.emit_client_span,
        })
    }
}

impl ServiceMessage {
    fn compile(&self, ctx: &mut Ctx) -> Result<Service, Refused> {
        match self {
            ServiceMessage::Grpc(grpc) => grpc.compile(ctx).map(Service::Grpc),
            ServiceMessage::Http(http) => http.compile(ctx).map(|it| Service::Http(Arc::new(it))),
        }
    }
}

impl HttpService {
    fn compile(&self, ctx: &mut Ctx) -> Result<HttpTarget, Refused> {
        let (prefix, instead) = (&self.path_prefix, &self.path_override);
        if !prefix.value.is_empty() && !instead.value.is_empty() {
            let text = "Only one of path_prefix or path_override may be set, not both.";
            ctx.error(instead.span, text);
            return Err(Refused);
        }
        for (path, name) in [(prefix, "path_prefix"), (instead, "path_override")] {
            if !path.value.is_empty() && !path.value.starts_with('/') {
                ctx.error(path.span, format!("{name} should start with \"/\"."));
                return Err(Refused);
            }
        }
        // Without a cluster there is nobody to ask, which is found out when a request comes, as in Envoy.
        let server = self.server_uri.as_ref().map(|uri| {
            let HttpUpstream::Cluster(cluster) = &uri.http_upstream_type;
            (cluster.as_str(), uri.timeout)
        });
        let (cluster, timeout) = server.unwrap_or(("", DEFAULT_TIMEOUT));
        let response = self.authorization_response.as_ref();
        let list = |pick: fn(&AuthorizationResponse) -> &Option<ListStringMatcher>| {
            response.and_then(|response| pick(response).as_ref())
        };
        let added = match &self.authorization_request {
            Some(request) => HeaderMutations::of_values(&request.headers_to_add, ctx)?,
            None => HeaderMutations::default(),
        };
        let to_client = list(|it| &it.allowed_client_headers);
        let to_client = to_client.filter(|list| !list.patterns.is_empty());
        let retries = self.retry_policy.as_ref().map(|it| it.compile(ctx));
        Ok(HttpTarget {
            cluster: cluster.into(),
            timeout,
            retries: retries.transpose()?,
            path_prefix: prefix.value.as_str().into(),
            path_override: instead.value.as_str().into(),
            added,
            to_upstream: ListStringMatcher::compile(list(|it| &it.allowed_upstream_headers), ctx)?,
            to_upstream_joined: ListStringMatcher::compile(
                list(|it| &it.allowed_upstream_headers_to_append),
                ctx,
            )?,
            to_client: to_client
                .map(|it| ListStringMatcher::compile(Some(it), ctx))
                .transpose()?,
            to_client_on_success: ListStringMatcher::compile(
                list(|it| &it.allowed_client_headers_on_success),
                ctx,
            )?,
            to_metadata: ListStringMatcher::compile(
                list(|it| &it.dynamic_metadata_from_headers),
                ctx,
            )?,
        })
    }
}
