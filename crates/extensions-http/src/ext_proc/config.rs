//! The external processing filter's config, compiled.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::grpc_client::GrpcTarget;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::CompiledStringMatcher;
use nuncio_contract::registry::RouteFilterConfig;

use super::attributes::Attribute;
use super::messages::{
    ExtProcOverrides, ExtProcPerRoute, ExternalProcessor, MetadataNamespaces, MetadataOptions,
    PerRouteOverride, RouteCacheAction,
};
use super::modes::{BodyMode, Modes};
use crate::mutation_rules::{ListStringMatcher, Rules};

const INTERNAL_SERVER_ERROR: u16 = 500;
const DEFAULT_MESSAGE_TIMEOUT: Duration = Duration::from_millis(200);
const DEFAULT_DEFERRED_CLOSE: Duration = Duration::from_secs(5);

/// Which headers are told.
#[derive(Debug, Default)]
pub(super) struct ToldHeaders {
    /// None: all.
    allowed: Option<Box<[CompiledStringMatcher]>>,
    disallowed: Box<[CompiledStringMatcher]>,
}

impl ToldHeaders {
    pub(super) fn tells(&self, name: &[u8]) -> bool {
        let is_in = |list: &[CompiledStringMatcher]| list.iter().any(|one| one.matches(name));
        self.allowed.as_deref().is_none_or(is_in) && !is_in(&self.disallowed)
    }
}

/// Which metadata are told and taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Namespaces {
    pub(super) told: Arc<[String]>,
    pub(super) taken: Arc<[String]>,
}

/// The compiled config of a chain.
pub(super) struct Settings {
    pub(super) target: GrpcTarget,
    pub(super) passes_on_error: bool,
    pub(super) modes: Modes,
    pub(super) request_attributes: Box<[Attribute]>,
    pub(super) response_attributes: Box<[Attribute]>,
    pub(super) message_timeout: Duration,
    pub(super) max_message_timeout: Duration,
    pub(super) stat_prefix: Box<str>,
    pub(super) rules: Rules,
    pub(super) route: RouteCacheAction,
    pub(super) headers: ToldHeaders,
    pub(super) takes_modes: bool,
    pub(super) allowed_modes: Box<[Modes]>,
    pub(super) takes_no_answers: bool,
    pub(super) namespaces: Namespaces,
    /// The processor only looks on; how long its stream stays.
    pub(super) observes: Option<Duration>,
    pub(super) bodies_do_not_wait: bool,
    pub(super) trusts_lengths: bool,
    pub(super) status_on_error: u16,
}

/// A level's part.
pub(super) enum Level {
    /// Streams are not processed.
    Disabled,
    /// They are, so.
    Overrides(Box<LevelOverrides>),
}

/// What is different on a level.
pub(super) struct LevelOverrides {
    pub(super) modes: Option<Modes>,
    pub(super) target: Option<GrpcTarget>,
    pub(super) told: Option<Arc<[String]>>,
    pub(super) taken: Option<Arc<[String]>>,
    pub(super) metadata: Arc<HeaderMutations>,
    pub(super) passes_on_error: Option<bool>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

impl LevelConfig for Level {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let settings = Settings::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(settings))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: ExtProcPerRoute = any.decode(ctx)?;
    Ok(Arc::new(match &message.r#override {
        PerRouteOverride::Disabled(_always) => Level::Disabled,
        PerRouteOverride::Overrides(overrides) => {
            Level::Overrides(Box::new(overrides.compile(ctx)?))
        }
    }))
}

impl Settings {
    fn compile(message: &ExternalProcessor, ctx: &mut Ctx) -> Result<Self, Refused> {
        let modes = Modes::of(message.processing_mode.as_ref());
        check(message, modes, ctx)?;
        let Some(service) = &message.grpc_service else {
            return Err(Refused);
        };
        let target = service.compile(ctx);
        let rules = message.mutation_rules.as_ref();
        let rules = rules.map(|it| Rules::compile(it, ctx)).transpose();
        let headers = told_headers(message, ctx);
        let request_attributes = attributes(&message.request_attributes, ctx);
        let response_attributes = attributes(&message.response_attributes, ctx);
        let allowed_modes = message.allowed_override_modes.iter();
        let deferred_close = message.deferred_close_timeout;
        Ok(Settings {
            target: target?,
            passes_on_error: message.failure_mode_allow,
            modes,
            request_attributes: request_attributes?,
            response_attributes: response_attributes?,
            message_timeout: message.message_timeout.unwrap_or(DEFAULT_MESSAGE_TIMEOUT),
            max_message_timeout: message.max_message_timeout.unwrap_or_default(),
            stat_prefix: message.stat_prefix.as_str().into(),
            rules: rules?.unwrap_or_default(),
            route: match message.disable_clear_route_cache {
                true => RouteCacheAction::Retain,
                false => message.route_cache_action,
            },
            headers: headers?,
            takes_modes: message.allow_mode_override,
            allowed_modes: allowed_modes.map(|it| modes.changed_by(it)).collect(),
            takes_no_answers: message.disable_immediate_response,
            namespaces: namespaces(message.metadata_options.as_ref()),
            observes: message
                .observability_mode
                .then(|| deferred_close.unwrap_or(DEFAULT_DEFERRED_CLOSE)),
            bodies_do_not_wait: message.send_body_without_waiting_for_header_response,
            trusts_lengths: message.allow_content_length_header,
            status_on_error: message
                .status_on_error
                .as_ref()
                .map_or(INTERNAL_SERVER_ERROR, HttpStatus::number),
        })
    }
}

/// What Envoy does not take either.
fn check(message: &ExternalProcessor, modes: Modes, ctx: &mut Ctx) -> Result<(), Refused> {
    let mut refuse = |text: &str| {
        ctx.error(message.span(), text);
        Err(Refused)
    };
    if message.grpc_service.is_none() {
        return refuse("One and only one of grpc_service or http_service must be configured");
    }
    if message.disable_clear_route_cache && message.route_cache_action != RouteCacheAction::Default
    {
        return refuse(
            "disable_clear_route_cache and route_cache_action can not be set to none-default at the same time.",
        );
    }
    for (side, name) in [(modes.request, "request"), (modes.response, "response")] {
        if side.body == BodyMode::FullDuplex && !side.trailers {
            return refuse(&format!(
                "If the ext_proc filter has the {name}_body_mode set to FULL_DUPLEX_STREAMED, \
                 then the {name}_trailer_mode has to be set to SEND"
            ));
        }
    }
    Ok(())
}

fn attributes(names: &[Spanned<String>], ctx: &mut Ctx) -> Result<Box<[Attribute]>, Refused> {
    let found: Vec<_> = names.iter().map(|name| Attribute::of(name, ctx)).collect();
    found.into_iter().collect()
}

fn told_headers(message: &ExternalProcessor, ctx: &mut Ctx) -> Result<ToldHeaders, Refused> {
    let Some(rules) = &message.forward_rules else {
        return Ok(ToldHeaders::default());
    };
    let disallowed = ListStringMatcher::compile(rules.disallowed_headers.as_ref(), ctx);
    let allowed = rules.allowed_headers.as_ref();
    let allowed = allowed.map(|list| ListStringMatcher::compile(Some(list), ctx));
    Ok(ToldHeaders {
        allowed: allowed.transpose()?,
        disallowed: disallowed?,
    })
}

fn list(of: Option<&MetadataNamespaces>) -> Option<Arc<[String]>> {
    of.map(|namespaces| namespaces.untyped.iter().cloned().collect())
}

fn namespaces(options: Option<&MetadataOptions>) -> Namespaces {
    let Some(options) = options else {
        return Namespaces::default();
    };
    Namespaces {
        told: list(options.forwarding_namespaces.as_ref()).unwrap_or_default(),
        taken: list(options.receiving_namespaces.as_ref()).unwrap_or_default(),
    }
}

impl ExtProcOverrides {
    fn compile(&self, ctx: &mut Ctx) -> Result<LevelOverrides, Refused> {
        let service = self.grpc_service.as_ref();
        let target = service.map(|it| it.compile(ctx)).transpose();
        let metadata = HeaderMutations::of_values(&self.grpc_initial_metadata, ctx);
        let options = self.metadata_options.as_ref();
        Ok(LevelOverrides {
            modes: self.processing_mode.as_ref().map(|it| Modes::of(Some(it))),
            target: target?,
            told: options.and_then(|it| list(it.forwarding_namespaces.as_ref())),
            taken: options.and_then(|it| list(it.receiving_namespaces.as_ref())),
            metadata: Arc::new(metadata?),
            passes_on_error: self.failure_mode_allow,
        })
    }
}
