//! `envoy.filters.thrift.payload_to_metadata`: fields of calls become metadata, for balancers and logs.
//!
//! A field is found by the numbers of those that it is in. Texts and numbers are values; what holds others is none. As in
//! Envoy the filter sees only calls whose payloads go on unread: those of a proxy with `payload_passthrough`, where client
//! and host speak the same.

use nuncio_codec::thrift::find_fields;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, SupportTable};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::matching::RegexMatchAndSubstitute;
use nuncio_contract::stream_info::StreamInfo;

use super::target::{Said, Target};

pub(super) const MESSAGE: &str = "envoy.extensions.filters.network.thrift_proxy.filters.payload_to_metadata.v3.PayloadToMetadata";
const NAMESPACE: &str = "envoy.filters.thrift.payload_to_metadata";

message! {
    /// The filter's config.
    struct Message: "envoy.extensions.filters.network.thrift_proxy.filters.payload_to_metadata.v3.PayloadToMetadata" {
        request_rules: Vec<RuleMessage>,
    }
}

message! {
    /// What is made of a field.
    struct RuleMessage: "envoy.extensions.filters.network.thrift_proxy.filters.payload_to_metadata.v3.PayloadToMetadata.Rule" {
        oneof match_specifier: MatchSpecifier,
        field_selector: FieldSelector,
        on_present: Option<KeyValuePair>,
        on_missing: Option<KeyValuePair>,
    }
}

one_of! {
    /// Of which calls.
    enum MatchSpecifier {
        method_name => Method(String),
        service_name => Service(String),
    }
}

message! {
    /// A field, and the way from there.
    struct FieldSelector: "envoy.extensions.filters.network.thrift_proxy.filters.payload_to_metadata.v3.PayloadToMetadata.FieldSelector" {
        inert name = "it is for people, in Envoy too",
        id: Option<i32>,
        child: Option<Box<FieldSelector>>,
    }
}

message! {
    /// Where it goes.
    struct KeyValuePair: "envoy.extensions.filters.network.thrift_proxy.filters.payload_to_metadata.v3.PayloadToMetadata.KeyValuePair" {
        metadata_namespace: String,
        key: String,
        value: String,
        regex_value_rewrite: Option<RegexMatchAndSubstitute>,
        r#type: ValueType,
    }
}

enumeration! {
    /// What a text becomes.
    enum ValueType: "envoy.extensions.filters.network.thrift_proxy.filters.payload_to_metadata.v3.PayloadToMetadata.ValueType" {
        STRING => String,
        NUMBER => Number,
    }
}

struct Rule {
    /// Empty: all.
    name: Vec<u8>,
    is_service: bool,
    path: Vec<i16>,
    present: Option<Target>,
    missing: Option<Target>,
}

/// The compiled filter.
pub(crate) struct PayloadToMetadata(Vec<Rule>);

pub(super) fn support(table: &mut SupportTable) {
    Message::support(table);
}

impl PayloadToMetadata {
    pub(super) fn compile(any: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        let message: Message = any.decode(ctx)?;
        let rules: Vec<_> = message
            .request_rules
            .iter()
            .map(|it| it.compile(ctx))
            .collect();
        rules.into_iter().collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn wants(&self, method: &[u8]) -> bool {
        self.0.iter().any(|rule| rule.is_for(method))
    }

    pub(super) fn apply(&self, method: &[u8], values: &[u8], info: &mut StreamInfo) {
        let rules = || self.0.iter().filter(|rule| rule.is_for(method));
        let found = find_fields(values, rules().map(|rule| &*rule.path));
        for (rule, value) in rules().zip(found) {
            match (value, &rule.present, &rule.missing) {
                (Some(value), Some(target), _) => target.apply(&value, info),
                (None, _, Some(target)) => target.apply(b"", info),
                _ => {}
            }
        }
    }
}

impl Rule {
    fn is_for(&self, method: &[u8]) -> bool {
        match self.is_service {
            _ if self.name.is_empty() => true,
            true => method.starts_with(&self.name),
            false => method == self.name,
        }
    }
}

impl RuleMessage {
    fn compile(&self, ctx: &mut Ctx) -> Result<Rule, Refused> {
        let mut mistake = |text: &str| {
            ctx.error(self.span(), format!("payload to metadata filter: {text}"));
            Err(Refused)
        };
        if self.on_present.is_none() && self.on_missing.is_none() {
            return mistake("neither `on_present` nor `on_missing` set");
        }
        if self
            .on_missing
            .as_ref()
            .is_some_and(|it| it.value.is_empty())
        {
            return mistake("cannot specify on_missing rule without non-empty value");
        }
        let (name, is_service) = match &self.match_specifier {
            MatchSpecifier::Method(name) => (name.clone(), false),
            MatchSpecifier::Service(name) if name.is_empty() || name.ends_with(':') => {
                (name.clone(), true)
            }
            MatchSpecifier::Service(name) => (format!("{name}:"), true),
        };
        let mut path = Vec::new();
        let mut at = Some(&self.field_selector);
        while let Some(selector) = at {
            path.push(i16::try_from(selector.id.unwrap_or(0)).unwrap_or(0));
            at = selector.child.as_deref();
        }
        let mut target = |pair: &Option<KeyValuePair>| {
            let pair = pair.as_ref();
            pair.map(|pair| pair.compile(ctx)).transpose()
        };
        Ok(Rule {
            name: name.into_bytes(),
            is_service,
            path,
            present: target(&self.on_present)?,
            missing: target(&self.on_missing)?,
        })
    }
}

impl KeyValuePair {
    fn compile(&self, ctx: &mut Ctx) -> Result<Target, Refused> {
        let said = Said {
            namespace: &self.metadata_namespace,
            key: &self.key,
            value: &self.value,
            rewrite: self.regex_value_rewrite.as_ref(),
            is_number: self.r#type == ValueType::Number,
            is_base64: false,
        };
        said.compile(NAMESPACE, ctx)
    }
}
