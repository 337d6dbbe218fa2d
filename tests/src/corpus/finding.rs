//! A finding of Nuncio's as `--error-format json` prints it.

use serde_json::Value;

const UNSUPPORTED: &str = " is not supported by Nuncio yet";

/// One error or warning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Whether it refuses the configuration.
    pub is_error: bool,
    /// The line, from 1; 0 if it is about no text.
    pub line: u64,
    /// The column, from 1; 0 if it is about no text.
    pub column: u64,
    /// The path of fields.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub suggestion: String,
    /// What more there is to say.
    pub note: String,
    /// Envoy's words.
    pub envoy: String,
}

impl Finding {
    /// Reads a line of the output; other lines are none.
    #[must_use]
    pub fn from_json(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let severity = value.get("severity")?.as_str()?;
        let text = |name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.unwrap_or("").to_owned()
        };
        let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
        Some(Self {
            is_error: severity == "error",
            line: number("line"),
            column: number("column"),
            path: text("path"),
            message: text("message"),
            suggestion: text("suggestion"),
            note: text("note"),
            envoy: text("envoy"),
        })
    }

    /// What is not supported, if that is what the finding says.
    #[must_use]
    pub fn unsupported(&self) -> Option<&str> {
        self.message.strip_suffix(UNSUPPORTED)
    }
}
