//! `google.protobuf.Any`: opened by its `@type`, and a `TypedStruct` read as the type that it names.

use std::sync::Arc;

use nuncio_api as api;

use super::wellknown::is_well_known;
use super::{Interpreter, Step, StepKind, suggest, types};
use crate::span::Span;
use crate::text::{Entry as TextEntry, Kind, Node};
use crate::tree::{Any, Entry, Message, Value};

pub(crate) const TYPED_STRUCTS: [&str; 2] = ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"];

impl<'n> Interpreter<'n> {
    pub(super) fn any(&mut self, node: &'n Node) -> Option<Value> {
        let Kind::Map(entries) = &node.kind else {
            self.expected(node, "a map with `@type`", None, "expected '{'");
            return None;
        };
        let mut types = entries.iter().filter(|entry| &*entry.key == "@type");
        let Some(url) = types.next() else {
            return self.without_type(node, entries);
        };
        if let Some(second) = types.next() {
            self.invalid(
                second.key_span,
                "`@type` is given twice".to_owned(),
                "repeated @type in Any",
            );
            return None;
        }
        let Kind::Str(type_url) = &url.value.kind else {
            self.expected(&url.value, "a type URL as a string", None, "expected '\"'");
            return None;
        };
        let descriptor = self.named_type(type_url, url.value.span)?;
        let any = if TYPED_STRUCTS.contains(&descriptor.full_name()) {
            self.typed_struct(descriptor, type_url, node, entries)
        } else {
            let message = self.inside(descriptor, node.span, entries)?;
            Any {
                type_url: url_of(descriptor, type_url),
                message: Arc::new(message),
                typed_struct: None,
            }
        };
        Some(Value::Any(Arc::new(any)))
    }

    fn without_type(&mut self, node: &Node, entries: &[TextEntry]) -> Option<Value> {
        if entries.is_empty() {
            let any = api::message("google.protobuf.Any")?;
            let message = Arc::new(Message::new(any, node.span));
            return Some(Value::Any(Arc::new(Any {
                type_url: "".into(),
                message,
                typed_struct: None,
            })));
        }
        let wording = "in legacy mode, missing @type in Any is only allowed for an empty object";
        self.invalid(
            node.span,
            "`@type` is missing: it says what the other fields mean".to_owned(),
            wording,
        );
        let suggestion = self.type_suggestion(entries);
        self.diagnostics.suggest_for_last(suggestion);
        None
    }

    /// The types that may have been meant where none is given.
    fn type_suggestion(&self, entries: &[TextEntry]) -> String {
        let is_url = |entry: &&TextEntry| {
            let url = entry.value.as_str().unwrap_or("");
            url.starts_with("type.googleapis.com/") && entry.key.contains("type")
        };
        if let Some(url) = entries.iter().find(is_url) {
            return format!("write `\"@type\"` for `{}`", url.key);
        }
        let near = types::nearest(self.parent(), self.name_beside, entries);
        let urls: Vec<String> = near
            .iter()
            .map(|name| format!("`\"@type\": type.googleapis.com/{name}`"))
            .collect();
        match urls.as_slice() {
            [] => "add `\"@type\": type.googleapis.com/...`".to_owned(),
            urls => format!("add {}", urls.join(", or ")),
        }
    }

    fn named_type(&mut self, type_url: &str, span: Span) -> Option<api::Message> {
        let Some((host, name)) = type_url
            .rsplit_once('/')
            .filter(|(host, _)| !host.is_empty())
        else {
            let wording =
                format!("@type must contain at least one / and a nonempty host; got: {type_url}");
            let envoy = unparsable(&wording);
            let note = self
                .diagnostics
                .error(span, format!("`{type_url}` is no type URL"))
                .envoy(envoy);
            if api::message(type_url).is_some() {
                note.suggest(format!("did you mean `type.googleapis.com/{type_url}`?"));
            }
            return None;
        };
        let found =
            api::message(name).filter(|message| !suggest::is_previous_version(message.full_name()));
        found.or_else(|| self.unknown_type(host, name, span))
    }

    /// Reports a type that is not known; its nearest namesake is read in its place, to find the errors inside.
    fn unknown_type(&mut self, host: &str, name: &str, span: Span) -> Option<api::Message> {
        let successor = api::message(name).and_then(|old| old.successors().next());
        let near = successor.or_else(|| {
            let near = self.may_suggest().then(|| suggest::nearest_message(name));
            near.flatten().and_then(api::message)
        });
        let envoy = unparsable(&format!("could not find @type '{host}/{name}'"));
        let note = self
            .diagnostics
            .error(span, format!("there is no type `{name}`"))
            .envoy(envoy);
        let near = near?;
        note.suggest(format!("did you mean `{host}/{}`?", near.full_name()));
        (strsim::levenshtein(name, near.full_name()) <= 2).then_some(near)
    }

    /// The message inside of an `Any`: its fields stand beside `@type`, a well-known type under `value`.
    fn inside(
        &mut self,
        descriptor: api::Message,
        span: Span,
        entries: &'n [TextEntry],
    ) -> Option<Message> {
        self.steps.push(Step {
            name: "<any>",
            index: None,
            kind: StepKind::Value(api::Kind::Message(descriptor)),
        });
        let written = entries.iter().filter(|entry| &*entry.key != "@type");
        let message = if is_well_known(descriptor.full_name()) {
            self.well_known_inside(descriptor, span, written)
        } else {
            Some(self.fields(descriptor, span, written))
        };
        self.steps.pop();
        message
    }

    fn well_known_inside(
        &mut self,
        descriptor: api::Message,
        span: Span,
        written: impl Iterator<Item = &'n TextEntry> + Clone,
    ) -> Option<Message> {
        let mut message = Message::new(descriptor, span);
        for TextEntry {
            key,
            key_span,
            value,
        } in written
        {
            if &**key != "value" {
                let text = format!(
                    "beside `@type` of `{}` only `value` may stand",
                    descriptor.full_name()
                );
                self.invalid(
                    *key_span,
                    text,
                    "fields in a well-known-typed Any must be @type or value",
                );
                continue;
            }
            let inner = self.message_value(descriptor, value)?;
            message.set(Entry::new(1, *key_span, value.span, inner));
        }
        Some(message)
    }

    fn typed_struct(
        &mut self,
        descriptor: api::Message,
        outer_url: &str,
        node: &'n Node,
        entries: &'n [TextEntry],
    ) -> Any {
        let member = |name: &str, camel: &str| {
            entries
                .iter()
                .find(|entry| &*entry.key == name || &*entry.key == camel)
                .map(|entry| &entry.value)
        };
        let inner_url = member("type_url", "typeUrl")
            .and_then(Node::as_str)
            .unwrap_or("");
        let name = inner_url.rsplit('/').next().unwrap_or("");
        let known =
            api::message(name).filter(|message| !suggest::is_previous_version(message.full_name()));
        let value = member("value", "value");
        let value = match value {
            None => Some((node.span, &[][..])),
            Some(value) => value.entries().map(|entries| (value.span, entries)),
        };
        match (known, value) {
            (Some(inner), Some((span, entries))) if !is_well_known(name) => {
                let read = self.struct_as(inner, span, entries);
                Any {
                    type_url: inner_url.into(),
                    message: Arc::new(read),
                    typed_struct: Some(outer_url.into()),
                }
            }
            _ => {
                let written = entries.iter().filter(|entry| &*entry.key != "@type");
                let message = Arc::new(self.fields(descriptor, node.span, written));
                Any {
                    type_url: outer_url.into(),
                    message,
                    typed_struct: None,
                }
            }
        }
    }

    /// Reads a structure as a message; Envoy begins its errors anew there.
    fn struct_as(
        &mut self,
        descriptor: api::Message,
        span: Span,
        entries: &'n [TextEntry],
    ) -> Message {
        let root = std::mem::replace(&mut self.root, descriptor.full_name());
        let steps = std::mem::take(&mut self.steps);
        let message = self.fields(descriptor, span, entries.iter());
        self.root = root;
        self.steps = steps;
        message
    }
}

/// The type URL as written, or with the name that was read in its place: what follows is told of that type.
fn url_of(descriptor: api::Message, written: &str) -> Box<str> {
    match written.rsplit_once('/') {
        Some((host, name)) if name != descriptor.full_name() => {
            format!("{host}/{}", descriptor.full_name()).into()
        }
        _ => written.into(),
    }
}

fn unparsable(wording: &str) -> String {
    format!("Unable to parse JSON as proto (INVALID_ARGUMENT: {wording})")
}
