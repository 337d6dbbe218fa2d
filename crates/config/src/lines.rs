//! Where the lines of a load's texts begin: enough to give line and column of a span when the texts are gone.
//!
//! Takes 4 bytes a line, and 4 for each byte beyond the first of a character that has several.

use crate::source::{Position, Sources};
use crate::span::Span;

/// The lines of all texts of a load.
#[derive(Clone, Debug, Default)]
pub struct Lines(Box<[TextLines]>);

#[derive(Clone, Debug)]
struct TextLines {
    name: Box<str>,
    /// Offsets of the first bytes of all lines but the first.
    starts: Box<[u32]>,
    /// Offsets of bytes that continue a character.
    continuations: Box<[u32]>,
}

impl Lines {
    /// Notes where the lines begin.
    pub fn of(sources: &Sources) -> Lines {
        let lines = sources
            .iter()
            .map(|source| TextLines::of(&source.name, &source.text));
        Lines(lines.collect())
    }

    /// The name of the text, line and column of where a span begins.
    pub fn position(&self, span: Span) -> Option<(&str, Position)> {
        let text = self.0.get(usize::try_from(span.source).ok()?)?;
        Some((&text.name, text.position(span.start)))
    }
}

impl TextLines {
    fn of(name: &str, text: &str) -> TextLines {
        let offset = |at: usize| u32::try_from(at).ok();
        let starts = text
            .match_indices('\n')
            .filter_map(|(at, _)| offset(at + 1));
        let bytes = text.bytes().enumerate();
        let continued = bytes.filter(|(_, byte)| byte & 0xc0 == 0x80);
        TextLines {
            name: name.into(),
            starts: starts.collect(),
            continuations: match text.is_ascii() {
                true => Box::default(),
                false => continued.filter_map(|(at, _)| offset(at)).collect(),
            },
        }
    }

    fn position(&self, offset: u32) -> Position {
        let before = self.starts.partition_point(|start| *start <= offset);
        let start = before
            .checked_sub(1)
            .and_then(|line| self.starts.get(line).copied())
            .unwrap_or(0);
        let until = |offset: u32| self.continuations.partition_point(|at| *at < offset);
        let bytes = usize::try_from(offset - start).unwrap_or(0);
        Position {
            line: before + 1,
            column: bytes - (until(offset) - until(start)) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Format, Source};

    #[test]
    fn positions_are_those_that_the_text_itself_gives() {
        let text = "a: 1\n\nn\u{e4}me: \u{20ac} x\n  b: \u{1f600}y\nlast";
        let mut sources = Sources::default();
        let source = Source::new("a.yaml", Format::Yaml, text);
        let index = sources.add(source.clone());
        let lines = Lines::of(&sources);
        for (offset, _) in text.char_indices() {
            let span = Span::new(index, offset, offset);
            assert_eq!(
                lines.position(span),
                Some(("a.yaml", source.position(span.start))),
                "at {offset}"
            );
        }
    }

    #[test]
    fn what_stands_in_no_text_has_no_position() {
        assert_eq!(Lines::default().position(Span::NONE), None);
    }
}
