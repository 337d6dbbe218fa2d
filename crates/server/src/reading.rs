//! From an input to a message tree with everything that can be said about it before anything is compiled.
//!
//! A tree that was read in part is checked all the same, so that one run finds all mistakes. What compiling
//! finds comes last and is shown only where nothing was found at the same place before; from a tree that
//! was read in part only what is not supported is taken, for the rest may follow from what is missing.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_config::bootstrap::{Input, load};
use nuncio_config::diagnostic::{Diagnostic, Diagnostics, Severity};
use nuncio_config::rewrite::Remedies;
use nuncio_config::source::Sources;
use nuncio_config::span::Span;
use nuncio_config::tree::Message;
use nuncio_config::upgrade::Change;

use crate::semantics::{self, Node};

/// A bootstrap as far as it could be read.
pub(crate) struct Reading {
    /// The bootstrap; none when there is nothing to go on with.
    pub tree: Option<Arc<Message>>,
    /// The texts.
    pub sources: Sources,
    /// What the upgrade from v2 changed.
    pub changes: Vec<Change>,
    diagnostics: Diagnostics,
    is_whole: bool,
}

/// Reads and checks; `node` is what the command line says of it.
pub(crate) fn read(input: &Input, node: Node) -> Reading {
    let mut reading = match load(input) {
        Ok(loaded) => Reading {
            tree: Some(Arc::new(loaded.tree)),
            sources: loaded.sources,
            changes: loaded.changes,
            diagnostics: loaded.warnings,
            is_whole: true,
        },
        Err(refusal) => Reading {
            tree: refusal.tree.map(Arc::new),
            sources: refusal.sources,
            changes: Vec::new(),
            diagnostics: refusal.diagnostics,
            is_whole: false,
        },
    };
    if let Some(tree) = &reading.tree {
        let mut found = Diagnostics::default();
        semantics::check(tree, node, &mut found);
        reading.add(found, |_| true);
    }
    reading
}

impl Reading {
    /// All findings in order, with those of the compilation.
    pub(crate) fn findings(&mut self, compiled: Diagnostics) -> Diagnostics {
        let is_whole = self.is_whole;
        self.add(compiled, |found| is_whole || found.is_unsupported());
        let mut all = std::mem::take(&mut self.diagnostics);
        if all.iter().any(is_mistake) {
            let remedies = Remedies::find(&self.sources);
            all.add_notes(|found| is_mistake(found).then(|| remedies.hint(found)).flatten());
        }
        all.sort();
        all
    }

    /// Adds what is wanted and was not found before.
    fn add(&mut self, later: Diagnostics, wanted: impl Fn(&Diagnostic) -> bool) {
        let errors = self
            .diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error);
        let errors: Vec<&Diagnostic> = errors.collect();
        let places: HashSet<_> = errors.iter().map(|found| place(found.span)).collect();
        let texts: HashSet<&str> = errors.iter().map(|found| found.message.as_str()).collect();
        let fresh = later.filter(|found| {
            let is_there = found.span.is_known() && places.contains(&place(found.span));
            !is_there && !texts.contains(found.message.as_str()) && wanted(found)
        });
        self.diagnostics.append(fresh);
    }
}

fn is_mistake(found: &Diagnostic) -> bool {
    found.severity == Severity::Error && !found.is_unsupported()
}

fn place(span: Span) -> (u32, u32) {
    (span.source, span.start)
}
