//! What was found in a configuration, as people and machines are told of it.

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::report::{self, Style};
use nuncio_config::source::Sources;
use nuncio_config::span::Span;
use nuncio_config::typed::Ctx;
use nuncio_config::upgrade::Change;

/// What was found in a configuration, with the texts that it points into.
pub(crate) struct Findings {
    pub(super) diagnostics: Diagnostics,
    pub(super) sources: Sources,
    /// What the upgrade from v2 changed.
    pub changes: Vec<Change>,
}

impl Findings {
    /// As text, for people or for machines.
    pub(crate) fn render(&self, style: Style) -> String {
        report::render(&self.diagnostics, &self.sources, style)
    }

    /// Adds an error.
    pub(crate) fn refuse(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.error(span, message);
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// The changes of the upgrade, each on a line of its own.
    pub(crate) fn render_changes(&self) -> String {
        self.changes
            .iter()
            .map(|change| format!("  {}: {}\n", change.path, change.what))
            .collect()
    }

    /// The same as findings: a warning each.
    pub(crate) fn changes_for_machines(&self) -> String {
        let mut warnings = Diagnostics::default();
        for change in &self.changes {
            warnings.warning(change.span, format!("upgraded to v3: {}", change.what));
        }
        report::render(&warnings, &self.sources, Style::Json)
    }

    /// The first error's text, for Envoy's one-line summary; mistakes count before what is not supported yet.
    pub(crate) fn first_error(&self) -> String {
        let errors = || {
            let all = self.diagnostics.iter();
            all.filter(|found| found.severity == nuncio_config::diagnostic::Severity::Error)
        };
        let mistake = errors().find(|found| !found.is_unsupported());
        mistake
            .or_else(|| errors().next())
            .map(|found| found.envoy.clone().unwrap_or_else(|| found.message.clone()))
            .unwrap_or_default()
    }
}

/// Says what does not run because it needs what is not supported; an error has been reported otherwise.
pub(super) fn left_out(what: &str, ctx: &mut Ctx) {
    if !ctx.diagnostics.has_errors() {
        let text = format!("{what} will not run, for lack of what is not supported");
        ctx.warning(Span::NONE, text);
    }
}
