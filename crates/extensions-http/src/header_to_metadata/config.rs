//! The messages of the header-to-metadata filter.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message};
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::{RegexMatchAndSubstitute, RegexRewrite};
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;

use super::filter::HeaderToMetadataStats;

const DEFAULT_NAMESPACE: &str = "envoy.filters.http.header_to_metadata";

message! {
    /// The filter's config, and a route's.
    pub(super) struct Config: "envoy.extensions.filters.http.header_to_metadata.v3.Config" {
        request_rules: Vec<Rule>,
        response_rules: Vec<Rule>,
        stat_prefix: String,
    }
}

message! {
    /// What is made of a header or a cookie.
    pub(super) struct Rule: "envoy.extensions.filters.http.header_to_metadata.v3.Config.Rule" {
        header: Spanned<String>,
        cookie: String,
        on_header_present: Option<KeyValuePair>,
        on_header_missing: Option<KeyValuePair>,
        remove: bool,
    }
}

message! {
    /// Where a value goes, and what it is.
    pub(super) struct KeyValuePair: "envoy.extensions.filters.http.header_to_metadata.v3.Config.KeyValuePair" {
        metadata_namespace: String,
        key: String,
        value: String,
        regex_value_rewrite: Option<RegexMatchAndSubstitute>,
        r#type: ValueType,
        encode: ValueEncode,
    }
}

enumeration! {
    /// What a text becomes.
    pub(super) enum ValueType: "envoy.extensions.filters.http.header_to_metadata.v3.Config.ValueType" {
        STRING => String,
        NUMBER => Number,
        PROTOBUF_VALUE => ProtobufValue,
    }
}

enumeration! {
    /// How a text is encoded.
    pub(super) enum ValueEncode: "envoy.extensions.filters.http.header_to_metadata.v3.Config.ValueEncode" {
        NONE => None,
        BASE64 => Base64,
    }
}

/// The compiled config of a chain or a level.
pub(super) struct Rules {
    pub(super) request: Box<[CompiledRule]>,
    pub(super) response: Box<[CompiledRule]>,
    /// Empty where nothing is counted.
    stat_prefix: Box<str>,
    /// Lives as long as the config, so that workers can tell.
    pub(super) alive: Arc<()>,
}

pub(super) struct CompiledRule {
    pub(super) source: Source,
    pub(super) present: Option<Target>,
    pub(super) missing: Option<Target>,
}

/// Where a value comes from.
pub(super) enum Source {
    Header { name: HeaderName, is_removed: bool },
    Cookie(Box<[u8]>),
}

/// What becomes of a value.
pub(super) struct Target {
    pub(super) namespace: Box<str>,
    pub(super) key: Box<str>,
    /// Takes the value's place; empty if it does not.
    pub(super) fixed: Box<[u8]>,
    pub(super) rewrite: Option<RegexRewrite>,
    pub(super) value_type: ValueType,
    pub(super) encode: ValueEncode,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Rules>);

impl LevelConfig for Rules {
    fn register(&self, root: &Scope) -> Option<Scope> {
        let scope = self.scope(root)?;
        scope.register::<HeaderToMetadataStats>();
        Some(scope)
    }
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let rules = Rules::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(rules))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: Config = any.decode(ctx)?;
    let rules = Rules::compile(&message, ctx)?;
    if rules.request.is_empty() && rules.response.is_empty() {
        let text = "header_to_metadata_filter: Per filter configs must at least specify either request or response rules";
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(Arc::new(rules))
}

impl Rules {
    fn compile(message: &Config, ctx: &mut Ctx) -> Result<Self, Refused> {
        let mut all = |rules: &[Rule]| -> Result<Box<[CompiledRule]>, Refused> {
            let rules: Vec<_> = rules.iter().map(|rule| rule.compile(ctx)).collect();
            rules.into_iter().collect()
        };
        let request = all(&message.request_rules);
        let response = all(&message.response_rules);
        Ok(Rules {
            request: request?,
            response: response?,
            stat_prefix: message.stat_prefix.as_str().into(),
            alive: Arc::default(),
        })
    }

    /// The scope of its counters, if it has any.
    pub(super) fn scope(&self, root: &Scope) -> Option<Scope> {
        if self.stat_prefix.is_empty() {
            return None;
        }
        root.scope(&format!("http_filter_name.{}", self.stat_prefix))
    }

    /// Whether it counts.
    pub(super) fn counts(&self) -> bool {
        !self.stat_prefix.is_empty()
    }
}

impl Rule {
    fn compile(&self, ctx: &mut Ctx) -> Result<CompiledRule, Refused> {
        let wrong = |span: Span, text: &str, ctx: &mut Ctx| {
            ctx.error(span, text);
            Err(Refused)
        };
        let of = match (self.header.value.as_str(), self.cookie.as_str()) {
            ("", "") => {
                let text = "One of Cookie or Header option needs to be specified";
                return wrong(self.span(), text, ctx);
            }
            (header, "") => format!("header '{}'", header.to_ascii_lowercase()),
            ("", cookie) => format!("cookie '{cookie}'"),
            _ => {
                let text = "Cannot specify both header and cookie in the same rule";
                return wrong(self.span(), text, ctx);
            }
        };
        let (present, missing) = (&self.on_header_present, &self.on_header_missing);
        if present.is_none() && missing.is_none() {
            let text = format!(
                "header to metadata filter: rule for {of} has neither `on_header_present` nor `on_header_missing` set"
            );
            return wrong(self.span(), &text, ctx);
        }
        let has_two =
            |pair: &KeyValuePair| !pair.value.is_empty() && pair.regex_value_rewrite.is_some();
        if let Some(pair) = present.as_ref().filter(|pair| has_two(pair)) {
            let text = "Cannot specify both value and regex_value_rewrite";
            return wrong(pair.span(), text, ctx);
        }
        if !self.cookie.is_empty() && self.remove {
            return wrong(self.span(), "Cannot specify remove for cookie", ctx);
        }
        if let Some(pair) = missing.as_ref().filter(|pair| pair.value.is_empty()) {
            let text = "Cannot specify on_header_missing rule with an empty value";
            return wrong(pair.span(), text, ctx);
        }
        let source = self.source(ctx);
        let present = present.as_ref().map(|pair| pair.compile(true, ctx));
        let missing = missing.as_ref().map(|pair| pair.compile(false, ctx));
        Ok(CompiledRule {
            source: source?,
            present: present.transpose()?,
            missing: missing.transpose()?,
        })
    }

    fn source(&self, ctx: &mut Ctx) -> Result<Source, Refused> {
        if !self.cookie.is_empty() {
            return Ok(Source::Cookie(self.cookie.as_bytes().into()));
        }
        let Ok(name) = HeaderName::parse_with_pseudo(&self.header.value) else {
            let text = format!("`{}` is not a header name", self.header.value);
            ctx.error(self.header.span, text);
            return Err(Refused);
        };
        if self.remove && (name.is_pseudo() || name.known() == Some(Known::Host)) {
            ctx.error(
                self.header.span,
                ":-prefixed or host headers may not be removed",
            );
            return Err(Refused);
        }
        Ok(Source::Header {
            name,
            is_removed: self.remove,
        })
    }
}

impl KeyValuePair {
    /// As in Envoy, nothing is asked of the rewrite of a value that is fixed anyway.
    fn compile(&self, is_rewritten: bool, ctx: &mut Ctx) -> Result<Target, Refused> {
        let rewrite = self.regex_value_rewrite.as_ref().filter(|_| is_rewritten);
        let rewrite = rewrite.map(|rewrite| RegexRewrite::compile(rewrite, ctx));
        Ok(Target {
            namespace: match self.metadata_namespace.as_str() {
                "" => DEFAULT_NAMESPACE.into(),
                namespace => namespace.into(),
            },
            key: self.key.as_str().into(),
            fixed: self.value.as_bytes().into(),
            rewrite: rewrite.transpose()?,
            value_type: self.r#type,
            encode: self.encode,
        })
    }
}
