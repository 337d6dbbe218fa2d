//! What a rule makes of an event's JSON.

use nuncio_contract::custom_tag::six_digits;
use nuncio_contract::stream_info::metadata::Value;

use super::config::CompiledRule;
use crate::json_rules::{Target, ValueType, json};

impl CompiledRule {
    /// What stands where the rule looks, if metadata can be made of it.
    pub(super) fn find(&self, body: &json::Value) -> Option<Found> {
        let mut object = body.as_object()?;
        for key in &self.path {
            object = object.get(&**key)?.as_object()?;
        }
        Some(match object.get(&*self.last_key)? {
            json::Value::Null | json::Value::Array(_) => return None,
            json::Value::Bool(is_true) => Found::Bool(*is_true),
            json::Value::String(text) => Found::Text(text.clone()),
            json::Value::Number(number) => match number.as_i64() {
                Some(whole) => Found::Whole(whole),
                None => Found::Number(number.as_f64()?),
            },
            object @ json::Value::Object(_) => Found::Text(object.to_string()),
        })
    }
}

/// A value.
pub(super) enum Found {
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

impl Found {
    /// What becomes of it; none if it is no number where one is wanted.
    #[expect(
        clippy::cast_precision_loss,
        reason = "all numbers of metadata are doubles"
    )]
    pub(super) fn for_target(&self, target: &Target) -> Option<Value> {
        if let Some(fixed) = &target.fixed {
            return Some(fixed.clone());
        }
        Some(match (target.value_type, self) {
            (ValueType::String, _) => Value::String(self.text().into()),
            (_, Found::Whole(whole)) => Value::Number(*whole as f64),
            (_, Found::Number(number)) => Value::Number(*number),
            (ValueType::Number, Found::Bool(is_true)) => Value::Number(f64::from(*is_true)),
            (ValueType::ProtobufValue, Found::Bool(is_true)) => Value::Bool(*is_true),
            (ValueType::Number, Found::Text(text)) => {
                Value::Number(text.trim_ascii().parse().ok()?)
            }
            (ValueType::ProtobufValue, Found::Text(text)) => Value::String(text.as_str().into()),
        })
    }

    fn text(&self) -> String {
        match self {
            Found::Bool(is_true) => is_true.to_string(),
            Found::Whole(whole) => whole.to_string(),
            Found::Number(number) => six_digits(*number),
            Found::Text(text) => text.clone(),
        }
    }
}
