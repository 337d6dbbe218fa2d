//! The rate limit quota filter's config, compiled.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Background, Ctx, Refused};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::match_tree::{
    Extension, MatchContext, MatchData, MatchTree, TextInput, unknown_extension,
};
use nuncio_contract::service_values::text;
use nuncio_contract::stream_info::ResponseFlags;

use super::bucket::{Behavior, Bucket, Id, Rule, Tokens};
use super::messages::{
    AddedHeader, BlanketRule, DenyResponseSettings, ExpiredAssignment, ExpiredAssignmentBehavior,
    NoAssignment, RateLimitQuotaBucketSettings, RateLimitQuotaFilterConfig, RateLimitStrategy,
    Strategy, ValueBuilder, ValueSpecifier,
};
use super::service::Quotas;
use crate::ext_authz::decides_framing;

const SETTINGS: &str =
    "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings";
const TOO_MANY_REQUESTS: u16 = 429;
const LEAST_STATUS: u16 = 200;

/// The compiled config of a chain.
pub(super) struct Settings {
    pub(super) quotas: Arc<Quotas>,
    pub(super) tree: MatchTree<BucketSettings>,
}

/// The compiled bucket that requests are sorted into.
pub(super) struct BucketSettings {
    id: Box<[(Box<str>, Part)]>,
    /// What it always is, if nothing of it comes from requests.
    constant_id: Option<Arc<Id>>,
    pub(super) behavior: Behavior,
    pub(super) denied: LocalReply,
    /// Of requests whose buckets found no room; nobody is told of it.
    pub(super) overflow: Bucket,
}

/// A part of its name.
enum Part {
    Text(Box<str>),
    Input(TextInput),
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: RateLimitQuotaFilterConfig = any.decode(ctx)?;
    let target = message.rlqs_server.compile(ctx);
    let tree = MatchTree::compile(&message.bucket_matchers, &mut Actions(ctx))?;
    let quotas = Quotas::shared(target?, &message.domain);
    let reporting = Arc::clone(&quotas) as Arc<dyn Background>;
    ctx.channels.go_on(&reporting);
    Ok(Arc::new(ChainConfig(Arc::new(Settings { quotas, tree }))))
}

/// Compiles the actions of a tree.
struct Actions<'c>(&'c mut Ctx);

impl MatchContext for Actions<'_> {
    type Action = BucketSettings;

    fn ctx(&mut self) -> &mut Ctx {
        self.0
    }

    fn action(&mut self, action: &Extension) -> Result<BucketSettings, Refused> {
        let any = &action.typed_config;
        if any.type_name() != SETTINGS {
            return Err(unknown_extension(action, self.0));
        }
        let message: RateLimitQuotaBucketSettings = any.decode(self.0)?;
        BucketSettings::compile(&message, self.0)
    }
}

impl BucketSettings {
    fn compile(message: &RateLimitQuotaBucketSettings, ctx: &mut Ctx) -> Result<Self, Refused> {
        let parts = message.bucket_id_builder.as_ref();
        let parts = parts.map_or(&[][..], |builder| &*builder.bucket_id_builder);
        let id: Vec<_> = parts.iter().map(|part| compile_part(part, ctx)).collect();
        let id = id.into_iter().collect::<Result<Box<[_]>, _>>();
        let unassigned = match &message.no_assignment_behavior {
            Some(behavior) => {
                let NoAssignment::Strategy(strategy) = &behavior.no_assignment_behavior;
                rule_of(strategy, ctx)
            }
            None => Rule::AllowAll,
        };
        let expired = message.expired_assignment_behavior.as_ref();
        let expired = expired.and_then(|behavior| compile_expired(behavior, ctx));
        let denied = compile_denied(message.deny_response_settings.as_ref(), ctx)?;
        let behavior = Behavior {
            unassigned,
            expired,
        };
        Ok(BucketSettings {
            constant_id: id.as_deref().ok().and_then(constant_id),
            id: id?,
            behavior,
            denied,
            overflow: Bucket::new(Arc::default(), behavior, Instant::now()),
        })
    }

    /// The name of a request's bucket; none where a part of it is not there. Parts that are empty are left out.
    pub(super) fn id_of(&self, data: &MatchData<'_>) -> Option<Arc<Id>> {
        if let Some(id) = &self.constant_id {
            return Some(Arc::clone(id));
        }
        let mut id = Id::new();
        for (name, part) in &self.id {
            let value = match part {
                Part::Text(text) => Cow::Borrowed(&**text),
                Part::Input(input) => match text(&input.text(data)?) {
                    value if value.is_empty() => continue,
                    value => Cow::Owned(value),
                },
            };
            id.insert(name.to_string(), value.into_owned());
        }
        Some(Arc::new(id))
    }
}

/// The name that parts always make, if nothing of it comes from requests.
fn constant_id(parts: &[(Box<str>, Part)]) -> Option<Arc<Id>> {
    let parts = parts.iter().map(|(name, part)| match part {
        Part::Text(text) => Some((name.to_string(), text.to_string())),
        Part::Input(_) => None,
    });
    parts.collect::<Option<Id>>().map(Arc::new)
}

fn compile_part(
    (name, builder): &(String, ValueBuilder),
    ctx: &mut Ctx,
) -> Result<(Box<str>, Part), Refused> {
    let part = match &builder.value_specifier {
        ValueSpecifier::Text(text) => Part::Text(text.as_str().into()),
        ValueSpecifier::Input(input) => {
            Part::Input(TextInput::compile(&input.name, &input.typed_config, ctx)?)
        }
    };
    Ok((name.as_str().into(), part))
}

fn compile_expired(
    behavior: &ExpiredAssignmentBehavior,
    ctx: &mut Ctx,
) -> Option<(Rule, Duration)> {
    let time = behavior.expired_assignment_behavior_timeout;
    match &behavior.expired_assignment_behavior {
        ExpiredAssignment::Strategy(strategy) => {
            let seconds = time.map_or(0, |time| time.as_secs());
            if seconds == 0 {
                let text = "without `expired_assignment_behavior_timeout` of a second or more this has no effect, as in Envoy";
                ctx.warning(behavior.span(), text);
            }
            Some((rule_of(strategy, ctx), Duration::from_secs(seconds)))
        }
        ExpiredAssignment::Reuse(reuse) => {
            let text = "`reuse_last_assignment` has no effect, as in Envoy 1.40: `no_assignment_behavior` decides";
            ctx.warning(reuse.span(), text);
            None
        }
    }
}

fn rule_of(strategy: &RateLimitStrategy, ctx: &mut Ctx) -> Rule {
    match &strategy.strategy {
        Strategy::Blanket(BlanketRule::AllowAll) => Rule::AllowAll,
        Strategy::Blanket(BlanketRule::DenyAll) => Rule::DenyAll,
        Strategy::Units(units) => {
            let text = "`requests_per_time_unit` limits nothing, as in Envoy 1.40";
            ctx.warning(units.span(), text);
            Rule::AllowAll
        }
        Strategy::Tokens(tokens) => Rule::Tokens(Tokens {
            max_tokens: tokens.max_tokens(),
            tokens_per_fill: tokens.tokens_per_fill().unwrap_or(0),
            fill_interval: tokens.fill_interval(),
        }),
    }
}

/// Calls of gRPC have one text with others: the message of their status, or else the body.
fn compile_denied(
    message: Option<&DenyResponseSettings>,
    ctx: &mut Ctx,
) -> Result<LocalReply, Refused> {
    let status = message.and_then(|message| message.http_status.as_ref());
    let status = status.map_or(TOO_MANY_REQUESTS, HttpStatus::number);
    let grpc = message.and_then(|message| message.grpc_status.as_ref());
    let grpc_status = grpc.map(|grpc| u32::try_from(grpc.code)).transpose();
    let span = message.map_or(Span::NONE, DenyResponseSettings::span);
    let Ok(grpc_status) = grpc_status else {
        ctx.error(span, "the `code` of `grpc_status` is below 0");
        return Err(Refused);
    };
    if status < LEAST_STATUS {
        let text = format!("`http_status` is {status}, which ends no request: 200 is the least");
        ctx.error(span, text);
        return Err(Refused);
    }
    let body = match grpc.map(|grpc| grpc.message.as_str()) {
        Some(text) if !text.is_empty() => text.as_bytes().to_vec(),
        _ => message
            .and_then(|message| message.http_body.clone())
            .unwrap_or_default(),
    };
    let added = message.map_or(&[][..], |message| &*message.response_headers_to_add);
    let added: Vec<_> = added.iter().map(|one| compile_header(one, ctx)).collect();
    let flags = ResponseFlags::RESPONSE_FROM_CACHE_FILTER;
    let mut reply = LocalReply::new(status, body, "rate_limited_by_quota").with_flags(flags);
    reply.headers = added.into_iter().collect::<Result<_, _>>()?;
    reply.repeats_names = true;
    reply.flags_are_late = true;
    reply.grpc_status = grpc_status;
    Ok(reply)
}

fn compile_header(added: &AddedHeader, ctx: &mut Ctx) -> Result<(HeaderName, Vec<u8>), Refused> {
    let key = &added.header.key;
    match HeaderName::parse(&key.value) {
        Ok(name) if !key.value.starts_with(':') && !decides_framing(&key.value) => {
            Ok((name, added.header.value.value.as_bytes().to_vec()))
        }
        _ => {
            let text = format!("`{}` cannot be added to a response", key.value);
            ctx.error(key.span, text);
            Err(Refused)
        }
    }
}
