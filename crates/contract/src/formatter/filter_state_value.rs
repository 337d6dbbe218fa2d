//! `%FILTER_STATE(KEY:F:FIELD)%` and `%UPSTREAM_FILTER_STATE(KEY:F:FIELD)%`.

use super::FormatContext;
use super::error::FormatError;

/// Which object and how it is shown.
#[derive(Clone, Debug)]
pub(super) struct FilterStateOperator {
    key: Box<str>,
    upstream: bool,
    style: Style,
}

#[derive(Clone, Debug)]
enum Style {
    Plain,
    Typed,
    Field(Box<str>),
}

/// An object's text.
pub(super) enum Shown {
    /// Plain text.
    Text(String),
    /// JSON in text, and in JSON if that differs.
    Json(String, Option<String>),
}

impl FilterStateOperator {
    /// Compiles `KEY`, `KEY:PLAIN`, `KEY:TYPED` or `KEY:FIELD:NAME`.
    pub(super) fn parse(upstream: bool, argument: &str) -> Result<Self, FormatError> {
        let mut parts = argument.split(':');
        let mut next = || parts.next().unwrap_or("");
        let (key, style, field) = (next(), next(), next());
        if key.is_empty() {
            return Err(FormatError::new(
                "Invalid filter state configuration, key cannot be empty.",
            ));
        }
        if !matches!(style, "" | "PLAIN" | "TYPED" | "FIELD") {
            return Err(FormatError::new(
                "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.",
            ));
        }
        if (style == "FIELD") == field.is_empty() {
            return Err(FormatError::new(
                "Invalid filter state serialize type, FIELD should be used with the field name.",
            ));
        }
        let style = match style {
            "PLAIN" => Style::Plain,
            "FIELD" => Style::Field(field.into()),
            _ => Style::Typed,
        };
        Ok(FilterStateOperator {
            key: key.into(),
            upstream,
            style,
        })
    }

    /// The object's text, if it is there and has one.
    pub(super) fn evaluate(&self, context: &FormatContext<'_>) -> Option<Shown> {
        let info = context.stream_info;
        let object = if self.upstream {
            info.upstream.filter_state.as_deref()?.get(&self.key)?
        } else {
            info.object(&self.key)?
        };
        match &self.style {
            Style::Plain => object.serialize_as_string().map(Shown::Text),
            Style::Typed => {
                let text = object.serialize_as_json()?;
                Some(Shown::Json(text, object.serialize_within_json()))
            }
            Style::Field(name) => object.field(name).map(Shown::Text),
        }
    }
}
