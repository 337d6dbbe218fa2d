//! The messages of the json_to_metadata filter.

use std::sync::Arc;

use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::{CompiledRegex, RegexMatcher};
use nuncio_contract::metadata_message::value_of;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::metadata::Value;

use super::filter::{RequestStats, ResponseStats};

const DEFAULT_NAMESPACE: &str = "envoy.filters.http.json_to_metadata";
const DEFAULT_CONTENT_TYPE: &str = "application/json";

message! {
    /// The filter's config, and a route's.
    pub(super) struct JsonToMetadata: "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata" {
        request_rules: Option<MatchRules>,
        response_rules: Option<MatchRules>,
    }
}

message! {
    /// Rules, and the bodies that they are for.
    pub(super) struct MatchRules:
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.MatchRules" {
        rules: Vec<Rule>,
        allow_content_types: Vec<String>,
        allow_empty_content_type: bool,
        allow_content_types_regex: Option<RegexMatcher>,
    }
}

message! {
    /// What is made of what stands at a place.
    pub(super) struct Rule: "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.Rule" {
        selectors: Vec<Selector>,
        on_present: Option<KeyValuePair>,
        on_missing: Option<KeyValuePair>,
        on_error: Option<KeyValuePair>,
    }
}

message! {
    /// A step on the way to a place.
    pub(super) struct Selector:
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.Selector" {
        oneof selector: Option<Step>,
    }
}

one_of! {
    /// The kinds of steps.
    pub(super) enum Step {
        key => Key(String),
    }
}

message! {
    /// Where a value goes, and what it is.
    pub(super) struct KeyValuePair:
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.KeyValuePair" {
        metadata_namespace: String,
        key: String,
        oneof value_type: Option<FixedValue>,
        r#type: ValueType,
        preserve_existing_metadata_value: bool,
    }
}

one_of! {
    /// A value that does not depend on the body.
    pub(super) enum FixedValue {
        value => Value(Arc<Json>),
    }
}

enumeration! {
    /// What a value becomes.
    pub(super) enum ValueType:
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.ValueType" {
        PROTOBUF_VALUE => ProtobufValue,
        STRING => String,
        NUMBER => Number,
    }
}

/// The compiled config of a chain or a level.
pub(super) struct Rules {
    /// None where nothing is done with requests.
    pub(super) request: Option<Way>,
    /// None where nothing is done with responses.
    pub(super) response: Option<Way>,
}

/// The rules of a direction.
pub(super) struct Way {
    pub(super) rules: Box<[CompiledRule]>,
    content_types: Box<[Box<str>]>,
    content_type_regex: Option<CompiledRegex>,
    takes_untyped: bool,
}

pub(super) struct CompiledRule {
    /// The keys on the way to the object that has the last one.
    pub(super) path: Box<[Box<str>]>,
    pub(super) last_key: Box<str>,
    pub(super) present: Option<Target>,
    pub(super) missing: Option<Target>,
    pub(super) error: Option<Target>,
}

/// What becomes of a value.
pub(super) struct Target {
    pub(super) namespace: Box<str>,
    pub(super) key: Box<str>,
    /// Takes the value's place.
    pub(super) fixed: Option<Value>,
    pub(super) value_type: ValueType,
    pub(super) keeps_existing: bool,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Rules>);

impl LevelConfig for Rules {}

/// The scope of the counters, which all filters of the kind have in common.
pub(super) fn scope(root: &Scope) -> Option<Scope> {
    let scope = root.scope("json_to_metadata")?;
    scope.register::<RequestStats>();
    scope.register::<ResponseStats>();
    Some(scope)
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let rules = Rules::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(rules))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: JsonToMetadata = any.decode(ctx)?;
    let rules = Rules::compile(&message, ctx)?;
    if rules.request.is_none() && rules.response.is_none() {
        let text = "json_to_metadata_filter: Per route configs must at least specify one of request_rules or response_rules.";
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(Arc::new(rules))
}

impl Rules {
    fn compile(message: &JsonToMetadata, ctx: &mut Ctx) -> Result<Self, Refused> {
        let request = message.request_rules.as_ref();
        let request = request.map(|rules| Way::compile(rules, ctx));
        let response = message.response_rules.as_ref();
        let response = response.map(|rules| Way::compile(rules, ctx));
        Ok(Rules {
            request: request.transpose()?,
            response: response.transpose()?,
        })
    }
}

impl Way {
    fn compile(message: &MatchRules, ctx: &mut Ctx) -> Result<Self, Refused> {
        let rules: Vec<_> = message.rules.iter().map(|rule| rule.compile(ctx)).collect();
        let regex = message.allow_content_types_regex.as_ref();
        let regex = regex.map(|regex| CompiledRegex::compile(regex, ctx));
        Ok(Way {
            rules: rules.into_iter().collect::<Result<_, _>>()?,
            content_types: match &*message.allow_content_types {
                [] => [DEFAULT_CONTENT_TYPE.into()].into(),
                types => types.iter().map(|name| name.as_str().into()).collect(),
            },
            content_type_regex: regex.transpose()?,
            takes_untyped: message.allow_empty_content_type,
        })
    }

    /// Whether bodies of this type, as the head has it, are looked into.
    pub(super) fn takes(&self, content_type: &[u8]) -> bool {
        if content_type.is_empty() {
            return self.takes_untyped;
        }
        let mut types = self.content_types.iter();
        let regex = self.content_type_regex.as_ref();
        types.any(|name| name.as_bytes() == content_type)
            || regex.is_some_and(|regex| regex.is_full_match(content_type))
    }
}

impl Rule {
    fn compile(&self, ctx: &mut Ctx) -> Result<CompiledRule, Refused> {
        if self.on_present.is_none() && self.on_missing.is_none() {
            let text = "json to metadata filter: neither `on_present` nor `on_missing` set";
            ctx.error(self.span(), text);
            return Err(Refused);
        }
        for (pair, name) in [
            (&self.on_missing, "on_missing"),
            (&self.on_error, "on_error"),
        ] {
            if let Some(pair) = pair.as_ref().filter(|pair| pair.value_type.is_none()) {
                let text =
                    format!("json to metadata filter: cannot specify {name} rule with empty value");
                ctx.error(pair.span(), text);
                return Err(Refused);
            }
        }
        let mut path: Vec<Box<str>> = self.selectors.iter().map(Selector::key).collect();
        let last_key = path.pop().unwrap_or_default();
        Ok(CompiledRule {
            path: path.into(),
            last_key,
            present: self.on_present.as_ref().map(KeyValuePair::target),
            missing: self.on_missing.as_ref().map(KeyValuePair::target),
            error: self.on_error.as_ref().map(KeyValuePair::target),
        })
    }
}

impl Selector {
    /// As in Envoy, no key is an empty one.
    fn key(&self) -> Box<str> {
        match &self.selector {
            Some(Step::Key(key)) => key.as_str().into(),
            None => Box::default(),
        }
    }
}

impl KeyValuePair {
    fn target(&self) -> Target {
        let fixed = self.value_type.as_ref();
        Target {
            namespace: match self.metadata_namespace.as_str() {
                "" => DEFAULT_NAMESPACE.into(),
                namespace => namespace.into(),
            },
            key: self.key.as_str().into(),
            fixed: fixed.map(|FixedValue::Value(json)| value_of(json)),
            value_type: self.r#type,
            keeps_existing: self.preserve_existing_metadata_value,
        }
    }
}
