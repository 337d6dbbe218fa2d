//! A tree as YAML text again, with the comments and the style of scalars that its source has.
//!
//! Block style, two spaces a level; what was written in flow style on one line stays so when it fits in
//! 100 columns. A comment stays with the key that it stands above or beside; one whose key is gone is
//! dropped. Anchors are written out.

mod comments;
mod scalar;

use comments::Comments;
use scalar::Place;

use crate::source::{Format, Source};
use crate::span::Span;
use crate::text::{Entry, Kind, Node};

const FLOW_COLUMNS: usize = 100;

/// Writes a tree as YAML; `source` is the text that it was read from.
pub fn to_yaml(root: &Node, source: &Source) -> String {
    let source = Some(source).filter(|source| source.format == Format::Yaml);
    let mut writer = Writer {
        out: String::new(),
        source,
        comments: Comments::of(source, root),
    };
    match &root.kind {
        Kind::Map(entries) if !entries.is_empty() => writer.entries(entries, 0),
        Kind::List(items) if !items.is_empty() => writer.items(items, 0),
        _ => {
            writer.scalar(root);
            writer.out.push('\n');
        }
    }
    writer.comments.rest(&mut writer.out);
    writer.out
}

struct Writer<'s> {
    out: String,
    source: Option<&'s Source>,
    comments: Comments<'s>,
}

impl Writer<'_> {
    /// The entries of a map, the first on the line that is begun already when `indent` was written.
    fn entries(&mut self, entries: &[Entry], indent: usize) {
        for (index, entry) in entries.iter().enumerate() {
            let begun = index == 0 && !self.out.is_empty() && !self.out.ends_with('\n');
            if !begun {
                self.comments.above(entry.key_span, indent, &mut self.out);
                self.indent(indent);
            }
            self.out.push_str(&scalar::key(&entry.key));
            self.out.push(':');
            self.value(&entry.value, indent, entry);
        }
    }

    fn value(&mut self, node: &Node, indent: usize, entry: &Entry) {
        if let Some(flow) = self.flow(node, indent) {
            self.out.push(' ');
            self.out.push_str(&flow);
            self.comments.beside(entry, &mut self.out);
            self.out.push('\n');
            return;
        }
        match &node.kind {
            Kind::Map(entries) => {
                self.comments.beside(entry, &mut self.out);
                self.out.push('\n');
                self.entries(entries, indent + 2);
            }
            Kind::List(items) => {
                self.comments.beside(entry, &mut self.out);
                self.out.push('\n');
                self.items(items, indent);
            }
            Kind::Str(text) if scalar::is_literal(text) => {
                self.out.push(' ');
                scalar::literal(&mut self.out, text, indent + 2);
            }
            _ => {
                self.out.push(' ');
                self.scalar(node);
                self.comments.beside(entry, &mut self.out);
                self.out.push('\n');
            }
        }
    }

    fn items(&mut self, items: &[Node], indent: usize) {
        for item in items {
            if let Kind::Map(entries) = &item.kind
                && let Some(first) = entries.first()
                && self.flow(item, indent).is_none()
            {
                self.comments.above(first.key_span, indent, &mut self.out);
                self.indent(indent);
                self.out.push_str("- ");
                self.entries(entries, indent + 2);
                continue;
            }
            self.comments.above(item.span, indent, &mut self.out);
            self.indent(indent);
            self.out.push_str("- ");
            match (self.flow(item, indent), &item.kind) {
                (Some(flow), _) => self.out.push_str(&flow),
                (None, Kind::List(inner)) => {
                    self.out.push_str(&self.flow_list(inner));
                }
                (None, Kind::Str(text)) if scalar::is_literal(text) => {
                    scalar::literal(&mut self.out, text, indent + 2);
                    continue;
                }
                _ => self.scalar(item),
            }
            self.comments.after(item.span, &mut self.out);
            self.out.push('\n');
        }
    }

    fn scalar(&mut self, node: &Node) {
        let text = scalar::write(node, self.source, Place::Block);
        self.out.push_str(&text);
    }

    fn indent(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
    }

    /// The node in flow style, if it is empty, or was written so and still fits.
    fn flow(&self, node: &Node, indent: usize) -> Option<String> {
        let (open, empty) = match &node.kind {
            Kind::Map(entries) => ('{', entries.is_empty()),
            Kind::List(items) => ('[', items.is_empty()),
            _ => return None,
        };
        let written = self.source.map_or("", |source| source.slice(node.span));
        if !empty && (!written.starts_with(open) || written.contains('\n')) || has_default(node) {
            return None;
        }
        let flow = self.flow_value(node);
        (indent + flow.len() <= FLOW_COLUMNS).then_some(flow)
    }

    fn flow_value(&self, node: &Node) -> String {
        match &node.kind {
            Kind::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Kind::Map(entries) => {
                let member = |entry: &Entry| {
                    format!(
                        "{}: {}",
                        scalar::key(&entry.key),
                        self.flow_value(&entry.value)
                    )
                };
                format!(
                    "{{ {} }}",
                    entries.iter().map(member).collect::<Vec<_>>().join(", ")
                )
            }
            Kind::List(items) => self.flow_list(items),
            _ => scalar::write(node, self.source, Place::Flow),
        }
    }

    fn flow_list(&self, items: &[Node]) -> String {
        let items: Vec<String> = items.iter().map(|item| self.flow_value(item)).collect();
        format!("[{}]", items.join(", "))
    }
}

/// Whether a default stands in the node, whose mark needs a line of its own.
fn has_default(node: &Node) -> bool {
    match &node.kind {
        Kind::Map(entries) => {
            let marked =
                |entry: &Entry| entry.key_span == Span::DEFAULT || has_default(&entry.value);
            entries.iter().any(marked)
        }
        Kind::List(items) => items.iter().any(has_default),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
