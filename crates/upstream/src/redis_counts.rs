//! What counts commands of Redis to a cluster's hosts: their times, and each by its name if that is wanted.
//!
//! As in Envoy, a stat is there from the first time that it counts.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_codec::resp::Value;
use nuncio_contract::stat_group;
use nuncio_contract::stats::{Scope, StatGroup};

stat_group! {
    /// All commands to a cluster's hosts, below `upstream_commands.`.
    pub struct UpstreamStats("") {
        histograms { upstream_rq_time: Microseconds }
    }
}

stat_group! {
    /// A command to a cluster's hosts, below `upstream_commands.<command>.`; each of these is listed once it counts.
    pub struct CommandTotal("") {
        counters { total }
    }
}

stat_group! {
    /// Beside [`CommandTotal`].
    pub struct CommandSuccess("") {
        counters { success }
    }
}

stat_group! {
    /// Beside [`CommandTotal`].
    pub struct CommandFailure("") {
        counters { failure }
    }
}

stat_group! {
    /// Beside [`CommandTotal`].
    pub struct CommandTime("") {
        histograms { latency: Microseconds }
    }
}

/// What counts the commands of a worker to a cluster's hosts.
pub struct CommandCounts {
    scope: Option<Scope>,
    all: OnceCell<Arc<UpstreamStats>>,
    /// Whether they are counted by name, and which names count.
    by_name: Option<fn(&str) -> bool>,
    named: RefCell<HashMap<Vec<u8>, Rc<Named>>>,
}

/// What counts those of a name.
pub struct Named {
    scope: Option<Scope>,
    total: OnceCell<Arc<CommandTotal>>,
    success: OnceCell<Arc<CommandSuccess>>,
    failure: OnceCell<Arc<CommandFailure>>,
    time: OnceCell<Arc<CommandTime>>,
}

/// Cells that are made when they are first needed.
fn cells<'c, G: StatGroup>(place: &'c OnceCell<Arc<G>>, scope: Option<&Scope>) -> &'c G {
    place.get_or_init(|| scope.map_or_else(Arc::default, Scope::worker_group))
}

impl Named {
    fn new(scope: Option<Scope>) -> Self {
        Named {
            scope,
            total: OnceCell::new(),
            success: OnceCell::new(),
            failure: OnceCell::new(),
            time: OnceCell::new(),
        }
    }

    /// A command is sent.
    fn begin(&self) {
        let scope = self.scope.as_ref();
        cells(&self.total, scope).total.inc();
        cells(&self.time, scope);
    }

    fn end(&self, took_us: u64, is_success: bool) {
        let scope = self.scope.as_ref();
        cells(&self.time, scope).latency.record(took_us);
        match is_success {
            true => cells(&self.success, scope).success.inc(),
            false => cells(&self.failure, scope).failure.inc(),
        }
    }
}

impl CommandCounts {
    /// Under a scope, by name if it is said which names are known; all others are unknown.
    pub fn new(scope: &Scope, by_name: Option<fn(&str) -> bool>) -> Self {
        CommandCounts {
            scope: scope.scope("upstream_commands"),
            all: OnceCell::new(),
            by_name,
            named: RefCell::default(),
        }
    }

    /// Counts a command that is sent; what counts its answer, if it is counted by name. Some have no name here.
    pub fn begin(&self, words: &[Vec<u8>]) -> Option<Rc<Named>> {
        cells(&self.all, self.scope.as_ref());
        let named = self.of(words)?;
        named.begin();
        Some(named)
    }

    fn of(&self, words: &[Vec<u8>]) -> Option<Rc<Named>> {
        let is_known = self.by_name?;
        let name = words.first()?.to_ascii_lowercase();
        let known = std::str::from_utf8(&name).ok();
        let known = known.filter(|name| is_known(name)).unwrap_or("unknown");
        let mut named = self.named.borrow_mut();
        if let Some(stats) = named.get(known.as_bytes()) {
            return Some(Rc::clone(stats));
        }
        let scope = self.scope.as_ref().and_then(|scope| scope.scope(known));
        let stats = Rc::new(Named::new(scope));
        named.insert(known.as_bytes().to_vec(), Rc::clone(&stats));
        Some(stats)
    }

    /// Counts an answer, which took so long.
    pub fn answered(
        &self,
        named: Option<&Named>,
        took: Duration,
        value: &Value,
        is_unwanted: bool,
    ) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let all = cells(&self.all, self.scope.as_ref());
        all.upstream_rq_time.record(took_us);
        if let Some(named) = named {
            named.end(took_us, !is_unwanted && !matches!(value, Value::Error(_)));
        }
    }
}
