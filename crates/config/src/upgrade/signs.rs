//! Which version of the API a text is written for, by the types that it names.

use nuncio_api as api;

use super::names;
use crate::text::{Kind, Node};

/// What was found.
#[derive(Clone, Copy, Default)]
pub(super) struct Signs {
    /// A type that has a successor in v3.
    pub(super) names_v2: bool,
    /// A type of Envoy's v3 API.
    pub(super) names_v3: bool,
}

/// Looks at every type URL below `node`.
pub(super) fn find(node: &Node) -> Signs {
    let mut signs = Signs::default();
    look(node, &mut signs);
    signs
}

fn look(node: &Node, signs: &mut Signs) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| look(item, signs)),
        Kind::Map(entries) => {
            for entry in entries {
                match (&*entry.key, entry.value.as_str()) {
                    ("@type" | "type_url" | "typeUrl", Some(url)) => note(url, signs),
                    _ => look(&entry.value, signs),
                }
            }
        }
        _ => {}
    }
}

fn note(type_url: &str, signs: &mut Signs) {
    let name = type_url.rsplit('/').next().unwrap_or("");
    let Some(message) = api::message(name).filter(|_| name.starts_with("envoy.")) else {
        return;
    };
    if names::successor(message).is_some() {
        signs.names_v2 = true;
    } else if !names::is_gone(name) {
        signs.names_v3 = true;
    }
}
