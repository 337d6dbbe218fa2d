//! `envoy.filters.thrift.header_to_metadata`: headers of calls become metadata, for balancers and logs.
//!
//! Left out, and so refused: values that are protobuf's.

use nuncio_codec::thrift::Head;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, SupportTable};
use nuncio_config::{enumeration, message};
use nuncio_contract::matching::RegexMatchAndSubstitute;
use nuncio_contract::stream_info::StreamInfo;

use super::target::{Said, Target};

pub(super) const MESSAGE: &str =
    "envoy.extensions.filters.network.thrift_proxy.filters.header_to_metadata.v3.HeaderToMetadata";
const NAMESPACE: &str = "envoy.filters.thrift.header_to_metadata";

message! {
    /// The filter's config.
    struct Message: "envoy.extensions.filters.network.thrift_proxy.filters.header_to_metadata.v3.HeaderToMetadata" {
        request_rules: Vec<RuleMessage>,
    }
}

message! {
    /// What is made of a header.
    struct RuleMessage: "envoy.extensions.filters.network.thrift_proxy.filters.header_to_metadata.v3.HeaderToMetadata.Rule" {
        header: String,
        on_present: Option<KeyValuePair>,
        on_missing: Option<KeyValuePair>,
        remove: bool,
    }
}

message! {
    /// Where it goes.
    struct KeyValuePair: "envoy.extensions.filters.network.thrift_proxy.filters.header_to_metadata.v3.HeaderToMetadata.KeyValuePair" {
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
    enum ValueType: "envoy.extensions.filters.network.thrift_proxy.filters.header_to_metadata.v3.HeaderToMetadata.ValueType" {
        STRING => String,
        NUMBER => Number,
    }
}

enumeration! {
    /// How it is encoded.
    enum ValueEncode: "envoy.extensions.filters.network.thrift_proxy.filters.header_to_metadata.v3.HeaderToMetadata.ValueEncode" {
        NONE => None,
        BASE64 => Base64,
    }
}

struct Rule {
    /// In lower case.
    header: Vec<u8>,
    present: Option<Target>,
    missing: Option<Target>,
    removes: bool,
}

/// The compiled filter.
pub(crate) struct HeaderToMetadata(Vec<Rule>);

pub(super) fn support(table: &mut SupportTable) {
    Message::support(table);
}

impl HeaderToMetadata {
    pub(super) fn compile(any: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        let message: Message = any.decode(ctx)?;
        let rules: Vec<_> = message
            .request_rules
            .iter()
            .map(|it| it.compile(ctx))
            .collect();
        rules.into_iter().collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn apply(&self, head: &mut Head, info: &mut StreamInfo) {
        for rule in &self.0 {
            let is_it = |(name, _): &&(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(&rule.header);
            let found = head
                .headers
                .iter()
                .find(is_it)
                .map(|(_, value)| value.clone());
            match (found, &rule.present, &rule.missing) {
                (Some(value), Some(target), _) => target.apply(&value, info),
                (None, _, Some(target)) => target.apply(b"", info),
                _ => {}
            }
            if rule.removes {
                head.headers.retain(|header| !is_it(&header));
            }
        }
    }
}

impl RuleMessage {
    fn compile(&self, ctx: &mut Ctx) -> Result<Rule, Refused> {
        let mut mistake = |text: String| {
            ctx.error(self.span(), text);
            Err(Refused)
        };
        if self.on_present.is_none() && self.on_missing.is_none() {
            return mistake(format!(
                "header to metadata filter: rule for header '{}' has neither `on_present` nor `on_missing` set",
                self.header
            ));
        }
        if self
            .on_missing
            .as_ref()
            .is_some_and(|it| it.value.is_empty())
        {
            return mistake("Cannot specify on_missing rule with empty value".to_owned());
        }
        let mut target = |pair: &Option<KeyValuePair>| {
            let pair = pair.as_ref();
            pair.map(|pair| pair.compile(ctx)).transpose()
        };
        Ok(Rule {
            header: self.header.to_ascii_lowercase().into_bytes(),
            present: target(&self.on_present)?,
            missing: target(&self.on_missing)?,
            removes: self.remove,
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
            is_base64: self.encode == ValueEncode::Base64,
        };
        said.compile(NAMESPACE, ctx)
    }
}
