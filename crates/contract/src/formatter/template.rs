//! A text with commands, compiled to literals and operators.

use super::FormatContext;
use super::command::Command;
use super::commands::{self, ExtensionCommands};
use super::error::FormatError;
use super::json_text::escape_from;
use super::operator::Limited;

/// A compiled text.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Operator(Limited),
}

impl Template {
    /// Compiles `text`, of which all but the commands may be any bytes; `%%` stands for `%`.
    pub(super) fn compile(
        text: &[u8],
        extensions: &ExtensionCommands,
    ) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let plain = rest.iter().position(|byte| *byte == b'%');
            let (plain, rest) = rest.split_at(plain.unwrap_or(rest.len()));
            literal.extend_from_slice(plain);
            at += plain.len();
            if rest.starts_with(b"%%") {
                literal.push(b'%');
                at += 2;
            } else if !rest.is_empty() {
                flush(&mut literal, &mut pieces);
                let (command, length) =
                    Command::read(readable(rest)).ok_or_else(|| unreadable(text, at))?;
                pieces.push(Piece::Operator(commands::compile(&command, extensions)?));
                at += length;
            }
        }
        flush(&mut literal, &mut pieces);
        Ok(Template {
            pieces: pieces.into(),
        })
    }

    /// A text that is taken as it is.
    pub(super) fn literal(text: Vec<u8>) -> Self {
        let mut pieces = Vec::new();
        flush(&mut { text }, &mut pieces);
        Template {
            pieces: pieces.into(),
        }
    }

    /// The operator, if the text is one command and nothing else.
    pub(super) fn single_operator(&self) -> Option<&Limited> {
        match &*self.pieces {
            [Piece::Operator(operator)] => Some(operator),
            _ => None,
        }
    }

    /// The text, if there is no command in it.
    pub(super) fn as_literal(&self) -> Option<&[u8]> {
        match &*self.pieces {
            [] => Some(b""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the text; what is missing is `-`, or nothing with `omit_empty`.
    pub(super) fn append(&self, omit_empty: bool, context: &FormatContext<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            piece.append(omit_empty, context, out);
        }
    }

    /// The same for within quotes of JSON. One piece that is no UTF-8 does not change how others are written.
    pub(super) fn append_escaped(
        &self,
        omit_empty: bool,
        context: &FormatContext<'_>,
        out: &mut Vec<u8>,
    ) {
        for piece in &self.pieces {
            let start = out.len();
            piece.append(omit_empty, context, out);
            escape_from(start, out);
        }
    }
}

impl Piece {
    fn append(&self, omit_empty: bool, context: &FormatContext<'_>, out: &mut Vec<u8>) {
        match self {
            Piece::Literal(text) => out.extend_from_slice(text),
            Piece::Operator(operator) => {
                if !operator.append_text(context, out) && !omit_empty {
                    out.push(b'-');
                }
            }
        }
    }
}

fn flush(literal: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal).into()));
    }
}

/// What can be a command: up to the first bytes that are no text.
fn readable(bytes: &[u8]) -> &str {
    let text = bytes.utf8_chunks().next();
    text.map_or("", |chunk| chunk.valid())
}

fn unreadable(text: &[u8], at: usize) -> FormatError {
    let text = String::from_utf8_lossy(text);
    FormatError::new(format!(
        "Incorrect configuration: {text}. Couldn't find valid command at position {at}"
    ))
}
