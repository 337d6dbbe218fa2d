//! Looking into a message by names. What was refused is not there, and nothing is said about it.

use nuncio_config::span::Span;
use nuncio_config::tree::{Any, MapItem, Message, Value};

/// Reads fields by name.
pub(super) trait Look {
    /// The value of a string field that is set, and where it stands.
    fn text(&self, field: &str) -> Option<(&str, Span)>;
    /// A message field.
    fn child(&self, field: &str) -> Option<&Message>;
    /// The messages of a repeated field.
    fn children<'m>(&'m self, field: &str) -> impl Iterator<Item = &'m Message>;
    /// The strings of a repeated field.
    fn texts<'m>(&'m self, field: &str) -> impl Iterator<Item = (&'m str, Span)>;
    /// The entries of a map.
    fn map_items(&self, field: &str) -> &[MapItem];
    /// The message with a type of its own, and where it stands.
    fn any(&self, field: &str) -> Option<(&Any, Span)>;
    /// An unsigned number that is set.
    fn number(&self, field: &str) -> Option<u64>;
    /// A duration that is set: seconds and nanoseconds.
    fn duration(&self, field: &str) -> Option<(i64, i32)>;
    /// Whether a flag is set and true.
    fn is_true(&self, field: &str) -> bool;
    /// The name of an enum field's value; that of 0 when it is not set.
    fn choice(&self, field: &str) -> &'static str;
    /// Where the field's value stands; the message itself when it is not set.
    fn place(&self, field: &str) -> Span;
    /// Where the field's name stands; the message itself when it is not set.
    fn key_place(&self, field: &str) -> Span;
    /// Whether the field is set in any way.
    fn has(&self, field: &str) -> bool;
    /// Whether something is written in the field that was refused.
    fn is_refused(&self, field: &str) -> bool;
    /// Whether an item of a repeated field was refused, or the whole field.
    fn has_refused_items(&self, field: &str) -> bool;
}

impl Look for Message {
    fn text(&self, field: &str) -> Option<(&str, Span)> {
        let entry = self.get_by_name(field)?;
        let text = entry.value.as_str().filter(|text| !text.is_empty())?;
        Some((text, entry.span))
    }

    fn child(&self, field: &str) -> Option<&Message> {
        self.get_by_name(field)?
            .value
            .as_message()
            .map(|message| &**message)
    }

    fn children<'m>(&'m self, field: &str) -> impl Iterator<Item = &'m Message> {
        let items = self
            .get_by_name(field)
            .and_then(|entry| entry.value.as_list());
        let items = items.unwrap_or_default().iter();
        items.filter_map(|item| item.value.as_message().map(|message| &**message))
    }

    fn texts<'m>(&'m self, field: &str) -> impl Iterator<Item = (&'m str, Span)> {
        let items = self
            .get_by_name(field)
            .and_then(|entry| entry.value.as_list());
        let items = items.unwrap_or_default().iter();
        items.filter_map(|item| Some((item.value.as_str()?, item.span)))
    }

    fn map_items(&self, field: &str) -> &[MapItem] {
        match self.get_by_name(field).map(|entry| &entry.value) {
            Some(Value::Map(items)) => items,
            _ => &[],
        }
    }

    fn any(&self, field: &str) -> Option<(&Any, Span)> {
        let entry = self.get_by_name(field)?;
        match &entry.value {
            Value::Any(any) => Some((any, entry.span)),
            _ => None,
        }
    }

    fn number(&self, field: &str) -> Option<u64> {
        match self.get_by_name(field)?.value {
            Value::U64(number) => Some(number),
            _ => None,
        }
    }

    fn duration(&self, field: &str) -> Option<(i64, i32)> {
        match self.get_by_name(field)?.value {
            Value::Duration(seconds, nanos) => Some((seconds, nanos)),
            _ => None,
        }
    }

    fn is_true(&self, field: &str) -> bool {
        let entry = self.get_by_name(field);
        entry.is_some_and(|entry| matches!(entry.value, Value::Bool(true)))
    }

    fn choice(&self, field: &str) -> &'static str {
        let number = match self.get_by_name(field).map(|entry| &entry.value) {
            Some(Value::Enum(number)) => *number,
            Some(_) => return "",
            None => 0,
        };
        let kind = self.descriptor.field(field).map(|field| field.kind());
        let Some(nuncio_api::Kind::Enum(enumeration)) = kind else {
            return "";
        };
        enumeration
            .by_number(number)
            .map_or("", |value| value.name())
    }

    fn place(&self, field: &str) -> Span {
        self.get_by_name(field)
            .map_or(self.span, |entry| entry.span)
    }

    fn key_place(&self, field: &str) -> Span {
        self.get_by_name(field)
            .map_or(self.span, |entry| entry.key_span())
    }

    fn has(&self, field: &str) -> bool {
        self.get_by_name(field).is_some()
    }

    fn is_refused(&self, field: &str) -> bool {
        let entry = self.get_by_name(field);
        entry.is_some_and(|entry| matches!(entry.value, Value::Refused))
    }

    fn has_refused_items(&self, field: &str) -> bool {
        match self.get_by_name(field).map(|entry| &entry.value) {
            Some(Value::Refused) => true,
            Some(Value::List(items)) => items
                .iter()
                .any(|item| matches!(item.value, Value::Refused)),
            _ => false,
        }
    }
}
