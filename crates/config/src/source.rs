//! The texts of a load: what they are called, what they are written in, and where their lines are.

use std::sync::{Arc, OnceLock};

use crate::span::Span;

/// What a text is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `.yaml`, `.yml` and `--config-yaml`.
    Yaml,
    /// `.json` and every name that says nothing else.
    Json,
    /// `.pb`: a serialized message.
    ProtoBinary,
    /// `.pb_text`: protobuf's text format.
    ProtoText,
}

impl Format {
    /// Envoy's choice: by the ending of the name in any case, JSON when it says nothing.
    pub fn of_path(path: &str) -> Format {
        let ends_with = |ending: &str| {
            path.len() >= ending.len()
                && path.as_bytes()[path.len() - ending.len()..]
                    .eq_ignore_ascii_case(ending.as_bytes())
        };
        if ends_with(".pb") {
            Format::ProtoBinary
        } else if ends_with(".pb_text") {
            Format::ProtoText
        } else if ends_with(".yaml") || ends_with(".yml") {
            Format::Yaml
        } else {
            Format::Json
        }
    }
}

/// A text with the name that diagnostics call it by.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user gave it, or a name such as `--config-yaml`.
    pub name: Box<str>,
    /// What the text is written in.
    pub format: Format,
    /// The whole text.
    pub text: Arc<str>,
    /// Where the lines after the first begin; found when first asked for.
    line_starts: OnceLock<Box<[u32]>>,
}

/// Line and column of a byte, both counted from 1; the column counts characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Source {
    /// Names a text.
    pub fn new(name: impl Into<Box<str>>, format: Format, text: impl Into<Arc<str>>) -> Source {
        Source {
            name: name.into(),
            format,
            text: text.into(),
            line_starts: OnceLock::new(),
        }
    }

    /// The text that the span covers; empty when the span is not of this text.
    pub fn slice(&self, span: Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }

    /// Line and column of a byte offset; past the end counts as the end.
    pub fn position(&self, offset: u32) -> Position {
        let before = self.before(offset);
        let (number, start) = self.line_at(before.len());
        Position {
            line: number + 1,
            column: before.get(start..).map_or(0, |line| line.chars().count()) + 1,
        }
    }

    /// The line that a byte stands on, without its line end.
    pub fn line(&self, offset: u32) -> &str {
        let (_, start) = self.line_at(self.before(offset).len());
        let rest = self.text.get(start..).unwrap_or("");
        rest.split('\n').next().unwrap_or("").trim_end_matches('\r')
    }

    /// The number, from 0, and the first byte of the line that a byte stands on.
    fn line_at(&self, offset: usize) -> (usize, usize) {
        let starts = self.line_starts.get_or_init(|| {
            let ends = self.text.match_indices('\n');
            ends.filter_map(|(at, _)| u32::try_from(at + 1).ok())
                .collect()
        });
        let number = starts.partition_point(|start| *start as usize <= offset);
        let start = number.checked_sub(1).and_then(|line| starts.get(line));
        (number, start.map_or(0, |start| *start as usize))
    }

    fn before(&self, offset: u32) -> &str {
        let mut end = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.get(..end).unwrap_or("")
    }
}

/// The texts of one load, in the order that they were given.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
}

impl Sources {
    /// Adds a text and returns its index for spans.
    pub fn add(&mut self, source: Source) -> u32 {
        self.list.push(source);
        u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX - 1)
    }

    /// The source that a span points into.
    pub fn get(&self, span: Span) -> Option<&Source> {
        self.list.get(span.source as usize)
    }

    /// The text that a span covers.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span).map_or("", |source| source.slice(span))
    }

    /// All sources in order.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_counts_characters_not_bytes() {
        let source = Source::new("a.yaml", Format::Yaml, "é: 1\nnäme: x\n");
        let at = source.text.find('x').unwrap() as u32;
        assert_eq!(source.position(at), Position { line: 2, column: 7 });
        assert_eq!(source.line(at), "näme: x");
    }

    #[test]
    fn position_past_the_end_is_the_end() {
        let source = Source::new("a.yaml", Format::Yaml, "a\nb");
        assert_eq!(source.position(99), Position { line: 2, column: 2 });
    }

    #[test]
    fn format_is_chosen_by_ending_in_any_case() {
        assert_eq!(Format::of_path("a.YAML"), Format::Yaml);
        assert_eq!(Format::of_path("a.yml"), Format::Yaml);
        assert_eq!(Format::of_path("a.json"), Format::Json);
        assert_eq!(Format::of_path("a.conf"), Format::Json);
        assert_eq!(Format::of_path("a.pb"), Format::ProtoBinary);
        assert_eq!(Format::of_path("a.pb_text"), Format::ProtoText);
    }
}
