//! Records, and the values that formats make.

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::custom_tag::clean_text;
use nuncio_contract::formatter::{ExtensionCommands, Format, FormatContext};
use nuncio_service_messages::otlp::{AnyValue, Array, KeyValue, KeyValues, LogRecord, Value};

use super::config::Settings;
use crate::hex;
use crate::opentelemetry_tracer::span::nanoseconds;

const ONLY_TEXTS: &str = "Only string values, nested key value lists and array values are supported \
    in OpenTelemetry access log format.";

message! {
    /// A value.
    pub(crate) struct AnyValueMessage: "opentelemetry.proto.common.v1.AnyValue" {
        oneof value: Option<ValueMessage>,
    }
}

one_of! {
    /// The kinds of value.
    pub(crate) enum ValueMessage {
        string_value => Text(Spanned<String>),
        bool_value => Bool(bool),
        int_value => Int(i64),
        double_value => Double(f64),
        array_value => Array(ArrayMessage),
        kvlist_value => Map(KeyValueListMessage),
    }
}

message! {
    /// Values in a row.
    pub(crate) struct ArrayMessage: "opentelemetry.proto.common.v1.ArrayValue" {
        values: Vec<AnyValueMessage>,
    }
}

message! {
    /// Values by name.
    pub(crate) struct KeyValueListMessage: "opentelemetry.proto.common.v1.KeyValueList" {
        values: Vec<KeyValueMessage>,
    }
}

message! {
    /// A value with its name.
    pub(crate) struct KeyValueMessage: "opentelemetry.proto.common.v1.KeyValue" {
        key: String,
        value: Option<AnyValueMessage>,
    }
}

/// A value whose texts are formats.
pub(super) enum Template {
    Text(Format),
    Array(Vec<Template>),
    Map(Vec<(String, Template)>),
}

impl AnyValueMessage {
    /// Its depth is that of the configuration.
    pub(super) fn compile(
        &self,
        commands: &ExtensionCommands,
        ctx: &mut Ctx,
    ) -> Result<Template, Refused> {
        match &self.value {
            Some(ValueMessage::Text(text)) => {
                Ok(Template::Text(Format::parse_with(text, commands, ctx)?))
            }
            Some(ValueMessage::Array(array)) => {
                let values = array.values.iter();
                let values = values.map(|value| value.compile(commands, ctx));
                Ok(Template::Array(values.collect::<Result<_, _>>()?))
            }
            Some(ValueMessage::Map(map)) => Ok(Template::Map(map.compile(commands, ctx)?)),
            _ => {
                ctx.error(self.span(), ONLY_TEXTS);
                Err(Refused)
            }
        }
    }

    fn fixed(&self) -> AnyValue {
        let value = self.value.as_ref().map(|value| match value {
            ValueMessage::Text(text) => Value::String(text.value.clone()),
            ValueMessage::Bool(flag) => Value::Bool(*flag),
            ValueMessage::Int(number) => Value::Int(*number),
            ValueMessage::Double(number) => Value::Double(*number),
            ValueMessage::Array(array) => Value::Array(Array {
                values: array.values.iter().map(AnyValueMessage::fixed).collect(),
            }),
            ValueMessage::Map(map) => Value::Map(KeyValues { values: fixed(map) }),
        });
        AnyValue { value }
    }
}

impl KeyValueMessage {
    /// The name.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The value where that is a text, else an empty one.
    pub(crate) fn text(&self) -> &str {
        match self.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(ValueMessage::Text(text)) => &text.value,
            _ => "",
        }
    }
}

impl KeyValueListMessage {
    pub(super) fn compile(
        &self,
        commands: &ExtensionCommands,
        ctx: &mut Ctx,
    ) -> Result<Vec<(String, Template)>, Refused> {
        let mut pairs = Vec::new();
        for pair in &self.values {
            let Some(value) = &pair.value else {
                ctx.error(pair.span(), ONLY_TEXTS);
                return Err(Refused);
            };
            pairs.push((pair.key.clone(), value.compile(commands, ctx)?));
        }
        Ok(pairs)
    }
}

/// Values as they stand there.
pub(super) fn fixed(list: &KeyValueListMessage) -> Vec<KeyValue> {
    let pairs = list.values.iter().map(|pair| KeyValue {
        key: pair.key.clone(),
        value: pair.value.as_ref().map(AnyValueMessage::fixed),
    });
    pairs.collect()
}

impl Template {
    fn fill(&self, context: &FormatContext<'_>) -> AnyValue {
        let value = match self {
            Template::Text(format) => {
                let mut text = Vec::new();
                format.format(context, &mut text);
                Value::String(clean_text(&text))
            }
            Template::Array(values) => Value::Array(Array {
                values: values.iter().map(|value| value.fill(context)).collect(),
            }),
            Template::Map(pairs) => Value::Map(KeyValues {
                values: filled(pairs, context),
            }),
        };
        AnyValue { value: Some(value) }
    }
}

fn filled(pairs: &[(String, Template)], context: &FormatContext<'_>) -> Vec<KeyValue> {
    let pairs = pairs.iter().map(|(key, value)| KeyValue {
        key: key.clone(),
        value: Some(value.fill(context)),
    });
    pairs.collect()
}

/// The record of a stream.
pub(super) fn of(settings: &Settings, context: &FormatContext<'_>) -> LogRecord {
    let mut attributes = filled(&settings.attributes, context);
    for tag in &settings.tags {
        if let Some(value) = tag.value(context) {
            attributes.push(KeyValue::text(&*tag.name, value));
        }
    }
    let trace = context.stream_info.trace.as_deref();
    let span_id = trace.and_then(|trace| hex::read::<8>(&trace.span_id));
    let trace_id = trace.and_then(|trace| hex::read::<16>(&trace.trace_id));
    LogRecord {
        time_unix_nano: nanoseconds(context.stream_info.start_time()),
        body: settings.body.as_ref().map(|body| body.fill(context)),
        attributes,
        trace_id: trace_id.map(Vec::from).unwrap_or_default(),
        span_id: span_id.map(Vec::from).unwrap_or_default(),
    }
}
