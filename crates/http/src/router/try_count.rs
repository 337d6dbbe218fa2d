//! What is counted of one try where its cluster tracks that: the sizes of heads and bodies, and its share of the time
//! that a try may take. Gathered beside the log of a try ([`TryLog`](super::try_log::TryLog)).

use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::headers::HeaderMap;
use nuncio_upstream::{TrySizes, TryStats};

use crate::exchange::Budget;

/// A try that will be counted.
pub(super) struct TryCount {
    stats: Rc<TryStats>,
    per_try: Option<Duration>,
    /// The time for the whole response.
    whole: Option<Duration>,
    /// Headers of all heads of its answer, and their bytes.
    response_head: Option<(usize, usize)>,
}

impl TryCount {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            stats: Rc::clone(&budget.stats),
            per_try: budget.per_try,
            whole: budget.whole,
            response_head: None,
        }
    }

    /// A head of its answer has come.
    pub(super) fn answered(&mut self, head: &HeaderMap) {
        let (count, bytes) = self.response_head.unwrap_or_default();
        self.response_head = Some((count + head.len(), bytes + head.byte_size()));
    }

    /// It is over, `took` after its begin and `elapsed` after the end of the request; sent and received are the bytes
    /// of bodies. One that the end of the time for the whole response has ended has no share of its own, as in Envoy.
    pub(super) fn end(
        &self,
        request: &HeaderMap,
        (sent, received): (u64, u64),
        (took, elapsed): (Duration, Duration),
    ) {
        if self.whole.is_none_or(|whole| elapsed < whole) {
            self.stats.record_try(took, self.per_try);
        }
        self.stats.record_sizes(TrySizes {
            request_head: (request.len(), request.byte_size()),
            request_body: sent,
            response_head: self.response_head,
            response_body: received,
        });
    }
}
