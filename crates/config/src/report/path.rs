//! The field path of a place: `static_resources.listeners[0].filter_chains[0]`.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::diagnostic::Diagnostics;
use crate::source::Sources;
use crate::span::Span;
use crate::text::{self, Kind, Limits, Node};

/// The paths of one report; each text is parsed at most once.
pub(super) struct Paths<'s> {
    sources: &'s Sources,
    trees: HashMap<u32, Option<Node>>,
}

impl<'s> Paths<'s> {
    pub(super) fn new(sources: &'s Sources) -> Paths<'s> {
        Paths {
            sources,
            trees: HashMap::new(),
        }
    }

    /// The path of the innermost key or value that covers `span`; empty at the root.
    pub(super) fn of(&mut self, span: Span) -> String {
        let sources = self.sources;
        let tree = self.trees.entry(span.source).or_insert_with(|| {
            let source = sources.get(span)?;
            text::parse(
                source,
                span.source,
                &Limits::default(),
                &mut Diagnostics::default(),
            )
        });
        let mut path = String::new();
        if let Some(root) = tree {
            walk(root, span, &mut path);
        }
        path
    }
}

fn walk(node: &Node, span: Span, path: &mut String) {
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                let in_value = entry.value.span.contains(span);
                if in_value || entry.key_span.contains(span) {
                    push_key(path, &entry.key);
                    if in_value {
                        walk(&entry.value, span, path);
                    }
                    return;
                }
            }
        }
        Kind::List(items) => {
            if let Some((index, item)) = items
                .iter()
                .enumerate()
                .find(|(_, item)| item.span.contains(span))
            {
                let _ = write!(path, "[{index}]");
                walk(item, span, path);
            }
        }
        _ => {}
    }
}

/// Characters of a key that a path shows. Many findings may share one key, and each repeats it.
const MAX_KEY_CHARS: usize = 200;

fn push_key(path: &mut String, key: &str) {
    if let Some((end, _)) = key.char_indices().nth(MAX_KEY_CHARS) {
        let _ = write!(path, "[{:?}...]", key.get(..end).unwrap_or_default());
        return;
    }
    let plain = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain {
        let _ = write!(path, "[{key:?}]");
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_whole_up_to_its_limit_and_cut_beyond() {
        let shown = |count: usize| {
            let mut path = String::new();
            push_key(&mut path, &"k".repeat(count));
            path
        };
        assert_eq!(shown(MAX_KEY_CHARS), "k".repeat(MAX_KEY_CHARS));
        let cut = format!("[\"{}\"...]", "k".repeat(MAX_KEY_CHARS));
        assert_eq!(shown(MAX_KEY_CHARS + 1), cut);
        assert_eq!(shown(1_000_000), cut);
    }
}
