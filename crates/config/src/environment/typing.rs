//! Values from the environment get the type that their field has.
//!
//! A number field reads a string anyhow, so that this is about booleans, and about `google.protobuf.Struct` and
//! `Value`, which take any type: there an unquoted reference is typed as YAML types an unquoted scalar.

use nuncio_api::{self as api, Kind as FieldKind};

use super::Whole;
use crate::source::{Format, Source};
use crate::text::{Kind, Node, typed_as_yaml};

/// Types the scalars below a message that are one reference and nothing else.
pub(crate) fn settle(whole: &Whole, root: &mut Node, message: api::Message, source: &Source) {
    if !whole.is_empty() {
        Settling { whole, source }.message(root, message);
    }
}

struct Settling<'a> {
    whole: &'a Whole,
    source: &'a Source,
}

impl Settling<'_> {
    fn message(&self, node: &mut Node, message: api::Message) {
        for entry in node.entries_mut().into_iter().flatten() {
            if let Some(field) = message.field(&entry.key) {
                self.values(&mut entry.value, field);
            }
        }
    }

    /// A field's value, or values: a list's items, a map's values.
    fn values(&self, node: &mut Node, field: api::Field) {
        let is_map = matches!(field.cardinality(), api::Cardinality::Map { .. });
        match &mut node.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.value(item, field)),
            Kind::Map(entries) if is_map => {
                entries
                    .iter_mut()
                    .for_each(|entry| self.value(&mut entry.value, field));
            }
            _ => self.value(node, field),
        }
    }

    fn value(&self, node: &mut Node, field: api::Field) {
        match field.kind() {
            FieldKind::Bool => self.boolean(node),
            FieldKind::Message(message) => match message.full_name() {
                "google.protobuf.BoolValue" => self.boolean(node),
                "google.protobuf.Any" => self.any(node),
                "google.protobuf.Struct"
                | "google.protobuf.Value"
                | "google.protobuf.ListValue" => {
                    self.free(node);
                }
                _ => self.message(node, message),
            },
            _ => {}
        }
    }

    fn any(&self, node: &mut Node) {
        let url = node.get("@type").and_then(Node::as_str).unwrap_or("");
        if let Some(message) = api::message(url.rsplit('/').next().unwrap_or("")) {
            self.message(node, message);
        }
    }

    fn boolean(&self, node: &mut Node) {
        let value = match node.as_str() {
            Some("true") => true,
            Some("false") => false,
            _ => return,
        };
        if self.whole.contains(&node.span.start) {
            node.kind = Kind::Bool(value);
        }
    }

    fn free(&self, node: &mut Node) {
        match &mut node.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.free(item)),
            Kind::Map(entries) => entries
                .iter_mut()
                .for_each(|entry| self.free(&mut entry.value)),
            Kind::Str(text) => {
                let is_unquoted = self.source.format == Format::Yaml
                    && self.source.slice(node.span).starts_with("${");
                if is_unquoted && self.whole.contains(&node.span.start) {
                    node.kind = typed_as_yaml(text);
                }
            }
            _ => {}
        }
    }
}
