//! Just enough JSON to write the results.

use std::fmt;

/// A JSON value to write.
pub(crate) enum Json {
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) if number.is_finite() => write!(out, "{number}"),
            Self::Number(_) => out.write_str("null"),
            Self::Text(text) => write_text(out, text),
            Self::List(values) => {
                out.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(out, "{}\n{value}", if index > 0 { "," } else { "" })?;
                }
                out.write_str("]")
            }
            Self::Object(fields) => {
                out.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    out.write_str(if index > 0 { ", " } else { "" })?;
                    write_text(out, name)?;
                    write!(out, ": {value}")?;
                }
                out.write_str("}")
            }
        }
    }
}

fn write_text(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            control if control.is_control() => write!(out, "\\u{:04x}", u32::from(control))?,
            other => write!(out, "{other}")?,
        }
    }
    out.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_json() {
        let value = Json::Object(vec![
            ("a", Json::Number(1.5)),
            ("b", Json::Text("x\"\\\n".into())),
            ("c", Json::Number(f64::NAN)),
            ("d", Json::List(Vec::new())),
        ]);
        let text = value.to_string();
        assert_eq!(
            text,
            r#"{"a": 1.5, "b": "x\"\\\u000a", "c": null, "d": []}"#
        );
    }
}
