//! A v2 file as the v3 file that the upgrade makes of it: what `nuncio upgrade` prints.
//!
//! The text comes out as YAML, whatever it was written in; one in which nothing was to change comes out
//! byte for byte. Beyond what a load upgrades, this rewrites what early v3 took and Envoy 1.40 does not, and v2's forms
//! in a file that names v3 types and is wrong as it stands. A serialized message (`.pb`) has no text and is refused.

use crate::bootstrap::{Refusal, read_text};
use crate::deprecation::{self, Guards};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::interpret::interpret;
use crate::sorting;
use crate::source::{Format, Source, Sources};
use crate::span::Span;
use crate::text::{self, Limits, Node};
use crate::upgrade::{self, Change};
use crate::validate::validate;

/// A file rewritten.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The v3 text.
    pub text: String,
    /// What was changed; nothing in a v3 file.
    pub changes: Vec<Change>,
    /// What is still wrong, or deprecated.
    pub findings: Diagnostics,
    /// The text as it was, for the places of changes and findings.
    pub sources: Sources,
}

/// Upgrades a file's text.
pub fn file(path: &str) -> Result<Rewritten, Box<Refusal>> {
    let mut diagnostics = Diagnostics::default();
    let mut sources = Sources::default();
    match try_file(path, &mut sources, &mut diagnostics) {
        Some((text, changes)) => {
            diagnostics.sort();
            Ok(Rewritten {
                text,
                changes,
                findings: diagnostics,
                sources,
            })
        }
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
    let bootstrap = nuncio_api::message(crate::bootstrap::BOOTSTRAP)?;
    if source.format == Format::ProtoText {
        text::proto::shape(bootstrap, &mut node);
    }
    let mut changes = Vec::new();
    upgrade::run(&mut node, &mut changes);
    beyond_a_load(bootstrap, &mut node, &mut changes);
    sorting::sort_by_key(&mut changes, |change| change.span.start);
    if let Some(tree) = interpret(bootstrap, &node, diagnostics) {
        validate(&tree, diagnostics);
        deprecation::check(&tree, &Guards::of_bootstrap(&tree), diagnostics);
    }
    let text = if changes.is_empty() {
        source.text.to_string()
    } else {
        upgrade::to_yaml(&node, source)
    };
    Some((text, changes))
}

/// Rewrites what a load leaves as it is.
fn beyond_a_load(bootstrap: nuncio_api::Message, node: &mut Node, changes: &mut Vec<Change>) {
    upgrade::renew(node, changes);
    let mut wrong = Diagnostics::default();
    interpret(bootstrap, node, &mut wrong);
    if wrong.has_errors() {
        upgrade::force(node, changes);
    }
}

/// What an upgrade would change in texts that a load refuses as they stand.
pub struct Remedies {
    changes: Vec<Change>,
}

impl Remedies {
    /// Looks for what an upgrade would change beyond what a load upgrades.
    pub fn find(sources: &Sources) -> Remedies {
        let found = (0..)
            .zip(sources.iter())
            .filter_map(|(index, source)| remedies(source, index));
        Remedies {
            changes: found.flatten().collect(),
        }
    }

    /// That an upgrade mends what was found here, if it does.
    pub fn hint(&self, found: &Diagnostic) -> Option<String> {
        let here = found.span;
        let change = self.changes.iter().find(|change| {
            let there = change.span;
            let overlap = there.start <= here.end && here.start <= there.end;
            there.source == here.source && overlap
        })?;
        Some(format!("`nuncio upgrade` mends this: {}", change.what))
    }
}

fn remedies(source: &Source, index: u32) -> Option<Vec<Change>> {
    let mut passed_over = Diagnostics::default();
    let mut node = text::parse(source, index, &Limits::default(), &mut passed_over)?;
    let bootstrap = nuncio_api::message(crate::bootstrap::BOOTSTRAP)?;
    if source.format == Format::ProtoText {
        text::proto::shape(bootstrap, &mut node);
    }
    upgrade::run(&mut node, &mut Vec::new());
    let mut changes = Vec::new();
    beyond_a_load(bootstrap, &mut node, &mut changes);
    Some(changes)
}
