//! JSON objects of tokens and keys as values of metadata, and claims as texts.

use std::borrow::Cow;
use std::fmt::{self, Formatter};

use nuncio_contract::stream_info::metadata::{Struct, Value};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

/// Reads an object; nesting is bounded by the reader. As in Envoy, line ends may stand in texts, and no name stands twice
/// in an object.
pub(super) fn read(text: &[u8]) -> Option<Struct> {
    let text = with_escapes(text);
    match serde_json::from_slice(&text) {
        Ok(Read(Value::Struct(members))) => Some(members),
        _ => None,
    }
}

/// The text with escapes for control characters within strings, where JSON would not have them.
fn with_escapes(text: &[u8]) -> Cow<'_, [u8]> {
    let is_control = |byte: &u8| *byte < b' ';
    if !text.iter().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len() + 64);
    let (mut is_in_string, mut is_escaped) = (false, false);
    for byte in text {
        if is_in_string && is_control(byte) {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            continue;
        }
        out.push(*byte);
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = is_in_string && *byte == b'\\' && !is_escaped;
        is_in_string ^= ends;
    }
    Cow::Owned(out)
}

/// A value of JSON whose objects have each name once.
struct Read(Value);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader).map(Read)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number_of(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number_of(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Read(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Struct::default();
        while let Some((name, Read(value))) = members.next_entry::<String, Read>()? {
            if read.get(&name).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
            read.insert(name, value);
        }
        Ok(Value::Struct(read))
    }
}

fn number_of(number: serde_json::Number) -> Value {
    Value::Number(number.as_f64().unwrap_or(0.0))
}

/// A number that is not negative and below 2^64, cut to a whole one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates"
)]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}

/// The claim at a path.
pub(super) fn at_path<'a>(claims: &'a Struct, path: &[Box<str>]) -> Option<&'a Value> {
    let (last, parents) = path.split_last()?;
    let mut inner = claims;
    for parent in parents {
        let Some(Value::Struct(next)) = inner.get(parent) else {
            return None;
        };
        inner = next;
    }
    inner.get(last)
}

/// A claim as a header's value; none if it has none.
pub(super) fn header_value(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => Some(text.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number_text(*number)),
        Value::Struct(_) | Value::List(_) => Some(encode(&json(claim))),
        Value::Null => None,
    }
    .filter(|text| !text.is_empty())
}

fn number_text(number: f64) -> String {
    /// 2^64.
    const TOO_MUCH: f64 = 18_446_744_073_709_551_616.0;
    match (0.0..TOO_MUCH).contains(&number) && number.fract() == 0.0 {
        true => whole(number).to_string(),
        false => format!("{number:.6}"),
    }
}

fn encode(text: &str) -> String {
    nuncio_config::base64::encode(text.as_bytes())
}

/// The value as JSON without spaces.
fn json(value: &Value) -> String {
    fn convert(value: &Value) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                let negative = *number < 0.0;
                let amount = i64::try_from(whole(number.abs())).unwrap_or(i64::MAX);
                Json::from(if negative { -amount } else { amount })
            }
            Value::Number(number) => Json::from(*number),
            Value::String(text) => Json::from(&**text),
            Value::List(items) => items.iter().map(convert).collect(),
            Value::Struct(members) => {
                let members = members.fields();
                Json::Object(
                    members
                        .map(|(name, value)| (name.to_owned(), convert(value)))
                        .collect(),
                )
            }
        }
    }
    convert(value).to_string()
}

/// What `normalize_payload_in_metadata` makes of the claims: lists of what stands between spaces.
pub(super) fn split_at_spaces(claims: &mut Struct, names: &[Box<str>]) {
    for name in names {
        if let Some(Value::String(text)) = claims.get(name) {
            let words = text.split(' ').filter(|word| !word.is_empty());
            let words = words.map(|word| Value::String(word.into())).collect();
            claims.insert(name.clone(), Value::List(words));
        }
    }
}
