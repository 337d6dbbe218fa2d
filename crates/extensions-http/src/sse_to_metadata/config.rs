//! The messages of the filter and of its parser of JSON, compiled once.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;

use crate::json_rules::{KeyValuePair, Rule, Target};

const JSON: &str = "envoy.extensions.content_parsers.json.v3.JsonContentParser";
const DEFAULT_NAMESPACE: &str = "envoy.content_parsers.json";
const DEFAULT_EVENT_BYTES: u32 = 8192;
const MAX_EVENT_BYTES: usize = 10 << 20;

message! {
    /// The filter's config.
    pub(super) struct SseToMetadata: "envoy.extensions.filters.http.sse_to_metadata.v3.SseToMetadata" {
        response_rules: ProcessingRules,
    }
}

message! {
    /// What is done with events.
    struct ProcessingRules: "envoy.extensions.filters.http.sse_to_metadata.v3.SseToMetadata.ProcessingRules" {
        content_parser: Parser,
        max_event_size: Option<u32>,
    }
}

message! {
    /// Who reads their data.
    struct Parser: "envoy.config.core.v3.TypedExtensionConfig" {
        name: String,
        typed_config: Any,
    }
}

message! {
    /// Reads them as JSON.
    pub(super) struct JsonContentParser: "envoy.extensions.content_parsers.json.v3.JsonContentParser" {
        rules: Vec<RuleConfig>,
    }
}

message! {
    /// A rule, and how often it counts.
    struct RuleConfig: "envoy.extensions.content_parsers.json.v3.JsonContentParser.RuleConfig" {
        rule: Rule,
        stop_processing_after_matches: u32,
    }
}

/// The compiled config.
pub(super) struct Settings {
    pub(super) rules: Box<[CompiledRule]>,
    pub(super) max_event_bytes: usize,
}

pub(super) struct CompiledRule {
    /// The keys on the way to the object that has the last one.
    pub(super) path: Box<[Box<str>]>,
    pub(super) last_key: Box<str>,
    pub(super) present: Option<Target>,
    pub(super) missing: Option<Target>,
    pub(super) error: Option<Target>,
    /// Whether only the first match counts.
    pub(super) counts_once: bool,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: SseToMetadata = any.decode(ctx)?;
    let parser = &message.response_rules.content_parser;
    let any = &parser.typed_config;
    if any.type_name() != JSON {
        let why = format!(
            "Didn't find a registered implementation for '{}' with type URL: '{}'",
            parser.name,
            any.type_name()
        );
        ctx.error(any.span, why);
        return Err(Refused);
    }
    let parser: JsonContentParser = any.decode(ctx)?;
    let rules: Vec<_> = parser
        .rules
        .iter()
        .map(|rule| CompiledRule::compile(rule, ctx))
        .collect();
    let wished = message.response_rules.max_event_size;
    let wished = usize::try_from(wished.unwrap_or(DEFAULT_EVENT_BYTES)).unwrap_or(MAX_EVENT_BYTES);
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        rules: rules.into_iter().collect::<Result<_, _>>()?,
        max_event_bytes: match wished {
            0 => MAX_EVENT_BYTES,
            bytes => bytes.min(MAX_EVENT_BYTES),
        },
    }))))
}

impl CompiledRule {
    fn compile(message: &RuleConfig, ctx: &mut Ctx) -> Result<Self, Refused> {
        let rule = &message.rule;
        if rule.on_present.is_none() && rule.on_missing.is_none() && rule.on_error.is_none() {
            let text = "At least one of on_present, on_missing, or on_error must be specified";
            ctx.error(rule.span(), text);
            return Err(Refused);
        }
        let target = |pair: &KeyValuePair| pair.target(DEFAULT_NAMESPACE);
        let mut path = rule.path();
        let last_key = path.pop().unwrap_or_default();
        Ok(CompiledRule {
            path: path.into(),
            last_key,
            present: rule.on_present.as_ref().map(target),
            missing: rule.on_missing.as_ref().map(target),
            error: rule.on_error.as_ref().map(target),
            counts_once: message.stop_processing_after_matches > 0,
        })
    }
}
