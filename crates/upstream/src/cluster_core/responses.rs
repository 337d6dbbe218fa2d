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
    retried: OnceCell<Arc<CodeCounters>>,
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
            retried: OnceCell::new(),
        }
    }

    /// Counts a status.
    #[inline]
    pub fn count(&self, status: u16, is_internal: bool) {
        for of in [Of::All, Of::origin(is_internal)] {
            self.part(of).codes.inc(status);
        }
    }

    /// The same where only those of the request's origin tell its status.
    #[cold]
    pub fn count_by_origin(&self, status: u16, is_internal: bool) {
        self.part(Of::origin(is_internal)).codes.inc(status);
    }

    /// Counts the status of a response that was not passed on, as the request is tried again.
    pub fn count_retried(&self, status: u16) {
        self.retried().inc(status);
    }

    /// The same without its status.
    #[cold]
    pub fn complete_retried(&self) {
        self.retried().complete();
    }

    fn retried(&self) -> &CodeCounters {
        let begin = || self.scope.worker_codes("retry.", Completed::Listed);
        self.retried.get_or_init(begin)
    }

    /// Records how long a complete response took, from the end of its request.
    #[inline]
    pub fn record_time(&self, took_ms: u64, is_internal: bool) {
        for of in [Of::All, Of::origin(is_internal)] {
            let time = self
                .part(of)
                .time
                .get_or_init(|| self.scope.worker_group_at(of.prefix()));
            time.upstream_rq_time.record(took_ms);
        }
    }

    #[inline]
    fn part(&self, of: Of) -> &Part {
        let slot = match of {
            Of::All => &self.all,
            Of::Internal => &self.internal,
            Of::External => &self.external,
        };
        slot.get_or_init(|| self.begin(of))
    }

    #[cold]
    fn begin(&self, of: Of) -> Part {
        let completed = match of {
            Of::All => Completed::Elsewhere,
            Of::Internal | Of::External => Completed::Listed,
        };
        Part {
            codes: self.scope.worker_codes(of.prefix(), completed),
            time: OnceCell::new(),
        }
    }
}

/// Which requests a part counts.
#[derive(Clone, Copy)]
enum Of {
    All,
    Internal,
    External,
}

impl Of {
    const fn origin(is_internal: bool) -> Self {
        if is_internal {
            Self::Internal
        } else {
            Self::External
        }
    }

    /// What the names of its stats begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Internal => "internal.",
            Self::External => "external.",
        }
    }
}
