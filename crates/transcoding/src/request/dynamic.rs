//! Messages that say themselves what is in them: `Struct`, `Value`, `ListValue` and `Any`.

use std::collections::HashSet;
use std::sync::Arc;

use super::node::Node;
use super::writer::{Fault, Options, Writer};
use crate::descriptor::{MessageId, Pool, Special};
use crate::json::Scalar;
use crate::wire::{put_bytes, put_tag};

/// What the names of types begin with.
pub(crate) const TYPE_URL: &str = "type.googleapis.com/";

/// A place in a tree, and what is wrong there.
type Wrong = (String, String);

/// A `Value` without members.
pub(super) fn scalar(value: Scalar<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Scalar::Null => out.extend_from_slice(&[8, 0]),
        Scalar::Bool(value) => out.extend_from_slice(&[0x20, u8::from(value)]),
        Scalar::Text(text) => put_bytes(&mut out, 3, text),
        #[expect(clippy::cast_precision_loss, reason = "numbers are doubles there")]
        Scalar::Int(value) => number(&mut out, value as f64),
        #[expect(clippy::cast_precision_loss, reason = "numbers are doubles there")]
        Scalar::Uint(value) => number(&mut out, value as f64),
        Scalar::Double(value) => number(&mut out, value),
    }
    out
}

fn number(out: &mut Vec<u8>, value: f64) {
    put_tag(out, 2, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A `Value`.
pub(super) fn value(node: &Node) -> Result<Vec<u8>, Wrong> {
    let (field, name, inner) = match node {
        Node::Object(_) => (5, "struct_value", structure(node)),
        Node::List(_) => (6, "list_value", list(node)),
        _ => return Ok(scalar(node.scalar().unwrap_or(Scalar::Null))),
    };
    let inner = inner.map_err(|(place, words)| (format!("{name}.{place}"), words))?;
    let mut out = Vec::new();
    put_bytes(&mut out, field, &inner);
    Ok(out)
}

/// A `Struct`.
pub(super) fn structure(node: &Node) -> Result<Vec<u8>, Wrong> {
    let mut out = Vec::new();
    let Node::Object(members) = node else {
        return Ok(out);
    };
    let mut names = HashSet::new();
    for (at, (name, member)) in members.iter().enumerate() {
        if !names.insert(name) {
            let place = format!("fields[{}]", at.saturating_sub(1));
            let words = format!("Repeated map key: '{name}' is already set.");
            return Err((place, words));
        }
        let inner = value(member)
            .map_err(|(place, words)| (format!("fields[{at}].value.{place}"), words))?;
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, name.as_bytes());
        put_bytes(&mut entry, 2, &inner);
        put_bytes(&mut out, 1, &entry);
    }
    Ok(out)
}

/// A `ListValue`.
pub(super) fn list(node: &Node) -> Result<Vec<u8>, Wrong> {
    let mut out = Vec::new();
    if let Node::List(members) = node {
        for (at, member) in members.iter().enumerate() {
            let inner =
                value(member).map_err(|(place, words)| (format!("values[{at}].{place}"), words))?;
            put_bytes(&mut out, 1, &inner);
        }
    }
    Ok(out)
}

/// The type that a URL names.
pub(crate) fn type_of(pool: &Pool, url: &str) -> Result<MessageId, String> {
    let Some(name) = url.strip_prefix(TYPE_URL) else {
        return Err(format!(
            "Invalid type URL, type URLs must be of the form '{TYPE_URL}<typename>', got: {url}"
        ));
    };
    pool.find(name)
        .ok_or_else(|| format!("Invalid type URL, unknown type: {name}"))
}

/// An `Any`, in a message of the type `owner`.
pub(super) fn any(
    pool: &Arc<Pool>,
    options: Options,
    node: &Node,
    owner: &str,
) -> Result<Vec<u8>, Fault> {
    let Node::Object(members) = node else {
        return Ok(Vec::new());
    };
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let fault = |value: String| Fault::Value(value, "Any".to_owned());
    let url = members.iter().find(|(name, _)| name == "@type");
    let Some((_, url)) = url else {
        return Err(fault(format!("Missing @type for any field in {owner}")));
    };
    let url = match url.scalar() {
        Some(Scalar::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        scalar => {
            let shown = super::scalar::shown(scalar.unwrap_or(Scalar::Null));
            return Err(Fault::Value(shown, "String".to_owned()));
        }
    };
    let id = type_of(pool, &url).map_err(fault)?;
    let mut writer = Writer::new(Arc::clone(pool), id, options);
    if pool.message(id).special == Special::None {
        let members = members.iter().filter(|(name, _)| name != "@type");
        Node::Object(members.cloned().collect()).play("", &mut writer);
    } else if let Some((_, member)) = members.iter().find(|(name, _)| name == "value") {
        member.play("", &mut writer);
    }
    let message = writer.finish().map_err(Fault::Whole)?;
    let mut out = Vec::new();
    put_bytes(&mut out, 1, url.as_bytes());
    put_bytes(&mut out, 2, &message);
    Ok(out)
}
