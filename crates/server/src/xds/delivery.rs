//! What a source of resources says, and what it is answered.

use nuncio_config::resources::{Response, Unreadable};

/// What a source says: resources, or why there are none.
pub(super) type Delivery = Result<Response, Box<Failure>>;

/// Why there are no resources.
pub(super) struct Failure {
    /// In Envoy's words.
    pub(super) envoy: String,
    /// With all places.
    pub(super) findings: Box<Unreadable>,
}

/// What came of a delivery: a reason if it was rejected, in whole or in part.
pub(super) type Verdict = Result<(), String>;
