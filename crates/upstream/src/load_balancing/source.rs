//! The hosts that one request may go to: all, or those of a health and place, of one priority.

use super::priority_load::Availability;

/// Which hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) priority: usize,
    pub(super) kind: SourceKind,
}

/// Which of a priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceKind {
    /// Whatever their health.
    All,
    /// Those of a health.
    Of(Availability),
    /// Those of a health in the locality of that number.
    InLocality(usize, Availability),
}

impl SourceKind {
    /// Its place in a table of all kinds of one priority.
    pub(super) const fn place(self) -> usize {
        match self {
            Self::All => 0,
            Self::Of(Availability::Healthy) => 1,
            Self::Of(Availability::Degraded) => 2,
            Self::InLocality(locality, Availability::Healthy) => 3 + 2 * locality,
            Self::InLocality(locality, Availability::Degraded) => 4 + 2 * locality,
        }
    }
}
