//! The comments of a YAML source, by the line of the key that they belong to.

use crate::source::Source;
use crate::span::Span;
use crate::text::{Entry, Kind, Node};

/// Comments not yet written.
pub(super) struct Comments<'s> {
    source: Option<&'s Source>,
    /// Where each line begins.
    starts: Vec<usize>,
    /// Each line's comment, taken when it is written.
    lines: Vec<Option<&'s str>>,
}

impl<'s> Comments<'s> {
    /// Finds the comments of a text that was read to `root`.
    pub(super) fn of(source: Option<&'s Source>, root: &Node) -> Comments<'s> {
        let text = source.map_or("", |source| &source.text);
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let mut comments = Comments {
            source,
            starts,
            lines: text.split('\n').map(comment).collect(),
        };
        comments.forget_inside(root);
        comments
    }

    /// What looks like a comment within a text of several lines is none.
    fn forget_inside(&mut self, node: &Node) {
        match &node.kind {
            Kind::Map(entries) => entries
                .iter()
                .for_each(|entry| self.forget_inside(&entry.value)),
            Kind::List(items) => items.iter().for_each(|item| self.forget_inside(item)),
            Kind::Str(_) => {
                let Some((first, last)) = self
                    .line(node.span)
                    .zip(self.line_of(node.span.end.saturating_sub(1), node.span))
                else {
                    return;
                };
                if first < last {
                    for line in &mut self.lines[first..=last] {
                        *line = None;
                    }
                }
            }
            _ => {}
        }
    }

    /// The line, from 0, that a span begins on.
    fn line(&self, span: Span) -> Option<usize> {
        self.line_of(span.start, span)
    }

    fn line_of(&self, offset: u32, span: Span) -> Option<usize> {
        self.source.filter(|_| span.is_known())?;
        let after = self
            .starts
            .partition_point(|start| *start <= offset as usize);
        after.checked_sub(1).filter(|line| *line < self.lines.len())
    }

    /// Writes the comments that stand on lines of their own above `span`.
    pub(super) fn above(&mut self, span: Span, indent: usize, out: &mut String) {
        let Some(line) = self.line(span) else { return };
        let mut first = line;
        while first > 0 && self.is_alone(first - 1) {
            first -= 1;
        }
        for at in first..line {
            if let Some(comment) = self.lines[at].take() {
                out.extend(std::iter::repeat_n(' ', indent));
                out.push_str(comment);
                out.push('\n');
            }
        }
    }

    /// Writes the comment at the end of the line of a key, or of a value that ends on another.
    pub(super) fn beside(&mut self, entry: &Entry, out: &mut String) {
        if entry.key_span == Span::DEFAULT {
            out.push_str(" # default");
        }
        self.after(entry.key_span, out);
    }

    /// Writes the comment at the end of the line that `span` begins on.
    pub(super) fn after(&mut self, span: Span, out: &mut String) {
        let Some(line) = self.line(span) else { return };
        if let Some(comment) = self.lines[line].take() {
            out.push(' ');
            out.push_str(comment);
        }
    }

    /// Writes the comments below the last key.
    pub(super) fn rest(&mut self, out: &mut String) {
        let mut first = self.lines.len();
        while first > 0 && self.is_alone(first - 1) {
            first -= 1;
        }
        for comment in self.lines[first..].iter_mut().filter_map(Option::take) {
            out.push_str(comment);
            out.push('\n');
        }
    }

    /// Whether a line holds nothing but a comment, or nothing.
    fn is_alone(&self, line: usize) -> bool {
        let text = self.source.map_or("", |source| &source.text);
        let end = self
            .starts
            .get(line + 1)
            .map_or(text.len(), |next| next - 1);
        let line = text.get(self.starts[line]..end).unwrap_or("").trim();
        line.is_empty() || line.starts_with('#')
    }
}

/// The comment of one line: from a `#` at its begin or after white space, outside of quotes.
fn comment(line: &str) -> Option<&str> {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') if before.is_whitespace() => return Some(line[at..].trim_end()),
            (None, '"' | '\'') if matches!(before, ' ' | '[' | '{' | ',' | ':') => {
                quote = Some(character)
            }
            (Some(open), _) if open == character && before != '\\' => quote = None,
            _ => {}
        }
        before = character;
    }
    None
}
