//! A v2 file as the v3 file that the upgrade makes of it: what `nuncio upgrade` prints.
//!
//! The text comes out as YAML, whatever it was written in; one in which nothing was to change comes out
//! byte for byte. A serialized message (`.pb`) has no text and is refused.

use crate::bootstrap::{Refusal, read_text};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Format, Source, Sources};
use crate::span::Span;
use crate::text::{self, Limits};
use crate::upgrade::{self, Change};

/// A file rewritten.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The v3 text.
    pub text: String,
    /// What was changed; nothing in a v3 file.
    pub changes: Vec<Change>,
    /// The text as it was, for the changes' places.
    pub sources: Sources,
}

/// Upgrades a file's text.
pub fn file(path: &str) -> Result<Rewritten, Box<Refusal>> {
    let mut diagnostics = Diagnostics::default();
    let mut sources = Sources::default();
    match try_file(path, &mut sources, &mut diagnostics) {
        Some((text, changes)) => Ok(Rewritten {
            text,
            changes,
            sources,
        }),
        None => Err(Box::new(Refusal {
            diagnostics,
            sources,
            tree: None,
        })),
    }
}

fn try_file(
    path: &str,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Option<(String, Vec<Change>)> {
    if Format::of_path(path) == Format::ProtoBinary {
        let text =
            format!("{path} is a serialized message, in which there is no v2 to be told from v3");
        diagnostics.push(Diagnostic::error(Span::NONE, text));
        return None;
    }
    let limits = Limits::default();
    let source = read_text(path, &limits)
        .map_err(|diagnostic| diagnostics.push(diagnostic))
        .ok()?;
    let index = sources.add(source.clone());
    rewrite(&source, index, &limits, diagnostics)
}

fn rewrite(
    source: &Source,
    index: u32,
    limits: &Limits,
    diagnostics: &mut Diagnostics,
) -> Option<(String, Vec<Change>)> {
    let mut node = text::parse(source, index, limits, diagnostics)?;
    if source.format == Format::ProtoText {
        let bootstrap = nuncio_api::message(crate::bootstrap::BOOTSTRAP)?;
        text::proto::shape(bootstrap, &mut node);
    }
    let mut changes = Vec::new();
    upgrade::run(&mut node, &mut changes);
    let text = if changes.is_empty() {
        source.text.to_string()
    } else {
        upgrade::to_yaml(&node, source)
    };
    Some((text, changes))
}
