//! The errors of interpretation: in plain words, with Envoy's wording beside them.

use nuncio_api::{self as api, Kind as FieldKind};

use super::suggest::Guess;
use super::{Interpreter, StepKind, shapes, suggest};
use crate::diagnostic::Severity;
use crate::span::Span;
use crate::text::{Kind, Node};

impl Interpreter<'_> {
    /// An error for which Envoy says `Unable to parse JSON as proto (...)`.
    pub(super) fn invalid(&mut self, span: Span, text: String, wording: &str) {
        let envoy = format!(
            "Unable to parse JSON as proto (INVALID_ARGUMENT: {})",
            self.located(wording)
        );
        self.diagnostics.error(span, text).envoy(envoy);
    }

    /// Looking for what was meant takes time, so it ends after many errors.
    pub(super) fn may_suggest(&self) -> bool {
        self.diagnostics.errors() < 100
    }

    /// A value of another shape than the field has.
    pub(super) fn expected(
        &mut self,
        node: &Node,
        wanted: &str,
        message: Option<api::Message>,
        wording: &str,
    ) {
        let of = message.map_or(String::new(), |message| {
            format!(" `{}`", message.full_name())
        });
        let text = format!(
            "expected {wanted}{of}{}, found {}",
            self.for_field(),
            found(node)
        );
        let wording = format!(
            "unexpected character: '{}'; {wording}",
            first_character(node)
        );
        self.invalid(node.span, text, &wording);
        if wanted == "a string"
            && matches!(
                node.kind,
                Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) | Kind::Uint(_)
            )
        {
            self.diagnostics.suggest_for_last("put it in quotes");
        } else if message.is_none()
            && let Some(meant) = shapes::for_scalar(node, self.field_name())
        {
            self.diagnostics.suggest_for_last(meant);
        }
    }

    /// The name of the field being read.
    pub(super) fn field_name(&self) -> &str {
        self.steps.last().map_or("", |step| step.name)
    }

    /// The type of the message that holds the field being read.
    pub(super) fn parent(&self) -> &'static str {
        let before = self.steps.iter().rev().nth(1);
        match before.map(|step| step.kind) {
            Some(StepKind::Value(FieldKind::Message(message))) => message.full_name(),
            _ => self.root,
        }
    }

    /// A value of another shape than the scalar field has.
    pub(super) fn expected_scalar(&mut self, node: &Node, wanted: &str, wording: &str) {
        let text = format!(
            "expected {wanted}{}, found {}",
            self.for_field(),
            found(node)
        );
        self.invalid(node.span, text, wording);
    }

    /// A scalar of the right shape that is none of the field's values.
    pub(super) fn refused_scalar(&mut self, node: &Node, wanted: &str, why: &str, wording: &str) {
        let text = format!(
            "expected {wanted}{}, found {}: {why}",
            self.for_field(),
            found(node)
        );
        self.invalid(node.span, text, wording);
    }

    /// Reports a name that the message does not have; returns the field that was probably meant.
    pub(super) fn unknown_field(
        &mut self,
        descriptor: api::Message,
        key: &str,
        span: Span,
    ) -> Option<Guess> {
        let parents: Vec<api::Message> = self
            .steps
            .iter()
            .rev()
            .skip(1)
            .filter_map(|step| match step.kind {
                StepKind::Value(FieldKind::Message(message)) => Some(message),
                _ => None,
            })
            .chain(api::message(self.root))
            .collect();
        let parents = if self.steps.is_empty() {
            &[]
        } else {
            &parents[..]
        };
        let near = if self.may_suggest() {
            suggest::for_unknown_field(descriptor, key, parents)
        } else {
            None
        };
        // A header written as `name: value`.
        let is_header = descriptor.full_name() == "envoy.config.core.v3.HeaderValueOption";
        let header = is_header.then(|| format!("write `- header: {{ key: {key}, value: ... }}`"));
        let wording = self.unknown_wording(&self.located(&format!("no such field: '{key}'")));
        let text = format!("there is no field `{key}` in `{}`", descriptor.full_name());
        let note = match self.how.unknown_fields {
            Severity::Error => self.diagnostics.error(span, text),
            Severity::Warning => self.diagnostics.warning(span, text),
        };
        let note = note.envoy(wording);
        let Some(near) = near else {
            header.map(|header| note.suggest(header));
            return None;
        };
        let meant = near.guess(descriptor);
        note.suggest(near.in_words(key));
        // What is passed over is not read as something else.
        meant.filter(|_| self.how.unknown_fields == Severity::Error)
    }

    pub(super) fn unknown_wording(&self, reason: &str) -> String {
        format!(
            "Protobuf message (type {} reason INVALID_ARGUMENT: {reason}) has unknown fields",
            self.root
        )
    }

    /// Envoy's words with its path; its offset into an internal JSON text is left out.
    fn located(&self, wording: &str) -> String {
        let mut text = format!("invalid JSON in {}", self.root);
        let mut separator = " @ ";
        for step in &self.steps {
            text += separator;
            text += step.name;
            if let Some(index) = step.index {
                text += &format!("[{index}]");
            }
            separator = ".";
        }
        if let Some(last) = self.steps.last() {
            text += &format!(": {}", kind_name(last.kind));
        }
        text + ": " + wording
    }

    fn for_field(&self) -> String {
        self.steps
            .last()
            .map_or(String::new(), |step| match step.name {
                "<any>" => String::new(),
                name => format!(" for `{name}`"),
            })
    }
}

/// The value found, short enough for a line.
fn found(node: &Node) -> String {
    match &node.kind {
        Kind::Bool(value) => format!("the boolean {value}"),
        Kind::Int(value) => format!("the number {value}"),
        Kind::Uint(value) => format!("the number {value}"),
        Kind::Float(value) => format!("the number {value}"),
        Kind::Str(text) if text.chars().count() <= 40 => format!("\"{}\"", text.escape_debug()),
        _ => node.describe().to_owned(),
    }
}

fn first_character(node: &Node) -> char {
    match &node.kind {
        Kind::Null => 'n',
        Kind::Bool(true) => 't',
        Kind::Bool(false) => 'f',
        Kind::Int(value) => value.to_string().chars().next().unwrap_or('0'),
        Kind::Uint(value) => value.to_string().chars().next().unwrap_or('0'),
        Kind::Float(value) => value.to_string().chars().next().unwrap_or('0'),
        Kind::Str(_) => '"',
        Kind::List(_) => '[',
        Kind::Map(_) => '{',
    }
}

/// A field's type as protobuf names it.
fn kind_name(kind: StepKind) -> String {
    let kind = match kind {
        StepKind::Value(kind) => kind,
        StepKind::MapEntry(field) => {
            return format!(
                "message {}.{}Entry",
                field.message().full_name(),
                camel_case(field.name())
            );
        }
    };
    let scalar = match kind {
        FieldKind::Message(message) => return format!("message {}", message.full_name()),
        FieldKind::Enum(enumeration) => return format!("enum {}", enumeration.full_name()),
        FieldKind::Double => "double",
        FieldKind::Float => "float",
        FieldKind::Int64 => "int64",
        FieldKind::Uint64 => "uint64",
        FieldKind::Int32 => "int32",
        FieldKind::Fixed64 => "fixed64",
        FieldKind::Fixed32 => "fixed32",
        FieldKind::Bool => "bool",
        FieldKind::String => "string",
        FieldKind::Bytes => "bytes",
        FieldKind::Uint32 => "uint32",
        FieldKind::Sfixed32 => "sfixed32",
        FieldKind::Sfixed64 => "sfixed64",
        FieldKind::Sint32 => "sint32",
        FieldKind::Sint64 => "sint64",
    };
    scalar.to_owned()
}

/// `filter_metadata` -> `FilterMetadata`.
fn camel_case(name: &str) -> String {
    let word = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    };
    name.split('_').map(word).collect()
}
