//! `%CEL(expression)%` and `%TYPED_CEL(expression)%`: an expression over the stream, in text as CEL shows it; in JSON the
//! latter keeps its type. What fails is missing; in JSON a value without a form there is `null`.

use std::borrow::Cow;

use super::FormatContext;
use super::error::FormatError;
use super::json_text::append_quoted_json;
use super::metadata_value::append_struct;
use super::number::append_json_f64;
use crate::cel::{
    Attributes, Expression, LOCALITY, List, Map, Message, Options, ParseOrBuild, Refusal, Value,
    json_duration, json_timestamp, print,
};

/// An expression in a format.
#[derive(Clone, Debug)]
pub(super) struct CelOperator {
    expression: Expression,
    is_typed: bool,
}

impl CelOperator {
    /// Compiles the expression.
    pub(super) fn parse(text: &str, is_typed: bool, options: Options) -> Result<Self, FormatError> {
        match Expression::parse(text, options) {
            Ok(expression) => Ok(CelOperator {
                expression,
                is_typed,
            }),
            Err(ParseOrBuild::Parse(words)) => Err(FormatError::new(format!(
                "Not able to parse expression: INVALID_ARGUMENT: {words}"
            ))),
            Err(ParseOrBuild::Build(Refusal::Wrong(words))) => Err(FormatError::new(words)),
            Err(ParseOrBuild::Build(Refusal::NotYet(what))) => Err(FormatError::new(format!(
                "{what} is not supported by Nuncio yet"
            ))),
        }
    }

    /// Whether it keeps its type in JSON.
    pub(super) fn is_typed(&self) -> bool {
        self.is_typed
    }

    /// Appends the value as text; `false` if there is none.
    pub(super) fn append_text(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
        let value = self.expression.evaluate(&attributes(context));
        value
            .map(|value| out.extend_from_slice(&print(&value)))
            .is_some()
    }

    /// Appends the value as JSON; `false`, and nothing appended, if there is none.
    pub(super) fn append_json(
        &self,
        most_bytes: Option<usize>,
        context: &FormatContext<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(value) = self.expression.evaluate(&attributes(context)) else {
            return false;
        };
        if let (Value::String(text), Some(limit)) = (&value, most_bytes) {
            append_quoted_json(text.get(..limit).unwrap_or(text), out);
            return true;
        }
        let start = out.len();
        if append(&value, out).is_none() {
            out.truncate(start);
            out.extend_from_slice(b"null");
        }
        true
    }
}

fn attributes<'a>(context: &FormatContext<'a>) -> Attributes<'a> {
    Attributes {
        info: context.stream_info,
        request: context.request_headers,
        response: context.response_headers,
        trailers: context.response_trailers,
        services: Some(context.services),
        lacks_response: None,
    }
}

/// Appends a value; none if JSON has no such thing.
fn append(value: &Value<'_>, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(bool) => out.extend_from_slice(if *bool { b"true" } else { b"false" }),
        Value::Int(number) => append_json_f64(*number as f64, out),
        Value::Uint(number) => append_json_f64(*number as f64, out),
        Value::Double(number) => append_json_f64(*number, out),
        Value::String(text) => append_quoted_json(text, out),
        Value::Bytes(bytes) => {
            append_quoted_json(nuncio_config::base64::encode(bytes).as_bytes(), out)
        }
        Value::Duration(ns) => append_quoted_json(json_duration(*ns).as_bytes(), out),
        Value::Timestamp(ns) => append_quoted_json(json_timestamp(*ns)?.as_bytes(), out),
        Value::List(list) => append_list(list, out)?,
        Value::Map(map) => append_map(map, out)?,
        Value::Type(_) => return None,
        Value::Message(Message::Metadata(metadata)) => {
            out.push(b'{');
            if metadata.is_some_and(|metadata| !metadata.is_empty()) {
                out.extend_from_slice(b"\"filter_metadata\":");
                append_map(&Map::Namespaces(*metadata), out)?;
            }
            out.push(b'}');
        }
        Value::Message(Message::Locality(names)) => append_locality(names, out),
    }
    Some(())
}

/// The fields that are not empty, sorted by name.
fn append_locality(names: &[Box<str>; 3], out: &mut Vec<u8>) {
    let fields = LOCALITY.iter().zip(names);
    let mut set: Vec<_> = fields.filter(|(_, value)| !value.is_empty()).collect();
    set.sort_unstable();
    out.push(b'{');
    for (at, (name, value)) in set.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        append_quoted_json(name.as_bytes(), out);
        out.push(b':');
        append_quoted_json(value.as_bytes(), out);
    }
    out.push(b'}');
}

fn append_list(list: &List<'_>, out: &mut Vec<u8>) -> Option<()> {
    out.push(b'[');
    for (at, value) in list.values().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        append(&value, out)?;
    }
    out.push(b']');
    Some(())
}

/// The members sorted by name, which must be texts or whole numbers.
fn append_map(map: &Map<'_>, out: &mut Vec<u8>) -> Option<()> {
    if let Map::Struct(fields) = map {
        append_struct(fields, out);
        return Some(());
    }
    let entries = map.entries()?;
    let named = entries.iter().map(|(key, value)| match key {
        Value::String(name) => Some((Cow::Borrowed(&**name), value)),
        Value::Int(number) => Some((Cow::Owned(number.to_string().into_bytes()), value)),
        Value::Uint(number) => Some((Cow::Owned(number.to_string().into_bytes()), value)),
        _ => None,
    });
    let mut named: Vec<_> = named.collect::<Option<_>>()?;
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    out.push(b'{');
    for (at, (name, value)) in named.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        append_quoted_json(&name, out);
        out.push(b':');
        append(value, out)?;
    }
    out.push(b'}');
    Some(())
}
