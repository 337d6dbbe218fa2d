//! From the text format's shapes to JSON's, by descriptor.

use nuncio_api::{self as api, Cardinality, Kind as FieldKind};

use crate::base64;
use crate::text::{Entry, Kind, Node};

/// Gives a message that was read from the text format the shapes that JSON has for it.
pub(crate) fn shape(descriptor: api::Message, node: &mut Node) {
    let Kind::Map(entries) = &mut node.kind else {
        return;
    };
    if descriptor.full_name() == "google.protobuf.Any" {
        return any(entries, node.span);
    }
    for Entry { key, value, .. } in entries {
        let Some(field) = descriptor.field(key) else {
            continue;
        };
        match field.cardinality() {
            Cardinality::Map { value: kind, .. } => map(value, kind),
            _ => each(value, |item| one(field.kind(), item)),
        }
    }
}

fn one(kind: FieldKind, node: &mut Node) {
    match kind {
        FieldKind::Bytes => {
            if let Kind::Str(text) = &mut node.kind {
                let latin: Option<Vec<u8>> = text.chars().map(|at| u8::try_from(at).ok()).collect();
                let bytes = latin
                    .filter(|_| !text.is_ascii())
                    .unwrap_or_else(|| text.as_bytes().to_vec());
                *text = base64::encode(&bytes).into();
            }
        }
        FieldKind::Message(message) => match message.full_name() {
            "google.protobuf.Struct" => structure(node),
            "google.protobuf.Value" => value(node),
            "google.protobuf.ListValue" => list(node),
            _ => shape(message, node),
        },
        _ => {}
    }
}

/// Applies to a value, or to each of a list.
fn each(node: &mut Node, mut change: impl FnMut(&mut Node)) {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(change),
        _ => change(node),
    }
}

fn any(entries: &mut Vec<Entry>, span: crate::span::Span) {
    let url = entries
        .iter()
        .find(|entry| &*entry.key == "@type")
        .and_then(|entry| entry.value.as_str());
    let name = url
        .and_then(|url| url.rsplit('/').next())
        .and_then(api::message);
    let Some(descriptor) = name else { return };
    let (types, fields) = std::mem::take(entries)
        .into_iter()
        .partition(|entry| &*entry.key == "@type");
    *entries = types;
    let mut inner = Node::new(span, Kind::Map(fields));
    one(FieldKind::Message(descriptor), &mut inner);
    let well_known = descriptor.full_name().starts_with("google.protobuf.")
        && descriptor.full_name() != "google.protobuf.Empty";
    match inner.kind {
        Kind::Map(fields) if !well_known => entries.extend(fields),
        _ => entries.push(Entry {
            key: "value".into(),
            key_span: span,
            value: inner,
        }),
    }
}

/// `{key: "a" value: 1}`, one or many, as `{a: 1}`.
fn map(node: &mut Node, kind: FieldKind) {
    let mut pairs = Vec::new();
    each(node, |item| {
        let Kind::Map(parts) = &mut item.kind else {
            return;
        };
        let (mut key, mut found) = (
            (Box::<str>::default(), item.span),
            Node::new(item.span, Kind::Null),
        );
        for part in parts.drain(..) {
            match &*part.key {
                "key" => key = (written(&part.value), part.value.span),
                "value" => found = part.value,
                _ => {}
            }
        }
        one(kind, &mut found);
        pairs.push(Entry {
            key: key.0,
            key_span: key.1,
            value: found,
        });
    });
    // Of a key given again the last value counts.
    let mut seen = std::collections::HashSet::new();
    pairs.reverse();
    pairs.retain(|pair| seen.insert(pair.key.clone()));
    pairs.reverse();
    node.kind = Kind::Map(pairs);
}

fn written(node: &Node) -> Box<str> {
    match &node.kind {
        Kind::Str(text) => text.clone(),
        Kind::Int(value) => value.to_string().into(),
        Kind::Uint(value) => value.to_string().into(),
        Kind::Bool(value) => value.to_string().into(),
        _ => Box::default(),
    }
}

fn structure(node: &mut Node) {
    let fields = take(node, "fields");
    let mut fields = fields.unwrap_or(Node::new(node.span, Kind::List(Vec::new())));
    let descriptor = api::message("google.protobuf.Value").map(FieldKind::Message);
    map(&mut fields, descriptor.unwrap_or(FieldKind::Bool));
    node.kind = fields.kind;
}

fn list(node: &mut Node) {
    let mut items = match take(node, "values") {
        Some(Node {
            kind: Kind::List(items),
            ..
        }) => items,
        Some(single) => vec![single],
        None => Vec::new(),
    };
    items.iter_mut().for_each(value);
    node.kind = Kind::List(items);
}

fn value(node: &mut Node) {
    let Kind::Map(parts) = &mut node.kind else {
        return;
    };
    let Some(Entry {
        key,
        value: mut inner,
        ..
    }) = parts.pop()
    else {
        node.kind = Kind::Null;
        return;
    };
    match &*key {
        "struct_value" => structure(&mut inner),
        "list_value" => list(&mut inner),
        "null_value" => inner.kind = Kind::Null,
        _ => {}
    }
    node.kind = inner.kind;
}

fn take(node: &mut Node, key: &str) -> Option<Node> {
    let entries = node.entries_mut()?;
    let at = entries.iter().position(|entry| &*entry.key == key)?;
    Some(entries.remove(at).value)
}
