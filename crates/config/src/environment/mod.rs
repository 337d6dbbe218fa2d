//! `--config-env`: environment variables in the strings of a configuration. Nothing of it happens unasked.
//!
//! `${NAME}` is the variable's value, `${NAME:-text}` the text where the variable is not set or empty, `$${` is `${`.
//! Values are put in after parsing, so that none can leave its scalar, and they are not looked through again. Keys
//! stay. A scalar that is one reference and nothing else takes the type that its field has. What is not set, or has
//! another form, is an error at its place. Between YAML's braces and brackets a reference must be in quotes.
//!
//! Limit: all values put into a text may have as many bytes as a text ([`Limits`](crate::text::Limits)).

mod reference;
#[cfg(test)]
mod tests;
mod typing;

use std::collections::{BTreeMap, HashSet};

use crate::diagnostic::Diagnostics;
use crate::interpret::nearest;
use crate::source::Source;
use crate::span::Span;
use crate::text::{Kind, Node};
use reference::{Piece, pieces};

pub(crate) use typing::settle;

/// The variables that there are.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The process's own; what is not UTF-8 is left out.
    pub fn of_process() -> Environment {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Environment {
            variables: std::env::vars_os().filter_map(text).collect(),
        }
    }

    /// These variables.
    pub fn of(variables: &[(&str, &str)]) -> Environment {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Environment {
            variables: owned.collect(),
        }
    }
}

/// The scalars that are one reference and nothing else, by where they begin.
pub(crate) type Whole = HashSet<u32>;

/// What is to be known of a text's scalars with references, each by where it begins.
#[derive(Default)]
pub(crate) struct Substituted {
    /// Those that are one reference and nothing else.
    pub(crate) whole: Whole,
    /// Those that could not be made; an error says why.
    pub(crate) unusable: HashSet<u32>,
}

/// Puts the variables into all strings below `root`.
pub(crate) fn substitute(
    environment: &Environment,
    root: &mut Node,
    source: &Source,
    limit_bytes: usize,
    diagnostics: &mut Diagnostics,
) -> Substituted {
    let mut work = Substitution {
        environment,
        source,
        bytes_left: limit_bytes,
        done: Substituted::default(),
        diagnostics,
    };
    work.node(root);
    work.done
}

struct Substitution<'a> {
    environment: &'a Environment,
    source: &'a Source,
    bytes_left: usize,
    done: Substituted,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Substitution<'a> {
    fn node(&mut self, node: &mut Node) {
        let span = node.span;
        match &mut node.kind {
            Kind::Map(entries) => entries
                .iter_mut()
                .for_each(|entry| self.node(&mut entry.value)),
            Kind::List(items) => items.iter_mut().for_each(|item| self.node(item)),
            Kind::Str(text) if text.contains("${") => {
                let pieces = pieces(text);
                if matches!(pieces.as_slice(), [Piece::Variable { .. }]) {
                    self.done.whole.insert(span.start);
                }
                let mut new = String::new();
                for piece in &pieces {
                    if !self.piece(piece, span, &mut new) {
                        self.done.unusable.insert(span.start);
                    }
                }
                *text = new.into();
            }
            _ => {}
        }
    }

    /// Whether the piece could be made.
    fn piece(&mut self, piece: &Piece<'_>, span: Span, out: &mut String) -> bool {
        match piece {
            Piece::Text(text) => {
                out.push_str(text);
                true
            }
            Piece::Malformed(text) => {
                let message = format!("`{text}` is no reference to an environment variable");
                let place = self.place(text, span);
                self.diagnostics
                    .error(place, message)
                    .suggest("write `${NAME}` or `${NAME:-default}`, or `$${` for `${` itself");
                false
            }
            Piece::Variable {
                name,
                default,
                written,
            } => {
                let place = self.place(written, span);
                match self.value(name, *default) {
                    Some(value) if value.len() <= self.bytes_left => {
                        self.bytes_left -= value.len();
                        out.push_str(value);
                        return true;
                    }
                    Some(_) => {
                        self.bytes_left = 0;
                        let text = "the environment's values are too large for one text";
                        self.diagnostics.error(place, text);
                    }
                    None => self.unset(name, place),
                }
                false
            }
        }
    }

    fn value<'v>(&self, name: &str, default: Option<&'v str>) -> Option<&'v str>
    where
        'a: 'v,
    {
        let set = self.environment.variables.get(name).map(String::as_str);
        match default {
            Some(default) => set.filter(|value| !value.is_empty()).or(Some(default)),
            None => set,
        }
    }

    fn unset(&mut self, name: &str, place: Span) {
        let names = self.environment.variables.keys().map(String::as_str);
        let suggestion = match nearest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("set it, or write `${{{name}:-default}}`"),
        };
        let text = format!("the environment variable `{name}` is not set");
        self.diagnostics.error(place, text).suggest(suggestion);
    }

    /// Where a reference stands within its scalar, if the scalar is written as it reads.
    fn place(&self, written: &str, span: Span) -> Span {
        let at = self.source.slice(span).find(written);
        at.map_or(span, |at| {
            let start = span.start as usize + at;
            Span::new(span.source, start, start + written.len())
        })
    }
}
