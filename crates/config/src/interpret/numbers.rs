//! Booleans, numbers, enums and map keys, with protobuf's own limits and errors.

use nuncio_api::{self as api, Kind as FieldKind};

use super::{Interpreter, enums, quantities, shapes};
use crate::text::{Kind, Node};
use crate::tree::Value;

/// Why a number was not taken: in words, and in protobuf's.
type Refusal = (&'static str, String);

impl<'n> Interpreter<'n> {
    pub(super) fn boolean(&mut self, node: &Node) -> Option<Value> {
        let value = match &node.kind {
            Kind::Bool(value) => Some(*value),
            Kind::Str(text) => boolean_word(text),
            _ => None,
        };
        if value.is_none() {
            self.expected_scalar(node, "`true` or `false`", "expected 'true' or 'false'");
            if let Some(meant) = quantities::boolean(node) {
                self.diagnostics
                    .suggest_for_last(format!("write `{meant}`"));
            }
        }
        value.map(Value::Bool)
    }

    pub(super) fn signed(&mut self, node: &Node, narrow: bool) -> Option<Value> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let value = match &node.kind {
            Kind::Int(value) => Ok(*value),
            Kind::Uint(value) => {
                whole(*value as f64, -EXACT, EXACT, &value.to_string()).map(|value| value as i64)
            }
            Kind::Float(value) => {
                whole(*value, -EXACT, EXACT, &value.to_string()).map(|value| value as i64)
            }
            Kind::Str(text) => match decimal::<i64>(text) {
                Some(value) => Ok(value),
                None => quoted(text, -EXACT, EXACT).map(|value| value as i64),
            },
            _ => return self.no_number(node),
        };
        let fits = |value: &i64| !narrow || i32::try_from(*value).is_ok();
        let value = value.and_then(|value| {
            if fits(&value) {
                Ok(value)
            } else {
                Err(out_of_range())
            }
        });
        self.number(node, "a whole number", value).map(Value::I64)
    }

    pub(super) fn unsigned(&mut self, node: &Node, narrow: bool) -> Option<Value> {
        const EXACT: f64 = 18_014_398_509_481_984.0;
        let value = match &node.kind {
            Kind::Int(value) => u64::try_from(*value).map_err(|_| too_far()),
            Kind::Uint(value) => Ok(*value),
            Kind::Float(value) => {
                whole(*value, 0.0, EXACT, &value.to_string()).map(|value| value as u64)
            }
            Kind::Str(text) => match decimal::<u64>(text) {
                Some(value) => Ok(value),
                None => quoted(text, 0.0, EXACT).map(|value| value as u64),
            },
            _ => return self.no_number(node),
        };
        let fits = |value: &u64| !narrow || u32::try_from(*value).is_ok();
        let value = value.and_then(|value| {
            if fits(&value) {
                Ok(value)
            } else {
                Err(out_of_range())
            }
        });
        self.number(node, "a whole number, 0 or more", value)
            .map(Value::U64)
    }

    pub(super) fn float(&mut self, node: &Node, narrow: bool) -> Option<Value> {
        let value = match &node.kind {
            Kind::Int(value) => Ok(*value as f64),
            Kind::Uint(value) => Ok(*value as f64),
            Kind::Float(value) => Ok(*value),
            Kind::Str(text) => float_text(text).ok_or_else(|| {
                (
                    "not a number",
                    "non-number characters in quoted number".to_owned(),
                )
            }),
            _ => return self.no_number(node),
        };
        let fits = |value: f64| !narrow || !value.is_finite() || (value as f32).is_finite();
        let too_large = || ("too large for a `float`", "float out of range".to_owned());
        let value = value.and_then(|value| {
            if fits(value) {
                Ok(value)
            } else {
                Err(too_large())
            }
        });
        let value = value.map(|value| {
            if narrow {
                f64::from(value as f32)
            } else {
                value
            }
        });
        self.number(node, "a number", value).map(Value::F64)
    }

    pub(super) fn enum_value(&mut self, enumeration: api::Enum, node: &Node) -> Option<Value> {
        let text = match &node.kind {
            Kind::Str(text) => text,
            Kind::Null => return Some(Value::Enum(0)),
            Kind::Bool(_) | Kind::List(_) | Kind::Map(_) => {
                let wanted = format!("a value of the enum `{}`", enumeration.full_name());
                self.expected_scalar(node, &wanted, "expected number or string");
                return None;
            }
            _ => {
                let Some(Value::I64(number)) = self.signed(node, true) else {
                    return None;
                };
                return i32::try_from(number).ok().map(Value::Enum);
            }
        };
        let number = enumeration
            .by_name(text)
            .or_else(|| {
                enumeration
                    .values()
                    .find(|value| value.name().eq_ignore_ascii_case(text))
            })
            .map(|value| value.number())
            .or_else(|| decimal::<i32>(text));
        if number.is_none() {
            self.unknown_enum_value(enumeration, text, node.span);
        }
        number.map(Value::Enum)
    }

    fn unknown_enum_value(&mut self, enumeration: api::Enum, text: &str, span: crate::span::Span) {
        let names: Vec<&str> = enumeration.values().map(|value| value.name()).collect();
        let near = if self.may_suggest() {
            enums::meant(enumeration, text)
        } else {
            None
        };
        let wording = self.unknown_wording(&format!("unknown enum value: '{text}'"));
        let few = if names.len() <= 12 {
            names.join(", ")
        } else {
            format!("{}, ...", names[..12].join(", "))
        };
        let message = format!(
            "`{text}` is no value of the enum `{}`",
            enumeration.full_name()
        );
        let mut note = self
            .diagnostics
            .error(span, message)
            .envoy(wording)
            .note(format!("the values are {few}"));
        if let Some(near) = near {
            note = note.suggest(format!("did you mean `{near}`?"));
        }
        let _ = note;
    }

    fn no_number<T>(&mut self, node: &Node) -> Option<T> {
        self.expected_scalar(node, "a number", "expected number or string");
        if let Some(meant) = shapes::for_scalar(node, self.field_name()) {
            self.diagnostics.suggest_for_last(meant);
        }
        None
    }

    fn number<T>(&mut self, node: &Node, wanted: &str, value: Result<T, Refusal>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err((why, wording)) => {
                self.refused_scalar(node, wanted, why, &wording);
                let text = node.as_str().unwrap_or("");
                if let Some(meant) = quantities::whole_number(text, self.field_name()) {
                    self.diagnostics
                        .suggest_for_last(format!("write `{meant}`"));
                }
                None
            }
        }
    }
}

fn out_of_range() -> Refusal {
    ("out of range", "integer out of range".to_owned())
}

fn too_far() -> Refusal {
    (
        "out of range",
        "JSON number out of range for int".to_owned(),
    )
}

/// A double that is a whole number within `low` and `high`.
fn whole(value: f64, low: f64, high: f64, text: &str) -> Result<f64, Refusal> {
    if !value.is_finite() {
        return Err(("not a number", format!("invalid number: '{text}'")));
    }
    if low > value || value > high {
        return Err(too_far());
    }
    if value.fract() != 0.0 {
        return Err((
            "not whole",
            "expected integer, but JSON number had fractional part".to_owned(),
        ));
    }
    Ok(value)
}

fn quoted(text: &str, low: f64, high: f64) -> Result<f64, Refusal> {
    if text
        .bytes()
        .any(|byte| byte.is_ascii_whitespace() || byte == 0x0b)
    {
        return Err((
            "not a number",
            "non-number characters in quoted number".to_owned(),
        ));
    }
    match float_text(text) {
        Some(value) => whole(value, low, high, text),
        None => Err(("not a number", format!("invalid number: '{text}'"))),
    }
}

/// A decimal number with an optional sign.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A double as Abseil reads one from text: Rust's grammar, with spaces around it.
fn float_text(text: &str) -> Option<f64> {
    text.trim_ascii().parse().ok()
}

/// A boolean as Abseil reads one from text.
fn boolean_word(text: &str) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "t", "yes", "y", "1"]) {
        Some(true)
    } else if is(["false", "f", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// A map's key as it is kept: strings as they are, numbers in decimal.
pub(super) fn map_key(kind: FieldKind, key: &str) -> Option<Box<str>> {
    match kind {
        FieldKind::String => Some(key.into()),
        FieldKind::Bool => matches!(key, "true" | "false").then(|| key.into()),
        FieldKind::Int32 | FieldKind::Sint32 | FieldKind::Sfixed32 => {
            decimal::<i32>(key.trim_ascii()).map(|number| number.to_string().into())
        }
        FieldKind::Uint32 | FieldKind::Fixed32 => {
            decimal::<u32>(key.trim_ascii()).map(|number| number.to_string().into())
        }
        FieldKind::Uint64 | FieldKind::Fixed64 => {
            decimal::<u64>(key.trim_ascii()).map(|number| number.to_string().into())
        }
        _ => decimal::<i64>(key.trim_ascii()).map(|number| number.to_string().into()),
    }
}

/// What a map's keys are, in words.
pub(super) fn describe(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::String => "a string",
        FieldKind::Bool => "`true` or `false`",
        _ => "a number",
    }
}
