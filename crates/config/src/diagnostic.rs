//! What is wrong or strange in a configuration, and where: collected, never thrown.
//!
//! A [`Diagnostic`] says it in plain words, keeps Envoy's own wording beside it so that people can
//! search for it, and may suggest a fix. Limit: 1,000 diagnostics are kept; the rest are counted.

use crate::sorting;
use crate::span::Span;

/// Whether a load can go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is taken, but something in it may not do what was meant.
    Warning,
}

/// One finding.
#[derive(Clone, PartialEq, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Where; [`Span::NONE`] when it is about no text.
    pub span: Span,
    /// What is wrong, in one line.
    pub message: String,
    /// What was expected, or why it matters.
    pub note: Option<String>,
    /// What to write instead.
    pub suggestion: Option<String>,
    /// What Envoy says to the same configuration.
    pub envoy: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, span, message)
    }

    /// A warning.
    pub fn warning(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, span, message)
    }

    /// A finding of the given severity.
    pub fn new(severity: Severity, span: Span, message: impl Into<String>) -> Diagnostic {
        let message = message.into();
        Diagnostic {
            severity,
            span,
            message,
            note: None,
            suggestion: None,
            envoy: None,
        }
    }

    /// Whether all that is wrong is that Nuncio does not do it yet.
    pub fn is_unsupported(&self) -> bool {
        self.message.ends_with(Diagnostic::NOT_SUPPORTED)
    }

    /// How a message ends that says so.
    pub const NOT_SUPPORTED: &str = " is not supported by Nuncio yet";

    /// Says what was expected, or why it matters.
    pub fn with_note(mut self, note: impl Into<String>) -> Diagnostic {
        self.note = Some(note.into());
        self
    }

    /// Suggests what to write instead.
    pub fn with_suggestion(mut self, suggestion: impl Into<String>) -> Diagnostic {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Keeps Envoy's wording.
    pub fn with_envoy(mut self, envoy: impl Into<String>) -> Diagnostic {
        self.envoy = Some(envoy.into());
        self
    }
}

/// All findings of a load, in the order that they were made.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    errors: usize,
    not_kept: usize,
    uses: Uses,
}

/// How often a configuration uses what it had better not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// What is deprecated, inside of configurations of extensions: Envoy counts no others.
    pub deprecated: u64,
    /// What is marked as work in progress.
    pub unfinished: u64,
}

impl Diagnostics {
    /// How many are kept.
    pub const LIMIT: usize = 1000;

    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        if self.list.len() < Self::LIMIT {
            self.list.push(diagnostic);
        } else {
            self.not_kept += 1;
        }
    }

    /// Adds an error and returns it so that more can be said: `.suggest()`, `.envoy()`.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> Note<'_> {
        self.add(Diagnostic::error(span, message))
    }

    /// Adds a warning and returns it so that more can be said.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> Note<'_> {
        self.add(Diagnostic::warning(span, message))
    }

    fn add(&mut self, diagnostic: Diagnostic) -> Note<'_> {
        let before = self.list.len();
        self.push(diagnostic);
        Note {
            diagnostic: self.list.get_mut(before),
        }
    }

    /// Adds a suggestion to the finding made last.
    pub fn suggest_for_last(&mut self, suggestion: impl Into<String>) {
        if let Some(last) = self.list.last_mut().filter(|_| self.not_kept == 0) {
            last.suggestion = Some(suggestion.into());
        }
    }

    /// Adds to the errors for which there is more to say.
    pub fn add_notes(&mut self, note: impl Fn(&Diagnostic) -> Option<String>) {
        let errors = self
            .list
            .iter_mut()
            .filter(|found| found.severity == Severity::Error);
        for error in errors {
            let Some(more) = note(error) else { continue };
            error.note = Some(match error.note.take() {
                Some(note) => format!("{note}; {more}"),
                None => more,
            });
        }
    }

    /// Counts uses.
    pub fn add_uses(&mut self, uses: Uses) {
        self.uses.deprecated += uses.deprecated;
        self.uses.unfinished += uses.unfinished;
    }

    /// The uses that were counted.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// Whether anything refuses the configuration.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Number of errors, those beyond the limit included.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Number of findings beyond the limit.
    pub fn not_kept(&self) -> usize {
        self.not_kept
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The findings in order.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Takes over the findings of another collection.
    pub fn append(&mut self, other: Diagnostics) {
        self.add_uses(other.uses);
        let (errors, not_kept, list) = (other.errors, other.not_kept, other.list);
        let kept = list.len();
        for diagnostic in list {
            self.push(diagnostic);
        }
        self.errors += errors.saturating_sub(kept);
        self.not_kept += not_kept;
    }

    /// The findings that are wanted.
    pub fn filter(self, wanted: impl Fn(&Diagnostic) -> bool) -> Diagnostics {
        let mut kept = Diagnostics {
            not_kept: self.not_kept,
            uses: self.uses,
            ..Diagnostics::default()
        };
        let errors = self
            .list
            .iter()
            .filter(|found| found.severity == Severity::Error);
        kept.errors = self.errors.saturating_sub(errors.count());
        for diagnostic in self.list.into_iter().filter(wanted) {
            kept.push(diagnostic);
        }
        kept
    }

    /// Orders the findings by their place, errors and warnings together.
    pub fn sort(&mut self) {
        sorting::sort_by_key(&mut self.list, |diagnostic| {
            (diagnostic.span.source, diagnostic.span.start)
        });
    }
}

/// A finding just made, to say more about it; does nothing when the finding was not kept.
pub struct Note<'d> {
    diagnostic: Option<&'d mut Diagnostic>,
}

impl Note<'_> {
    /// Says what was expected, or why it matters.
    pub fn note(self, note: impl Into<String>) -> Self {
        self.change(|diagnostic| diagnostic.note = Some(note.into()))
    }

    /// Suggests what to write instead.
    pub fn suggest(self, suggestion: impl Into<String>) -> Self {
        self.change(|diagnostic| diagnostic.suggestion = Some(suggestion.into()))
    }

    /// Keeps Envoy's wording.
    pub fn envoy(self, envoy: impl Into<String>) -> Self {
        self.change(|diagnostic| diagnostic.envoy = Some(envoy.into()))
    }

    fn change(mut self, change: impl FnOnce(&mut Diagnostic)) -> Self {
        if let Some(diagnostic) = &mut self.diagnostic {
            change(diagnostic);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_beyond_the_limit_are_counted_not_kept() {
        let mut diagnostics = Diagnostics::default();
        for _ in 0..Diagnostics::LIMIT + 5 {
            diagnostics.error(Span::NONE, "x").suggest("y");
        }
        assert_eq!(diagnostics.iter().count(), Diagnostics::LIMIT);
        assert_eq!(diagnostics.errors(), Diagnostics::LIMIT + 5);
        assert_eq!(diagnostics.not_kept(), 5);
    }
}
