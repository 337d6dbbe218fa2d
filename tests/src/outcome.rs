//! What came of running a case.

use crate::compare::Difference;
use crate::report::Report;

/// What came of a case.
#[derive(Debug)]
pub struct Outcome {
    /// Id of the case.
    pub case: String,
    /// What it was compared with.
    pub pinned: Report,
    /// Sections that differ from the pin.
    pub differences: Vec<Difference>,
    /// Why the case could not be run at all.
    pub failure: Option<String>,
}
