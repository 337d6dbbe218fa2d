//! What the router counts of a cluster's responses: by status code and by time, for all requests, apart for
//! internal and external ones, for those of canaries and, where the proxy has a zone, for those of each zone.
//! Each part appears with its first response, as in Envoy.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stats::groups::UpstreamResponseTime;
use nuncio_contract::stats::{CodeCounters, Completed, Scope};

/// Responses of a cluster on one worker.
pub struct ResponseStats {
    scope: Scope,
    all: OnceCell<Part>,
    internal: OnceCell<Part>,
    external: OnceCell<Part>,
    canary: OnceCell<Part>,
    /// The zone that the proxy is in; empty where it has none.
    own_zone: Box<str>,
    zones: RefCell<BTreeMap<Box<str>, Rc<Zone>>>,
    retried: OnceCell<Arc<CodeCounters>>,
}

struct Part {
    codes: Arc<CodeCounters>,
    time: OnceCell<Arc<UpstreamResponseTime>>,
}

/// What the responses of a zone's hosts are counted by.
struct Zone {
    scope: Scope,
    part: Part,
}

impl ResponseStats {
    pub(crate) fn new(scope: Scope, own_zone: Box<str>) -> Self {
        Self {
            scope,
            own_zone,
            all: OnceCell::new(),
            internal: OnceCell::new(),
            external: OnceCell::new(),
            canary: OnceCell::new(),
            zones: RefCell::default(),
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

    /// Counts the status of a canary.
    #[cold]
    pub fn count_canary(&self, status: u16) {
        self.part(Of::Canary).codes.inc(status);
    }

    /// Counts the status of a host of `zone`, where it and the proxy have one.
    #[inline]
    pub fn count_zone(&self, status: u16, zone: Option<&str>) {
        if !self.own_zone.is_empty()
            && let Some(zone) = self.zone(zone)
        {
            zone.part.codes.inc(status);
        }
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
            self.part(of).record(&self.scope, of.prefix(), took_ms);
        }
    }

    /// Records the same of a canary.
    #[cold]
    pub fn record_canary_time(&self, took_ms: u64) {
        let of = Of::Canary;
        self.part(of).record(&self.scope, of.prefix(), took_ms);
    }

    /// Records the same of a host of `zone`, where it and the proxy have one.
    #[inline]
    pub fn record_zone_time(&self, took_ms: u64, zone: Option<&str>) {
        if !self.own_zone.is_empty()
            && let Some(zone) = self.zone(zone)
        {
            zone.part.record(&zone.scope, "", took_ms);
        }
    }

    #[cold]
    fn zone(&self, zone: Option<&str>) -> Option<Rc<Zone>> {
        let name = zone.filter(|zone| !zone.is_empty())?;
        let mut zones = self.zones.borrow_mut();
        if let Some(zone) = zones.get(name) {
            return Some(Rc::clone(zone));
        }
        let scope = self
            .scope
            .scope(&format!("zone.{}.{name}", self.own_zone))?;
        let codes = scope.worker_codes("", Completed::Listed);
        let time = OnceCell::new();
        let zone = Rc::new(Zone {
            scope,
            part: Part { codes, time },
        });
        zones.insert(name.into(), Rc::clone(&zone));
        Some(zone)
    }

    #[inline]
    fn part(&self, of: Of) -> &Part {
        let slot = match of {
            Of::All => &self.all,
            Of::Internal => &self.internal,
            Of::External => &self.external,
            Of::Canary => &self.canary,
        };
        slot.get_or_init(|| self.begin(of))
    }

    #[cold]
    fn begin(&self, of: Of) -> Part {
        let completed = match of {
            Of::All => Completed::Elsewhere,
            Of::Internal | Of::External | Of::Canary => Completed::Listed,
        };
        Part {
            codes: self.scope.worker_codes(of.prefix(), completed),
            time: OnceCell::new(),
        }
    }
}

impl Part {
    #[inline]
    fn record(&self, scope: &Scope, prefix: &'static str, took_ms: u64) {
        let time = self.time.get_or_init(|| scope.worker_group_at(prefix));
        time.upstream_rq_time.record(took_ms);
    }
}

/// Which requests a part counts.
#[derive(Clone, Copy)]
enum Of {
    All,
    Internal,
    External,
    Canary,
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
            Self::Canary => "canary.",
        }
    }
}
