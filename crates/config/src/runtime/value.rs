//! One runtime value: its text, and what it is as an integer, a fraction, a boolean or a number.
//!
//! As Envoy has it: numbers are doubles and integers their whole parts; a text that reads as a number is one; a text
//! that reads as a boolean is none; a structure is a `FractionalPercent` if it has no other fields, and its parts
//! that are something else than they should be count as 0.

use super::Fraction;
use super::debug_text;
use crate::diagnostic::Diagnostics;
use crate::interpret;
use crate::source::{Format, Source};
use crate::text::{self, Limits};
use crate::tree::Json;

/// 2 to the power of 64, from which on a double is no integer of ours.
const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;

/// What one text may hold.
const LIMITS: Limits = Limits {
    text_bytes: 1 << 20,
    depth: 100,
    nodes: 100_000,
};

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuntimeValue {
    /// As the admin shows it.
    pub text: String,
    pub(super) integer: Option<u64>,
    pub(super) fraction: Option<Fraction>,
    pub(super) boolean: Option<bool>,
    pub(super) double: Option<f64>,
}

impl RuntimeValue {
    /// As an integer, if it is one.
    pub fn integer(&self) -> Option<u64> {
        self.integer
    }

    /// As a number, if it is one.
    pub fn double(&self) -> Option<f64> {
        self.double
    }

    /// A value of a static layer.
    pub fn of_json(json: &Json) -> Self {
        Self::with_text(json, None)
    }

    /// A value as a file or the admin gives it: YAML, shown as it was given.
    ///
    /// # Errors
    /// What Envoy says of a text that is no YAML.
    pub fn of_text(text: &str) -> Result<Self, String> {
        let source = Source::new("runtime", Format::Yaml, text);
        let mut found = Diagnostics::default();
        let node = text::parse(&source, 0, &LIMITS, &mut found);
        let json = node.map(|node| interpret::json(&node, &mut found));
        match json {
            Some(json) => Ok(Self::with_text(&json, Some(text))),
            None => {
                let first = found.iter().next();
                Err(first.map_or_else(String::new, |first| {
                    first.envoy.clone().unwrap_or_else(|| first.message.clone())
                }))
            }
        }
    }

    fn with_text(json: &Json, given: Option<&str>) -> Self {
        let mut value = RuntimeValue::default();
        let own = match json {
            Json::Number(number) => {
                value.set_number(*number);
                general(*number)
            }
            Json::Bool(boolean) => {
                value.boolean = Some(*boolean);
                boolean.to_string()
            }
            Json::String(text) => {
                if let Some(number) = number(given.unwrap_or(text)) {
                    value.set_number(number);
                }
                text.to_string()
            }
            Json::Object(members) => {
                value.fraction = fraction(members);
                debug_text::of_struct(members)
            }
            Json::Null | Json::List(_) => String::new(),
        };
        value.text = match given {
            None | Some("") => own,
            Some(given) => given.to_owned(),
        };
        value
    }

    /// The fraction, which an integer is as percent.
    pub(super) fn share(&self) -> Option<Fraction> {
        self.fraction.or_else(|| {
            let percent = self.integer?;
            Some(match u32::try_from(percent) {
                Ok(numerator @ 0..=100) => Fraction {
                    numerator,
                    divisor: 100,
                },
                _ => Fraction::ALL,
            })
        })
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the whole part of a number in the range"
    )]
    fn set_number(&mut self, number: f64) {
        self.boolean = Some(number != 0.0);
        self.double = Some(number);
        if (0.0..TOO_LARGE).contains(&number) {
            self.integer = Some(number as u64);
        }
    }
}

/// The number that a text is, with white space around it; hexadecimal too.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let unsigned = text.trim_start_matches(['+', '-']);
    match unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        #[expect(clippy::cast_precision_loss, reason = "all numbers are doubles here")]
        Some(digits) => {
            let number = u64::from_str_radix(digits, 16).ok()? as f64;
            Some(if text.starts_with('-') {
                -number
            } else {
                number
            })
        }
        None => text.parse().ok(),
    }
}

/// A `FractionalPercent`; none if there is something else in it.
fn fraction(members: &[(Box<str>, Json)]) -> Option<Fraction> {
    let mut fraction = Fraction {
        numerator: 0,
        divisor: 100,
    };
    for (name, value) in members {
        match (&**name, value) {
            ("numerator", Json::Number(number)) => fraction.numerator = numerator(*number),
            ("numerator", _) => fraction.numerator = 0,
            ("denominator", Json::String(text)) => {
                fraction.divisor = match &**text {
                    "HUNDRED" => 100,
                    "TEN_THOUSAND" => 10_000,
                    "MILLION" => 1_000_000,
                    _ => return None,
                };
            }
            _ => return None,
        }
    }
    Some(fraction)
}

/// Envoy takes a negative one for a huge one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a double becomes the nearest number there is"
)]
fn numerator(number: f64) -> u32 {
    if number <= -1.0 {
        u32::MAX
    } else {
        number as u32
    }
}

/// Whether a structure is a value, and not a level of names.
pub(super) fn is_value(members: &[(Box<str>, Json)]) -> bool {
    let is_part = |name: &str| matches!(name, "numerator" | "denominator");
    members.is_empty() || members.iter().any(|(name, _)| is_part(name))
}

/// A number in at most six digits, as C's `%g` writes it.
fn general(number: f64) -> String {
    let scientific = format!("{number:.5e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        let precision = usize::try_from(5 - exponent).unwrap_or(0);
        return trimmed(&format!("{number:.precision$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

impl RuntimeValue {
    /// The values of a static layer by their names, levels joined by dots.
    ///
    /// # Errors
    /// The name of a value that is none: a list or nothing.
    pub fn of_layer(json: &Json) -> Result<Vec<(String, Self)>, String> {
        let mut values = Vec::new();
        walk("", json, &mut values)?;
        Ok(values)
    }
}

fn walk(name: &str, json: &Json, values: &mut Vec<(String, RuntimeValue)>) -> Result<(), String> {
    match json {
        Json::Null | Json::List(_) => return Err(name.to_owned()),
        Json::Object(members) if name.is_empty() || !is_value(members) => {
            for (member, value) in members {
                let dot = if name.is_empty() { "" } else { "." };
                walk(&format!("{name}{dot}{member}"), value, values)?;
            }
        }
        _ => values.push((name.to_owned(), RuntimeValue::of_json(json))),
    }
    Ok(())
}
