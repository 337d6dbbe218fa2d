//! The v2 upgrade: rewrites a v2 bootstrap to v3 before it is interpreted. Not written yet: a v2
//! configuration passes unchanged and is refused by what follows.

use crate::span::Span;
use crate::text::Node;

/// One thing that the upgrade changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where the old form stands.
    pub span: Span,
    /// The field path of what was changed.
    pub path: String,
    /// What was changed, in words.
    pub what: String,
}

/// Upgrades a bootstrap in place and says what it changed.
pub fn run(root: &mut Node, changes: &mut Vec<Change>) {
    let _ = (root, changes);
}
