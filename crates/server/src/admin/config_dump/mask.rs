//! Field masks: paths of field names, through messages but not through lists.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_api as api;
use nuncio_config::tree::{Entry, Message, Value};

use super::endpoints;
use super::model::{Node, Resource, Section};
use crate::admin::json::Json;

/// Most parts of a path; messages are not nested as deep. What a mask is made of is dropped and walked step by step
/// into the depth, so that without a limit a request could have the stack overflow.
const MAX_PARTS: usize = 64;

/// A field that is none of any message.
const NO_FIELD: &str = "";

/// Paths as a tree; a node without children keeps all that is below.
#[derive(Debug, Default)]
pub(super) struct Mask<'a> {
    fields: BTreeMap<&'a str, Mask<'a>>,
    whole: bool,
}

impl<'a> Mask<'a> {
    /// Parses `a.b,c`.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut root = Self::default();
        for path in text.split(',').filter(|path| !path.is_empty()) {
            let mut node = &mut root;
            let mut parts = path.split('.');
            for field in parts.by_ref().take(MAX_PARTS) {
                node = node.fields.entry(field).or_default();
            }
            if parts.next().is_some() {
                node = node.fields.entry(NO_FIELD).or_default();
            }
            node.whole = true;
        }
        root
    }

    /// What the mask names in a section; `None` if a path is none of the section's message.
    pub(super) fn apply_to_section(&self, section: Section) -> Option<Section> {
        if self.is_leaf() {
            return Some(section);
        }
        let kind = section.kind;
        if !self.fits(admin_message(kind.name)?) {
            return None;
        }
        let fields = self.apply_to_fields(section.fields)?;
        let lists = section
            .lists
            .into_iter()
            .filter(|list| self.fields.contains_key(list.0))
            .collect();
        Some(Section {
            kind,
            fields,
            lists,
        })
    }

    /// What the mask names in a resource; `None` if a path is none of its message. The `Any` that a resource
    /// itself has is looked through, and as in Envoy cannot be named without a field of it.
    pub(super) fn apply_to_resource(&self, resource: Resource) -> Option<Resource> {
        if self.is_leaf() {
            return Some(resource);
        }
        let descriptor = admin_message(resource.kind)?;
        let opened = |name: &str| {
            let field = resource.fields.iter().find(|field| field.0 == name);
            field.and_then(|field| field.1.message_in_any())
        };
        let fits = |(name, mask): (&&str, &Mask<'_>)| {
            let field = descriptor.field(name).filter(|field| field.name() == *name);
            match opened(name) {
                Some(inner) => !mask.is_leaf() && mask.fits(inner),
                // Nothing is in it that could be looked through.
                None if field.is_some_and(is_any) => true,
                None => field.is_some_and(|field| mask.fits_field(field)),
            }
        };
        if !self.fields.iter().all(fits) {
            return None;
        }
        Some(Resource {
            fields: self.apply_to_fields(resource.fields)?,
            ..resource
        })
    }

    /// Whether all paths are paths of the message.
    fn fits(&self, message: api::Message) -> bool {
        self.fields.iter().all(|(name, mask)| {
            let field = message.field(name).filter(|field| field.name() == *name);
            field.is_some_and(|field| mask.fits_field(field))
        })
    }

    fn fits_field(&self, field: api::Field) -> bool {
        if self.fields.is_empty() {
            return true;
        }
        match (field.kind(), field.cardinality()) {
            (api::Kind::Message(message), api::Cardinality::Singular) => self.fits(message),
            _ => false,
        }
    }

    fn apply_to_fields(
        &self,
        fields: Vec<(&'static str, Node)>,
    ) -> Option<Vec<(&'static str, Node)>> {
        let kept = fields
            .into_iter()
            .filter_map(|(name, node)| Some((name, node, self.fields.get(name)?)));
        kept.map(|(name, node, mask)| Some((name, mask.apply_to_node(node)?)))
            .collect()
    }

    fn apply_to_node(&self, node: Node) -> Option<Node> {
        if self.is_leaf() {
            return Some(node);
        }
        match node {
            Node::Message(message) => Some(Node::Message(Arc::new(self.trim(&message)?))),
            Node::Any(message) => Some(Node::Any(Arc::new(self.trim(&message)?))),
            Node::JsonAny(name, json) => Some(Node::JsonAny(name, self.trim_json(json))),
            Node::Endpoints(cluster) => {
                let (name, assignment) = endpoints::assignment(&*cluster);
                Some(Node::JsonAny(name, self.trim_json(assignment)))
            }
            Node::Fields(fields) => Some(Node::Fields(self.apply_to_fields(fields)?)),
            Node::Time(time) => Some(Node::Time(self.trim_time(time))),
            Node::Anys(_) | Node::Text(_) => None,
        }
    }

    fn is_leaf(&self) -> bool {
        self.whole || self.fields.is_empty()
    }

    fn trim(&self, message: &Message) -> Option<Message> {
        let mut kept = Vec::new();
        for (name, mask) in &self.fields {
            let field = message.descriptor.field(name)?;
            if let Some(entry) = message.get(field.number()) {
                kept.push(mask.trim_entry(entry)?);
            }
        }
        Some(Message::with_entries(
            message.descriptor,
            message.span,
            kept,
        ))
    }

    fn trim_entry(&self, entry: &Entry) -> Option<Entry> {
        let mut entry = entry.clone();
        if self.is_leaf() {
            return Some(entry);
        }
        let part = |name, part| {
            if self.fields.contains_key(name) {
                part
            } else {
                0
            }
        };
        entry.value = match entry.value {
            Value::Message(message) => Value::Message(Arc::new(self.trim(&message)?)),
            Value::Duration(seconds, nanos) => Value::Duration(
                if self.fields.contains_key("seconds") {
                    seconds
                } else {
                    0
                },
                part("nanos", nanos),
            ),
            Value::Timestamp(seconds, nanos) => Value::Timestamp(
                if self.fields.contains_key("seconds") {
                    seconds
                } else {
                    0
                },
                part("nanos", nanos),
            ),
            // The one field of a wrapper, or what stands in the `Any` under its type.
            value => value,
        };
        Some(entry)
    }

    fn trim_time(&self, time: SystemTime) -> SystemTime {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let part = |name, part| {
            if self.fields.contains_key(name) {
                part
            } else {
                Duration::ZERO
            }
        };
        SystemTime::UNIX_EPOCH
            + part("seconds", Duration::from_secs(since.as_secs()))
            + part("nanos", Duration::from_nanos(since.subsec_nanos().into()))
    }

    fn trim_json(&self, json: Json) -> Json {
        match json {
            Json::Object(members) if !self.is_leaf() => {
                let kept = members.into_iter().filter_map(|(name, value)| {
                    let mask = self.fields.get(&*name)?;
                    Some((name, mask.trim_json(value)))
                });
                Json::Object(kept.collect())
            }
            json => json,
        }
    }
}

/// The message with this name below `envoy.admin.v3.`.
fn admin_message(name: &str) -> Option<api::Message> {
    api::message(&format!("envoy.admin.v3.{name}"))
}

fn is_any(field: api::Field) -> bool {
    let of_any = |message: api::Message| message.full_name() == "google.protobuf.Any";
    field.cardinality() == api::Cardinality::Singular
        && matches!(field.kind(), api::Kind::Message(message) if of_any(message))
}
