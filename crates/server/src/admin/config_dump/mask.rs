//! Field masks: paths of field names, through messages but not through lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use nuncio_config::tree::{Entry, Message, Value};

use super::endpoints;
use super::model::{Node, Resource, Section};
use crate::admin::json::Json;

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
            for field in path.split('.').filter(|field| !field.is_empty()) {
                node = node.fields.entry(field).or_default();
            }
            node.whole = true;
        }
        root
    }

    /// What the mask names in a section; `None` if it names what the section cannot hold, or reaches into
    /// a list.
    pub(super) fn apply_to_section(&self, section: Section) -> Option<Section> {
        let kind = section.kind;
        let into_list = |name: &&str| self.fields.get(name).is_some_and(|mask| !mask.is_leaf());
        let known = |name: &&&str| kind.fields.contains(name) || kind.lists.contains(name);
        if !self.fields.keys().all(|name| known(&name)) || kind.lists.iter().any(into_list) {
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

    /// What the mask names in a resource; `None` if it names what the resource does not hold, or the whole
    /// of the message in its `Any` (of which Envoy wants the fields).
    pub(super) fn apply_to_resource(&self, resource: Resource) -> Option<Resource> {
        let node = |name: &str| {
            resource
                .fields
                .iter()
                .find(|field| field.0 == name)
                .map(|field| &field.1)
        };
        let takes = |(name, mask): (&&str, &Mask<'_>)| match node(name) {
            Some(Node::Any(_) | Node::JsonAny(..) | Node::Endpoints(_)) => !mask.is_leaf(),
            Some(_) => true,
            None => false,
        };
        if !self.fields.iter().all(takes) {
            return None;
        }
        Some(Resource {
            fields: self.apply_to_fields(resource.fields)?,
            ..resource
        })
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
            Node::Anys(_) | Node::Text(_) | Node::Time(_) => None,
        }
    }

    fn is_leaf(&self) -> bool {
        self.whole || self.fields.is_empty()
    }

    fn trim(&self, message: &Message) -> Option<Message> {
        let mut kept = Vec::new();
        for (name, mask) in &self.fields {
            let field = message
                .descriptor
                .field(name)
                .filter(|field| field.name() == *name)?;
            // What has no presence is a list or a plain value: nothing to reach into.
            if !mask.is_leaf() && !field.has_presence() {
                return None;
            }
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
        if !self.is_leaf() {
            entry.value = match &entry.value {
                Value::Message(message) => Value::Message(Arc::new(self.trim(message)?)),
                _ => return None,
            };
        }
        Some(entry)
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
