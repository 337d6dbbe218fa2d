//! What the router counts of a cluster's responses: by status code and by time, for all requests and apart
//! for internal and external ones. Each part appears with its first response, as in Envoy.

use std::cell::OnceCell;
use std::sync::Arc;

use nuncio_contract::stats::groups::UpstreamResponseTime;
use nuncio_contract::stats::{CodeCounters, Completed, Scope};

/// Responses of a cluster on one worker.
pub struct ResponseStats {
    scope: Scope,
    all: OnceCell<Part>,
    internal: OnceCell<Part>,
    external: OnceCell<Part>,
}

struct Part {
    codes: Arc<CodeCounters>,
    time: OnceCell<Arc<UpstreamResponseTime>>,
}

impl ResponseStats {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            all: OnceCell::new(),
            internal: OnceCell::new(),
            external: OnceCell::new(),
        }
    }

    /// Counts a status.
    #[inline]
    pub fn count(&self, status: u16, is_internal: bool) {
        self.part("").codes.inc(status);
        self.part(Self::origin(is_internal)).codes.inc(status);
    }

    /// Records how long a complete response took, from the end of its request.
    #[inline]
    pub fn record_time(&self, took_ms: u64, is_internal: bool) {
        for sub in ["", Self::origin(is_internal)] {
            let time = self
                .part(sub)
                .time
                .get_or_init(|| self.scope.worker_group_at(sub));
            time.upstream_rq_time.record(took_ms);
        }
    }

    const fn origin(is_internal: bool) -> &'static str {
        if is_internal {
            "internal."
        } else {
            "external."
        }
    }

    #[inline]
    fn part(&self, sub: &'static str) -> &Part {
        let (slot, completed) = match sub {
            "" => (&self.all, Completed::Elsewhere),
            "internal." => (&self.internal, Completed::Listed),
            _ => (&self.external, Completed::Listed),
        };
        slot.get_or_init(|| Part {
            codes: self.scope.worker_codes(sub, completed),
            time: OnceCell::new(),
        })
    }
}
