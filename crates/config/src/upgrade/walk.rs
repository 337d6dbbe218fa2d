//! The walk over a bootstrap, along the v3 descriptors.
//!
//! Depth is bounded by the text layer; what the upgrade nests deeper adds a few levels at most.

use nuncio_api::{self as api, Cardinality, Kind as FieldKind};

use super::{Change, extensions, forms, names, versions};
use crate::span::Span;
use crate::text::{Entry, Kind, Node};

const TYPED_STRUCTS: [&str; 2] = ["udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"];

/// The one name of v2 that v3 uses again, for something else: a literal then, a format now.
const REUSED_NAME: &str = "host_rewrite";

/// What a walk does.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pass {
    /// Rewrites v2's forms.
    Forms,
    /// Sets what v2 took for granted: the version of the API that servers are spoken to in. Rewrites
    /// what v3 takes, too, but only as a deprecated form.
    Versions,
    /// Rewrites what v3 itself took in its first releases only.
    Renewal,
}

/// A walk in progress.
pub(super) struct Upgrader<'c> {
    changes: &'c mut Vec<Change>,
    path: String,
    pass: Pass,
    /// Whether a transport socket met now is a listener's.
    pub(super) downstream: bool,
    /// What v2 said of a connection manager's tracing, and v3 says of its listener.
    pub(super) traffic_direction: Option<&'static str>,
    /// Whether what is walked now stands in a configuration that names its v3 type.
    in_v3: bool,
}

impl<'c> Upgrader<'c> {
    pub(super) fn new(changes: &'c mut Vec<Change>, pass: Pass) -> Upgrader<'c> {
        Upgrader {
            changes,
            path: String::new(),
            pass,
            downstream: false,
            traffic_direction: None,
            in_v3: false,
        }
    }

    /// Says that something at `field` of the message being walked was changed.
    pub(super) fn changed(&mut self, span: Span, field: &str, what: impl Into<String>) {
        let separator = if self.path.is_empty() || field.is_empty() {
            ""
        } else {
            "."
        };
        let path = format!("{}{separator}{field}", self.path);
        self.changes.push(Change {
            span,
            path,
            what: what.into(),
        });
    }

    /// Upgrades a map that is a message of this v3 type.
    pub(super) fn message(&mut self, node: &mut Node, message: api::Message) {
        let Kind::Map(entries) = &mut node.kind else {
            return;
        };
        let outside = self.downstream;
        match self.pass {
            Pass::Forms => {
                forms::upgrade(self, message.full_name(), entries);
                extensions::upgrade(self, message.full_name(), entries);
            }
            Pass::Versions => {
                versions::set(self, message, entries);
                forms::modernize(self, message.full_name(), entries);
            }
            Pass::Renewal => {
                self.downstream |= message.full_name() == "envoy.config.listener.v3.FilterChain";
                forms::drop_gone(self, message.full_name(), entries);
                extensions::complete(self, message.full_name(), entries);
                versions::renew(self, entries);
            }
        }
        for entry in entries.iter_mut() {
            if let Some(field) = self.field(message, entry) {
                self.values(message, field, entry);
            }
        }
        if self.pass == Pass::Forms {
            forms::finish(self, message.full_name(), entries);
        }
        self.downstream = outside;
    }

    /// The v3 field that an entry sets, renamed where v3 has another name for the number.
    fn field(&mut self, message: api::Message, entry: &mut Entry) -> Option<api::Field> {
        let same_name = message.field(&entry.key);
        if self.pass == Pass::Renewal {
            return same_name;
        }
        let reused = same_name.is_some_and(|field| !self.in_v3 && field.name() == REUSED_NAME);
        if same_name.is_some() && !reused {
            return same_name;
        }
        let Some(old) = names::previous(message).and_then(|previous| previous.field(&entry.key))
        else {
            return same_name;
        };
        let new = message.field_by_number(old.number())?;
        let alike = match (old.kind(), new.kind()) {
            (FieldKind::Message(old), FieldKind::Message(new)) => {
                old == new || new.previous() == Some(old)
            }
            (FieldKind::Enum(_), FieldKind::Enum(_)) => true,
            (old, new) => old == new,
        };
        if !alike {
            return None;
        }
        self.changed(
            entry.key_span,
            &entry.key.clone(),
            format!("renamed to `{}`", new.name()),
        );
        entry.key = new.name().into();
        Some(new)
    }

    fn values(&mut self, message: api::Message, field: api::Field, entry: &mut Entry) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(field.name());
        match (field.cardinality(), &mut entry.value.kind) {
            (Cardinality::Map { .. }, Kind::Map(members)) => {
                for member in members {
                    let length = self.path.len();
                    self.path.push_str(&format!("[{:?}]", member.key));
                    self.value(message, field, &mut member.value);
                    self.path.truncate(length);
                }
            }
            (Cardinality::Repeated, Kind::List(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let length = self.path.len();
                    self.path.push_str(&format!("[{index}]"));
                    self.value(message, field, item);
                    self.path.truncate(length);
                }
            }
            _ => self.value(message, field, &mut entry.value),
        }
        self.path.truncate(length);
    }

    fn value(&mut self, message: api::Message, field: api::Field, node: &mut Node) {
        match field.kind() {
            FieldKind::Message(inner) if inner.full_name() == "google.protobuf.Any" => {
                self.any(node)
            }
            FieldKind::Message(inner) if !inner.full_name().starts_with("google.protobuf.") => {
                self.message(node, inner);
            }
            FieldKind::Enum(enumeration) => self.enum_value(message, field, enumeration, node),
            _ => {}
        }
    }

    /// A value that v3 calls by another name, found by its number.
    fn enum_value(
        &mut self,
        message: api::Message,
        field: api::Field,
        new: api::Enum,
        node: &mut Node,
    ) {
        let Some(name) = node.as_str() else { return };
        if new.by_name(name).is_some() || self.pass == Pass::Renewal {
            return;
        }
        let old = names::previous(message).and_then(|old| old.field_by_number(field.number()));
        let Some(FieldKind::Enum(old)) = old.map(api::Field::kind) else {
            return;
        };
        let renamed = old
            .by_name(name)
            .and_then(|value| new.by_number(value.number()));
        let Some(renamed) = renamed.filter(|value| !value.disallowed_by_default()) else {
            return;
        };
        self.changed(
            node.span,
            "",
            format!("`{name}` is called `{}`", renamed.name()),
        );
        node.kind = Kind::Str(renamed.name().into());
    }

    /// Upgrades an `Any`: its type URL, then what is inside.
    fn any(&mut self, node: &mut Node) {
        let Kind::Map(entries) = &mut node.kind else {
            return;
        };
        let Some(url) = entries.iter_mut().find(|entry| &*entry.key == "@type") else {
            return;
        };
        if self.pass == Pass::Renewal {
            self.alpha(&mut url.value);
        }
        let Some(message) = url.value.as_str().and_then(named_message) else {
            return;
        };
        if TYPED_STRUCTS.contains(&message.full_name()) {
            self.typed_struct(entries);
            return;
        }
        // A type that the upgrade itself has written stands on what is v2 still.
        let written = url.value.span.is_known();
        let next = self.type_url(&mut url.value, message);
        let outside = std::mem::replace(&mut self.in_v3, written && next == message);
        self.message(node, next);
        self.in_v3 = outside;
    }

    fn typed_struct(&mut self, entries: &mut [Entry]) {
        let url = entries
            .iter_mut()
            .find(|entry| matches!(&*entry.key, "type_url" | "typeUrl"));
        let Some(url) = url else { return };
        let Some(message) = url.value.as_str().and_then(named_message) else {
            return;
        };
        let next = self.type_url(&mut url.value, message);
        let outside = std::mem::replace(&mut self.in_v3, next == message);
        if let Some(value) = entries.iter_mut().find(|entry| &*entry.key == "value") {
            self.message(&mut value.value, next);
        }
        self.in_v3 = outside;
    }

    /// Rewrites the URL of a type that became v3 in a later release.
    fn alpha(&mut self, url: &mut Node) {
        let Some(written) = url.as_str().filter(|url| named_message(url).is_none()) else {
            return;
        };
        let new_url = names::released(written);
        if let Some(message) = named_message(&new_url) {
            let name = message.full_name();
            self.changed(url.span, "", format!("`{written}` is `{name}` now"));
            url.kind = Kind::Str(new_url.into());
        }
    }

    /// Rewrites a type URL to the type's v3 name, which it returns.
    fn type_url(&mut self, url: &mut Node, message: api::Message) -> api::Message {
        let Some(next) = names::successor(message).filter(|_| self.pass != Pass::Renewal) else {
            return message;
        };
        let host = url
            .as_str()
            .and_then(|url| url.rsplit_once('/'))
            .map_or("", |(host, _)| host);
        let new_url = format!("{host}/{}", next.full_name());
        self.changed(
            url.span,
            "",
            format!("`{}` is `{}` in v3", message.full_name(), next.full_name()),
        );
        url.kind = Kind::Str(new_url.into());
        next
    }
}

fn named_message(type_url: &str) -> Option<api::Message> {
    api::message(type_url.rsplit('/').next().unwrap_or(""))
}
