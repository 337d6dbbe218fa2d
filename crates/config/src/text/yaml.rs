//! YAML to [`Node`]s: the events of `saphyr-parser`, read as yaml-cpp and Envoy read them.
//!
//! As in Envoy: only the first document counts, a repeated key's last value wins (both with a warning
//! here), merge keys (`<<`) have no meaning, a key tagged `!ignore` is dropped with its value, quoted
//! scalars are strings and all other scalars are typed by `scalar`.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Mark, StrInput, Tag};

use super::{Entry, Kind, Limits, Node, scalar, yaml_fault};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::span::Span;

type Outcome<T> = Result<T, Box<Diagnostic>>;

/// Parses the first document of `text`.
pub(super) fn parse(
    text: &str,
    source: u32,
    limits: &Limits,
    diagnostics: &mut Diagnostics,
) -> Outcome<Node> {
    match spaced(text) {
        Some(spaced) => parse_spaced(&spaced, source, limits, diagnostics),
        None => parse_spaced(text, source, limits, diagnostics),
    }
}

/// The text with a space for each tab right behind `key:`, which the parser would refuse and yaml-cpp takes.
fn spaced(text: &str) -> Option<String> {
    if !text.contains(":\t") {
        return None;
    }
    let spaced = text.split_inclusive('\n').map(|line| {
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_- .\"@'".contains(&byte);
        match line.split_once(":\t") {
            Some((key, rest)) if key.bytes().all(is_key) => format!("{key}: {rest}"),
            _ => line.to_owned(),
        }
    });
    Some(spaced.collect())
}

fn parse_spaced(
    text: &str,
    source: u32,
    limits: &Limits,
    diagnostics: &mut Diagnostics,
) -> Outcome<Node> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        text,
        offsets: Offsets::new(text),
        source,
        limits,
        nodes: 0,
        anchors: HashMap::new(),
        diagnostics,
    };
    reader.document()
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    offsets: Offsets<'t>,
    source: u32,
    limits: &'t Limits,
    nodes: usize,
    /// Finished nodes that carry an anchor, with how many nodes each holds.
    anchors: HashMap<usize, (Node, usize)>,
    diagnostics: &'t mut Diagnostics,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Outcome<Node> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::Nothing | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, span) => {
                    return Ok(Node::new(span, Kind::Null));
                }
                (event, span) => {
                    let node = self.node(event, span, 1)?;
                    self.end_of_document()?;
                    return Ok(node);
                }
            }
        }
    }

    fn end_of_document(&mut self) -> Outcome<()> {
        loop {
            match self.next()?.0 {
                Event::StreamEnd => return Ok(()),
                Event::DocumentEnd => break,
                _ => {}
            }
        }
        // Envoy never looks at what follows, so errors there are no errors.
        while let Some(Ok((event, mark))) = self.parser.next_event() {
            if let Event::DocumentStart(_) = event {
                let span = self.span(mark);
                self.diagnostics.push(
                    Diagnostic::warning(span, "only the first YAML document of a file is read")
                        .with_note("everything from here on is passed over, as Envoy does"),
                );
                break;
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Outcome<(Event<'t>, Span)> {
        match self.parser.next_event() {
            Some(Ok((event, mark))) => {
                let span = self.span(mark);
                Ok((event, span))
            }
            Some(Err(error)) => {
                let at = self.offsets.byte(error.marker().index());
                let fault = yaml_fault::explain(self.text, self.source, at, error.info());
                Err(Box::new(fault))
            }
            None => Ok((
                Event::StreamEnd,
                Span::new(self.source, self.text.len(), self.text.len()),
            )),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Outcome<Node> {
        self.count(1, span)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = scalar_kind(text, style, tag.as_deref());
                let node = Node::new(self.trimmed(span, style), kind);
                self.remember(anchor, &node, 1);
                Ok(node)
            }
            Event::Alias(anchor) => {
                let Some((node, nodes)) = self.anchors.get(&anchor) else {
                    let text = "the alias stands inside of the value that it names";
                    return Err(Box::new(Diagnostic::error(span, text)));
                };
                let (node, nodes) = (node.clone(), *nodes);
                self.count(nodes, span)?;
                Ok(node)
            }
            Event::SequenceStart(anchor, _) => {
                self.check_depth(depth, span)?;
                let before = self.nodes;
                let node = self.list(span, depth)?;
                self.remember_counted(anchor, &node, before)?;
                Ok(node)
            }
            Event::MappingStart(anchor, _) => {
                self.check_depth(depth, span)?;
                let before = self.nodes;
                let node = self.map(span, depth)?;
                self.remember_counted(anchor, &node, before)?;
                Ok(node)
            }
            _ => Err(Box::new(Diagnostic::error(
                span,
                "invalid YAML: unexpected end",
            ))),
        }
    }

    fn list(&mut self, start: Span, depth: usize) -> Outcome<Node> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                let end = self.end(start, span, items.last());
                return Ok(Node::new(end, Kind::List(items)));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Outcome<Node> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                self.drop_repeated(&mut entries);
                let end = self.end(start, span, entries.last().map(|entry| &entry.value));
                return Ok(Node::new(end, Kind::Map(entries)));
            }
            let (key, key_span, ignored) = self.key(event, span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if !ignored {
                entries.push(Entry {
                    key,
                    key_span,
                    value,
                });
            }
        }
    }

    fn key(&mut self, event: Event<'t>, span: Span) -> Outcome<(Box<str>, Span, bool)> {
        self.count(1, span)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let ignored = tag
                    .as_deref()
                    .is_some_and(|tag| tag.handle == "!" && tag.suffix == "ignore");
                let span = self.trimmed(span, style);
                if anchor > 0 {
                    let kind = scalar_kind(text.clone(), style, tag.as_deref());
                    self.remember(anchor, &Node::new(span, kind), 1);
                }
                Ok((text.into(), span, ignored))
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).map(|(node, _)| &node.kind) {
                Some(Kind::Str(text)) => Ok((text.clone(), span, false)),
                _ => Err(complex_key(span)),
            },
            _ => Err(complex_key(span)),
        }
    }

    /// Keeps the last value of each repeated key, and says so.
    fn drop_repeated(&mut self, entries: &mut Vec<Entry>) {
        const FEW: usize = 16;
        let repeated: Vec<bool> = if entries.len() <= FEW {
            let later = |at: usize| {
                entries[at + 1..]
                    .iter()
                    .any(|entry| entry.key == entries[at].key)
            };
            (0..entries.len()).map(later).collect()
        } else {
            let mut seen = std::collections::HashSet::with_capacity(entries.len());
            let mut flags: Vec<bool> = entries
                .iter()
                .rev()
                .map(|entry| !seen.insert(entry.key.as_ref()))
                .collect();
            flags.reverse();
            flags
        };
        if !repeated.contains(&true) {
            return;
        }
        let mut flags = repeated.into_iter();
        entries.retain(|entry| {
            let dropped = flags.next().unwrap_or(false);
            if dropped {
                let text = format!("`{}` is given again below; the last one counts", entry.key);
                self.diagnostics
                    .push(Diagnostic::warning(entry.key_span, text));
            }
            !dropped
        });
    }

    fn remember(&mut self, anchor: usize, node: &Node, nodes: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
    }

    fn remember_counted(&mut self, anchor: usize, node: &Node, before: usize) -> Outcome<()> {
        if anchor > 0 {
            let nodes = self.nodes - before + 1;
            self.count(nodes, node.span)?;
            self.remember(anchor, node, nodes);
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: Span) -> Outcome<()> {
        self.nodes += nodes;
        if self.nodes <= self.limits.nodes {
            return Ok(());
        }
        let text = format!(
            "more than {} values, those repeated by aliases included",
            self.limits.nodes
        );
        Err(Box::new(Diagnostic::error(span, text)))
    }

    fn check_depth(&self, depth: usize, span: Span) -> Outcome<()> {
        if depth <= self.limits.depth {
            return Ok(());
        }
        let text = format!(
            "lists and maps are nested more than {} deep",
            self.limits.depth
        );
        let diagnostic =
            Diagnostic::error(span, text).with_envoy("JSON content was too deeply nested");
        Err(Box::new(diagnostic))
    }

    fn span(&mut self, mark: Mark) -> Span {
        let start = self.offsets.byte(mark.start.index());
        let end = self.offsets.byte(mark.end.index());
        Span::new(self.source, start, end)
    }

    /// A scalar's span without the line ends and spaces that the scanner may have read past it.
    fn trimmed(&self, span: Span, style: ScalarStyle) -> Span {
        if matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) {
            return span;
        }
        let text = self
            .text
            .get(span.start as usize..span.end as usize)
            .unwrap_or("");
        Span::new(
            self.source,
            span.start as usize,
            span.start as usize + text.trim_end().len(),
        )
    }

    /// From the start of a collection to the end of its last child, or of its closing bracket.
    fn end(&self, start: Span, end: Span, last: Option<&Node>) -> Span {
        let inner = last.filter(|last| last.span.start >= start.start);
        let end = match inner {
            Some(last) if end.is_empty() => last.span.end,
            _ => end.end,
        };
        Span {
            source: self.source,
            start: start.start,
            end: end.max(start.end),
        }
    }
}

fn scalar_kind(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    match tag {
        // `!` alone says "a string" as quotes do; any other tag is passed over, quotes and all.
        Some(tag) if (tag.handle.is_empty() && tag.suffix == "!") || tag.suffix.is_empty() => {
            Kind::Str(text.into())
        }
        Some(_) => scalar::tagged(&text),
        None if style == ScalarStyle::Plain => scalar::plain(&text),
        None => Kind::Str(text.into()),
    }
}

fn complex_key(span: Span) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(span, "a key must be a single word or string")
            .with_envoy("bad conversion"),
    )
}

/// Character indices, which the scanner counts in, to bytes.
struct Offsets<'t> {
    text: &'t str,
    /// Byte of every [`Offsets::STEP`]th character; empty when all characters are one byte long.
    steps: Vec<u32>,
}

impl<'t> Offsets<'t> {
    const STEP: usize = 64;

    fn new(text: &'t str) -> Self {
        let steps = if text.is_ascii() {
            Vec::new()
        } else {
            let starts = text.char_indices().step_by(Self::STEP);
            starts
                .map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX))
                .collect()
        };
        Offsets { text, steps }
    }

    fn byte(&self, index: usize) -> usize {
        if self.steps.is_empty() {
            return index.min(self.text.len());
        }
        let Some(&from) = self.steps.get(index / Self::STEP) else {
            return self.text.len();
        };
        let rest = self.text.get(from as usize..).unwrap_or("");
        let within = rest.char_indices().nth(index % Self::STEP);
        within.map_or(self.text.len(), |(at, _)| from as usize + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Result<Node, String>, Diagnostics) {
        let mut diagnostics = Diagnostics::default();
        let outcome = parse(text, 0, &Limits::default(), &mut diagnostics);
        (
            outcome.map_err(|diagnostic| diagnostic.message),
            diagnostics,
        )
    }

    fn covered<'t>(text: &'t str, node: &Node) -> &'t str {
        &text[node.span.start as usize..node.span.end as usize]
    }

    #[test]
    fn values_and_keys_carry_their_place() {
        let text = "näme: \"é\"\nlist:\n  - one   # first\n  - {a: 1}\nend: x\n";
        let (node, _) = read(text);
        let node = node.unwrap();
        let entries = node.entries().unwrap();
        assert_eq!(covered(text, &entries[0].value), "\"é\"");
        let items = entries[1].value.items().unwrap();
        assert_eq!(covered(text, &items[0]), "one");
        assert_eq!(covered(text, &items[1]), "{a: 1}");
        assert_eq!(
            covered(text, &entries[1].value),
            "- one   # first\n  - {a: 1}"
        );
        assert_eq!(covered(text, &entries[2].value), "x");
    }

    #[test]
    fn quoted_scalars_are_strings_and_plain_ones_are_typed() {
        let (node, _) = read("{a: 'yes', b: yes, c: \"1\", d: ! 1, e: !!str 1, f: ~, g: !!str}");
        let node = node.unwrap();
        let kinds: Vec<String> = node
            .entries()
            .unwrap()
            .iter()
            .map(|entry| format!("{:?}", entry.value.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                "Str(\"yes\")",
                "Bool(true)",
                "Str(\"1\")",
                "Str(\"1\")",
                "Int(1)",
                "Null",
                "Str(\"\")"
            ]
        );
    }

    #[test]
    fn a_key_tagged_ignore_is_dropped_but_its_anchor_lives() {
        let (node, _) = read("!ignore x: &a {id: b}\nnode: *a\n");
        let node = node.unwrap();
        assert_eq!(node.entries().unwrap().len(), 1);
        assert_eq!(
            node.get("node").unwrap().get("id").unwrap().as_str(),
            Some("b")
        );
    }

    #[test]
    fn the_last_of_repeated_keys_wins_with_a_warning() {
        let (node, diagnostics) = read("a: 1\nb: 2\na: 3\n");
        let node = node.unwrap();
        assert_eq!(format!("{:?}", node.get("a").unwrap().kind), "Int(3)");
        assert_eq!(diagnostics.iter().count(), 1);
    }

    #[test]
    fn only_the_first_document_counts_and_a_broken_second_one_is_not_seen() {
        let (node, diagnostics) = read("a: 1\n---\nb: [\n");
        assert!(node.unwrap().get("a").is_some());
        assert_eq!(diagnostics.iter().count(), 1);
    }

    #[test]
    fn aliases_may_not_expand_without_bound() {
        let mut text = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let inner = vec![format!("*l{}", level - 1); 10].join(", ");
            text += &format!("l{level}: &l{level} [{inner}]\n");
        }
        assert!(
            read(&text)
                .0
                .unwrap_err()
                .contains("more than 8000000 values")
        );
    }

    #[test]
    fn an_alias_inside_of_its_own_value_is_refused() {
        assert!(
            read("a: &a [*a]")
                .0
                .unwrap_err()
                .contains("inside of the value")
        );
        assert!(read("a: *b").0.is_err());
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        assert!(read(&"[".repeat(100_000)).0.is_err());
        let fits = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(read(&fits).0.is_ok());
        let deeper = format!("{}{}", "[".repeat(101), "]".repeat(101));
        assert!(
            read(&deeper)
                .0
                .unwrap_err()
                .contains("nested more than 100")
        );
    }
}
